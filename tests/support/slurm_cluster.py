"""A SLURM cluster of one node for the tests: its own munge, controller and daemon, all in one folder, as any user.

The node has GPUs that are none, and more cores and memory than the machine: SLURM keeps its books and pins nothing. Run
by root where Linux's control groups (version 1) can be written, it tracks the processes of its jobs by them and limits
their memory, as real clusters do: then a signal reaches only the first process of a job's step.
"""

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from pwd import getpwuid

# What a study is started with on this cluster. In place of conda, jobs run in the environment that runs the tests,
# since no rule names an environment module.
SUBMIT = (
    *("--workflow-profile", "profiles/slurm", "--configfile", "small.yaml"),
    *("--software-deployment-method", "env-modules", "--slurm-init-seconds-before-status-checks", "1"),
)
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])  # where a user's PATH has no daemons
# All stay in the foreground: as children they can be waited for. --force: munged dislikes folders under /tmp.
DAEMONS = {
    "munged": "--foreground --force --key-file {0}/munge.key --socket {0}/munged.socket --pid-file {0}/munged.pid"
    " --log-file {0}/munged.log --seed-file {0}/munged.seed",
    "slurmctld": "-D -c -f {0}/slurm.conf",
    "slurmd": "-D -c -f {0}/slurm.conf",
}

# config_overrides: the node is what this says, not what slurmd finds.
# MinJobAge: how long squeue shows a finished job; without accounting nothing else knows of it.
SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munged.socket
CredType=cred/munge
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/{tracking}
TaskPlugin=task/{limits}
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
SlurmdParameters=config_overrides
ReturnToService=2
SchedulerParameters=sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MinJobAge=1800
KillWait=30
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=200000 Gres=gpu:{gpus} Feature=large State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=30
PartitionName=urgent Nodes=ALL MaxTime=60 State=UP PriorityTier=10 PreemptMode=OFF
"""
CGROUP_CONF = """\
CgroupPlugin=cgroup/v1
CgroupMountpoint={0}
ConstrainCores=no
ConstrainRAMSpace=yes
ConstrainDevices=no
"""
CGROUPS = Path("/sys/fs/cgroup")


def tracks_by_cgroup() -> bool:
    """Whether the cluster tracks processes by control groups here: that takes root, and version 1 of them."""
    groups = [CGROUPS / name for name in ("freezer", "memory")]
    return os.geteuid() == 0 and all(group.is_dir() and os.access(group, os.W_OK) for group in groups)


def missing_programs() -> list[str]:
    """The programs that a cluster needs and that are not installed."""
    return [name for name in (*DAEMONS, "srun", "sbatch") if shutil.which(name, path=PATH) is None]


@contextmanager
def one_node_cluster(folder: Path, gpus: int) -> Iterator[dict[str, str]]:
    """Runs a cluster, and yields what has to be in the environment of the commands that use it."""
    _write_configuration(folder, gpus)
    environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{folder / 'bin'}{os.pathsep}{PATH}"}
    environment["CODETUNE_GPUS_ARE_ONLY_NAMES"] = "yes"

    def node_is_idle() -> bool:
        return ask(environment, "sinfo", "--noheader", "--format", "%T").strip() == "idle"

    with ExitStack() as daemons:
        daemons.enter_context(_running("munged", folder, ready=(folder / "munged.socket").exists))
        daemons.enter_context(_running("slurmctld", folder, ready=lambda: "UP" in ask(environment, "scontrol", "ping")))
        daemons.enter_context(_running("slurmd", folder, ready=node_is_idle))
        try:
            yield environment
        finally:
            ask(environment, "scancel", "--user", getpwuid(os.getuid()).pw_name)
            _wait_until(lambda: not ask(environment, "squeue", "--noheader"), "all jobs to end")


def ask(environment: dict[str, str], program: str, *arguments: str) -> str:
    """What a command of the cluster prints."""
    path = shutil.which(program, path=environment["PATH"])
    return subprocess.run(
        [str(path), *arguments], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60
    ).stdout


@contextmanager
def _running(name: str, folder: Path, ready: Callable[[], bool]) -> Iterator[None]:
    path = shutil.which(name, path=PATH)
    with (folder / f"{name}.out").open("w") as out:
        daemon = subprocess.Popen(
            [str(path), *DAEMONS[name].format(folder).split()],
            env={**os.environ, "SLURM_CONF": str(folder / "slurm.conf")},  # the folder of cgroup.conf, too
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
        )
    try:
        _wait_until(ready, f"{name} ({folder / name}.out, .log)")
        yield
    finally:
        daemon.terminate()
        try:
            daemon.wait(timeout=30)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def _wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.2)


def _write_configuration(folder: Path, gpus: int) -> None:
    for name in ("bin", "controller", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    for index in range(gpus):  # SLURM wants a character device for each
        (folder / f"gpu{index}").symlink_to("/dev/null")
    (folder / "gres.conf").write_text(f"Name=gpu Flags=nvidia_gpu_env File={folder}/gpu[0-{gpus - 1}]\n")
    by_cgroup = tracks_by_cgroup()
    (folder / "slurm.conf").write_text(
        SLURM_CONF.format(
            folder=folder,
            gpus=gpus,
            user=getpwuid(os.getuid()).pw_name,
            host=socket.gethostname().partition(".")[0],
            ports=_free_ports(2),
            tracking="cgroup" if by_cgroup else "linuxproc",
            limits="cgroup" if by_cgroup else "none",
        )
    )
    if by_cgroup:
        (folder / "cgroup.conf").write_text(CGROUP_CONF.format(CGROUPS))
    # Snakemake takes SLURM_CONF out of the environment of the srun inside a job; a real cluster does without it.
    srun = folder / "bin" / "srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
    srun.chmod(0o755)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
