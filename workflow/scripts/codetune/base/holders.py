"""Who holds a lock: which process on which machine, and whether that process is still alive."""

import json
import os
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from codetune.base.slurm import is_listed, job_id

SILENCE = 90.0  # seconds without a heartbeat after which a holder on another machine counts as dead


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock.

    Attributes:
        host: Host name of its machine.
        machine: Where its process id is valid: the machine's boot id and the PID namespace (containers have their own).
        pid: Its process id.
        started: When it started, in the kernel's clock ticks since boot; it tells apart processes that reuse an id.
        job: Id of its SLURM job, if any.
        workflow: Id of the workflow's process, which started it; 0 if there is none.
        since: Local time at which it took the lock.
    """

    host: str
    machine: str
    pid: int
    started: int
    job: str | None
    workflow: int
    since: str

    def __str__(self) -> str:
        """Names the process, its machine and its job, for messages."""
        job = f" (SLURM job {self.job})" if self.job else ""
        return f"process {self.pid} on {self.host}{job} since {self.since}"

    def here(self) -> bool:
        """Whether the process runs, or ran, on this machine since its last boot."""
        return self.machine == _machine()

    def answers(self, path: Path) -> bool:
        """Whether the process is alive, as far as this machine can tell.

        For a process on this machine the kernel tells; for one in another SLURM job, SLURM does. Any other counts as
        alive while its heartbeat is recent.

        Args:
            path: The lock's file, which the holder touches as its heartbeat.
        """
        if self.here():
            return is_running(self.pid, self.started)
        if self.job and self.job != job_id():
            listed = is_listed(self.job)
            if listed is not None:
                return listed
        try:
            return _now(path.parent) - path.stat().st_mtime < SILENCE
        except FileNotFoundError:
            return False


def holder_of(path: Path) -> Holder | None:
    """Returns the holder that a lock's file names; None if there is no file, or it names none yet."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def this_process(workflow: int) -> Holder:
    """Describes this process as a holder.

    Args:
        workflow: Id of the workflow's process; 0 if there is none.
    """
    return Holder(
        host=socket.gethostname(),
        machine=_machine(),
        pid=os.getpid(),
        started=_start_of(os.getpid()) or 0,
        job=job_id(),
        workflow=workflow,
        since=time.strftime("%Y-%m-%d %H:%M:%S"),
    )


def _machine() -> str:
    """Identifies the boot of this machine and the PID namespace; elsewhere than on Linux, by its host name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def _now(folder: Path) -> float:
    """Returns the time by the clock of a folder's file system, which may be another machine's."""
    with tempfile.TemporaryFile(dir=folder) as probe:
        return os.fstat(probe.fileno()).st_mtime


def _start_of(pid: int) -> int | None:
    """Returns when a process of this machine started, in clock ticks since boot; None if it is gone or a zombie."""
    try:
        state, *_, start = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[:20]
    except OSError:
        return None
    return None if state in "ZX" else int(start)


def is_running(pid: int, started: int | None = None) -> bool:
    """Whether a process of this machine runs: any with that id, or only the one that started at `started`."""
    start = _start_of(pid)
    if start is not None:
        return started in (None, start)
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True  # another user's process, on a machine that hides those in /proc
    except ProcessLookupError:
        return False
    return not Path("/proc/self/stat").exists()  # where there is a /proc, the process is a zombie
