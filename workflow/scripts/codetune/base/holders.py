"""Who holds a lock: which process on which machine, and whether it still lives."""

import json
import os
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from codetune.base.slurm import is_listed, job_id

SILENCE = 90.0  # seconds without one after which a holder on another machine counts as dead


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock.

    Attributes:
        host: Name of its machine.
        machine: Where its number counts: the boot of its machine and, in containers, their numbering of processes.
        pid: Its number.
        started: When it started, in the kernel's clock ticks since boot: numbers are used again.
        job: Its SLURM job, if any.
        workflow: Number of the workflow's process, which started it; 0 if there is none.
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
        job = f" (SLURM job {self.job})" if self.job else ""
        return f"process {self.pid} on {self.host}{job} since {self.since}"

    def here(self) -> bool:
        """Whether it runs, or ran, on this machine since its last boot."""
        return self.machine == _machine()

    def answers(self, path: Path) -> bool:
        """Whether the process is alive, as far as can be known from here.

        On this machine the kernel knows; in another SLURM job SLURM does; else a sign of life has to be recent.
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
    """Who is named in a lock's file; None if there is no file, or nobody is named in it yet."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def this_process(workflow: int) -> Holder:
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
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def _now(folder: Path) -> float:
    """The time by the clock of a folder's file system, which may be another machine's."""
    with tempfile.TemporaryFile(dir=folder) as probe:
        return os.fstat(probe.fileno()).st_mtime


def _start_of(pid: int) -> int | None:
    """When a process of this machine started, in clock ticks since boot; None if there is none, or it is a zombie."""
    try:
        state, *_, start = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[:20]
    except OSError:
        return None
    return None if state in "ZX" else int(start)


def is_running(pid: int, started: int | None = None) -> bool:
    """Whether a process of this machine runs: any of that number, or the one that started then."""
    start = _start_of(pid)
    if start is not None:
        return started in (None, start)
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True  # another user's, on a machine that hides these
    except ProcessLookupError:
        return False
    return not Path("/proc/self/stat").exists()  # a zombie, where there is a /proc to tell
