"""File locks: one writer per output, which the lock names.

A lock is a separate file, never a rule's output or log, because Snakemake deletes those before a job starts. The kernel
drops the lock of a process that dies, whatever killed it. The file also names its holder, which touches it at regular
intervals as a heartbeat: on some file systems locks do not reach other nodes, or do not work at all.
"""

import errno
import fcntl
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.holders import Holder, holder_of, is_running, this_process
from codetune.base.manifests import MANIFEST
from codetune.base.progress import doing

FOLDER = ".locks"
LONGEST = 200  # characters of an output's path in the name of its lock
BEAT = 5.0  # seconds between two heartbeats of a holder
PATIENCE = 120.0  # seconds that a process gets to save its work and end
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}  # errors of file systems without locks
Say = Callable[[str], None]  # shows one line to the user


def lock_of(output: str | Path, roots: list[str]) -> Path:
    """Returns the path of the lock of the job that writes an output: in a hidden folder of the root that holds it.

    The lock lies with the output, not with the project, so that two projects that share a folder of checkpoints use
    the same lock.

    Args:
        output: The job's first output.
        roots: The folders under which all outputs lie.
    """
    output = Path(output).parent if Path(output).name == MANIFEST else Path(output)  # its folder is replaced as a whole
    target = output.parent.resolve() / output.name  # the output itself may be a link, or missing
    inside = [root for root in (Path(root).resolve() for root in roots) if target.is_relative_to(root)]
    root = max(inside, key=lambda root: len(root.parts), default=target.parent)
    name = str(target.relative_to(root)).replace("/", "--")
    if len(name) > LONGEST:  # file systems allow 255 bytes; the start of the name tells data sets and models apart
        name = f"{hashlib.sha256(name.encode()).hexdigest()[:16]}-{name[-LONGEST:]}"
    return root / FOLDER / f"{name}.lock"


@contextmanager
def one_writer(path: Path, what: str, workflow: int, say: Say, patience: float | None = PATIENCE) -> Iterator[None]:
    """Holds the lock at `path` for the block.

    Args:
        path: The lock's file.
        what: What is written under the lock, for messages.
        workflow: Id of the workflow's process, which started this one; 0 if there is none.
        say: Shows the user that this process waits, or that the file system has no locks.
        patience: Seconds to wait for an earlier holder to end; None waits without limit.

    Raises:
        StudyError: The lock is still held after `patience` seconds and its holder is alive.
        OSError: The lock's file cannot be written.
    """
    lock = _Lock(path, this_process(workflow), say)
    with doing(f"waiting for the process that writes {what}"):
        lock.wait(what, patience)
    over = threading.Event()
    threading.Thread(target=lock.beat, args=(over,), daemon=True).start()
    try:
        yield
    finally:
        over.set()
        lock.release()


class _Lock:
    """A lock that this process takes or holds.

    Attributes:
        path: The lock's file.
        me: This process, as the file names it.
        say: Shows the user one line.
        handle: The file's descriptor while the lock is held, else None.
        guard: Keeps the heartbeat thread from running while the lock is released.
    """

    def __init__(self, path: Path, me: Holder, say: Say) -> None:
        self.path, self.me, self.say = path, me, say
        self.handle: int | None = None
        self.guard = threading.Lock()

    def wait(self, what: str, patience: float | None) -> None:
        """Takes the lock as soon as it is free.

        Args:
            what: What is written under the lock, for messages.
            patience: Seconds to wait; None waits without limit.

        Raises:
            StudyError: The lock is not free within `patience` seconds.
        """
        began = time.monotonic()
        pause = 0.1
        told = False
        while not self.take():
            holder = holder_of(self.path)
            if not told:
                self.say(f"waiting for {holder or 'another process'} to end: it writes {what}")
                told = True
            if patience is not None and time.monotonic() - began > patience:
                if holder is None or holder.here() or holder.answers(self.path):
                    raise _refusal(what, holder)
                # The file system still keeps the lock of a process that died on another machine.
                self.path.unlink(missing_ok=True)
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    def take(self) -> bool:
        """Tries to take the lock and to name this process in its file; returns whether that succeeded."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, locked = self._open()
        if handle is None:
            return False
        try:
            earlier = holder_of(self.path)
            # A free lock proves that no holder on this machine is alive, but locks may not reach other machines.
            free = not earlier or (locked and earlier.here()) or not earlier.answers(self.path)
            held = free and self._sign(handle, locked)
        except BaseException:
            os.close(handle)
            raise
        if held:
            self.handle = handle
        else:
            os.close(handle)
        return held

    def _open(self) -> tuple[int | None, bool]:
        """Opens and locks the file.

        Returns:
            The file's descriptor, None if another process holds the lock; and whether the file system has locks.
        """
        try:
            return try_lock(self.path), True
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            return os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666), False

    def _sign(self, handle: int, locked: bool) -> bool:
        """Names this process in the file, and returns whether it holds the lock.

        Without locks, two processes may write their names at the same time. The later name counts.
        """
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(asdict(self.me)).encode(), 0)
            os.fsync(handle)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        if not locked:
            self.say(f"{self.path.parent}: the file system has no locks (flock); names in these files replace them")
            time.sleep(1.0)
        return locked or holder_of(self.path) == self.me

    def beat(self, over: threading.Event) -> None:
        """Touches the file at regular intervals, and makes it again if somebody has removed it.

        If another process has taken the lock over, ends this process at once, so that only one writes.

        Args:
            over: Set when the lock is released.
        """
        while not over.wait(BEAT):
            with self.guard, suppress(OSError):
                if over.is_set():
                    return
                now = holder_of(self.path)
                if now == self.me:
                    os.utime(self.handle or self.path)
                elif now:
                    print(f"error: {self.path}: taken over by {now}; this process ends", flush=True)
                    os._exit(1)
                elif not self.path.exists():
                    self._take_again()

    def _take_again(self) -> None:
        """Takes the lock on a new file; keeps the old, removed one if another process was faster."""
        removed, self.handle = self.handle, None
        if not self.take():
            self.handle = removed
        elif removed is not None:
            os.close(removed)

    def release(self) -> None:
        """Removes the file, unless it names another process by now, and releases the lock."""
        with self.guard:
            if holder_of(self.path) == self.me:
                self.path.unlink(missing_ok=True)
            if self.handle is not None:
                os.close(self.handle)


def wait_for_writers(outputs: dict[Path, str], say: Say) -> None:
    """Waits, before any job starts, for processes that still write the outputs of this workflow.

    A process whose workflow was killed notices that, saves its work and ends, so this function waits for it. Any other
    belongs to a second study in the same folders.

    Args:
        outputs: Maps the path of each lock to the output written under it.
        say: Shows the user which process is waited for.

    Raises:
        StudyError: A process writes one of the outputs and is not about to end.
    """
    deadline = time.monotonic() + PATIENCE
    for path, what in outputs.items():
        told = False
        while (holder := holder_of(path)) and holder.answers(path):
            orphaned = holder.here() and holder.workflow and not is_running(holder.workflow)
            if not orphaned or time.monotonic() > deadline:
                raise _refusal(what, holder)
            if not told:
                say(f"waiting for {holder} to save and end: its workflow is gone, and it still writes {what}")
                told = True
            time.sleep(0.2)


def try_lock(path: Path) -> int | None:
    """Opens a file, creating it if there is none, and locks it.

    Returns:
        The file's descriptor; closing it releases the lock. None if another process holds the lock.

    Raises:
        OSError: The file system has no locks (`NO_LOCKS`), or the file cannot be opened.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _still_names(path, handle):
                return handle
        except BlockingIOError:
            os.close(handle)
            return None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # the earlier holder has removed the file in the meantime


def _still_names(path: Path, handle: int) -> bool:
    """Whether a path still names the file that was opened by it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _refusal(what: str, holder: Holder | None) -> StudyError:
    """Makes the error for an output that a living process writes; it says how to end that process."""
    end = f"scancel {holder.job}" if holder and holder.job else f"kill {holder.pid}" if holder else "end that process"
    where = f" on {holder.host}" if holder and not holder.job else ""
    return StudyError(
        f"{what} is being written by {holder or 'another process'}. Wait for its end, or end it ({end}{where}), then "
        "give the same command again."
    )
