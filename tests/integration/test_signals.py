"""A signal to Snakemake alone, as `kill`, `timeout` or `docker stop` send it, ends all jobs, whatever they are at."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from codetune.base.locks import lock_of
from conftest import ROOT

KINDS = {"computes", "downloads", "imports", "waits_for_a_gpu", "waits_for_a_lock"}
SNAKEFILE = f"""
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, "{ROOT}/workflow/scripts")
config |= {{"results": "results", "resources": "resources", "checkpoints_gb": 100}}
STUDY = SimpleNamespace(models={{}}, datasets={{}}, encoders={{}}, rehearsal=False)  # whose downloads are looked at
REPOSITORIES = []

include: "{ROOT}/workflow/rules/execution.smk"

rule all:
    input: expand("results/{{kind}}", kind={sorted(KINDS)})

rule one:
    output: "results/{{kind}}"
    log: "logs/{{kind}}.log"
    resources: gpu=lambda wildcards: int(wildcards.kind == "waits_for_a_gpu")
    params: network=lambda wildcards: wildcards.kind == "downloads"
    script: "job.py"
"""
JOB = f"""
import sys
import time
from pathlib import Path

sys.path.insert(0, "{ROOT}/workflow/scripts")
kind = snakemake.wildcards.kind
once_more = Path("once_more").exists()
Path(f"{{kind}}.begun").touch()
if kind == "imports" and not once_more:
    time.sleep(3)
while kind == "waits_for_a_lock" and not Path("held").exists():
    time.sleep(0.05)

from codetune.base import devices
from codetune.base.jobs import job
from codetune.base.signals import signals_deferred

devices.CLAIM = Path.cwd().name[-60:]
with job(snakemake):
    if kind == "computes" and not once_more:
        with signals_deferred() as stop_if_asked:
            while True:
                time.sleep(0.1)
                Path("saved").write_text("all that was computed")
                stop_if_asked()
    if kind == "downloads" and not once_more:
        time.sleep(600)  # between two attempts
    assert once_more, f"a job that {{kind}} was to be stopped before"
    Path(snakemake.output[0]).write_text(kind)
"""
# Holds the GPU and the lock that two of the jobs wait for.
HOLD = """
import sys, time
from pathlib import Path
from codetune.base import devices
from codetune.base.locks import one_writer
devices.CLAIM = sys.argv[1]
with devices.claim_gpus(1):
    while not Path("waits_for_a_lock.begun").exists():
        time.sleep(0.05)
    with one_writer(Path(sys.argv[2]), "it", 0, print):
        Path("held").touch()
        time.sleep(600)
"""
ONE_GPU = {"CUDA_VISIBLE_DEVICES": "0"}
COMMAND = [Path(sys.executable).parent / "snakemake", "--cores", "8", "--resources", "gpu=1", "--show-failed-logs"]
AS_THE_FIRST_PROCESS = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


def wait_for(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def can_be_the_first_process():
    return shutil.which("unshare") and subprocess.run([*AS_THE_FIRST_PROCESS, "true"], check=False).returncode == 0


@pytest.fixture
def project(tmp_path):
    """A folder whose jobs, of all kinds, cannot end by themselves."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "job.py").write_text(JOB)
    lock = lock_of(tmp_path / "results/waits_for_a_lock", [str(tmp_path / "results")])
    environment = {**os.environ, **ONE_GPU, "PYTHONPATH": f"{ROOT}/workflow/scripts"}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path.name[-60:], str(lock)], cwd=tmp_path, env=environment
    )
    yield tmp_path, holder
    holder.kill()
    holder.wait()


@pytest.mark.parametrize("way", ["SIGTERM", "SIGINT", "SIGTERM to the first process of a container"])
def test_a_signal_to_snakemake_alone_ends_all_its_jobs_and_loses_nothing(project, way):
    project, holder = project
    number = signal.Signals[way.split()[0]]
    if "first" in way and not can_be_the_first_process():
        pytest.skip("this user cannot make a namespace of processes (unshare --pid)")
    with open(project / "console.txt", "w") as console:
        workflow = subprocess.Popen(
            [*(AS_THE_FIRST_PROCESS if "first" in way else []), *COMMAND],
            cwd=project,
            env={**os.environ, **ONE_GPU},
            stdout=console,
            stderr=console,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
        )
    snakemake = psutil.Process(workflow.pid)
    wait_for(lambda: {path.stem for path in project.glob("*.begun")} >= KINDS, "not all jobs begin")
    wait_for(lambda: all((project / name).exists() for name in ("saved", "held")), "not all jobs are at work")
    if "first" in way:
        [snakemake] = snakemake.children()
    processes = snakemake.children(recursive=True)
    snakemake.send_signal(number)
    assert workflow.wait(15) != 0
    assert psutil.wait_procs(processes, timeout=5)[1] == []
    text = (project / "console.txt").read_text()
    assert "Running jobs save their work and end." in text
    assert text.count("error: stopped by SIGTERM. The same command resumes from what is saved.") >= 5
    assert "Traceback" not in text
    assert (project / "saved").read_text() == "all that was computed"
    assert [path.name for path in (project / "results").iterdir() if path.is_file()] == []
    holder.kill()
    holder.wait()
    (project / "once_more").touch()
    again = subprocess.run(COMMAND, cwd=project, env={**os.environ, **ONE_GPU}, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
