"""File locks: one writer per output, who is named, and one job per device.

A lock is a file of its own, no rule's output or log, since Snakemake deletes those before a job starts. The kernel
drops the lock when its process dies, however it dies. The file also names its holder and is touched at regular
intervals, for file systems on which locks do not reach other nodes, or do not work at all.
"""

import errno
import fcntl
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

FOLDER = ".locks"


BEAT = 5.0  # seconds between two signs of life of a holder


PATIENCE = 120.0  # seconds that a process is given to save its work and end; more than any cluster's grace here


NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}  # what a file system without locks answers


Say = Callable[[str], None]


def lock_of(output: str | Path, roots: list[str]) -> Path:
    """The lock of the job that writes an output: in the hidden folder of whichever root folder holds it.

    It belongs to the place and not to the project: two projects that share a folder of checkpoints meet there.

    Args:
        output: The job's first output.
        roots: The folders under which all outputs lie.
    """
    target = Path(output).parent.resolve() / Path(output).name  # it may be a link itself, or not be there
    inside = [root for root in (Path(root).resolve() for root in roots) if target.is_relative_to(root)]
    root = max(inside, key=lambda root: len(root.parts), default=target.parent)
    name = str(target.relative_to(root)).replace("/", "--")
    return root / FOLDER / f"{name[-200:]}.lock"


@contextmanager
def one_writer(path: Path, what: str, workflow: int, say: Say, patience: float | None = PATIENCE) -> Iterator[None]:
    """Holds the lock at `path` for the block.

    Args:
        path: The lock's file.
        what: What is written under the lock, for messages.
        workflow: Number of the process that started this one, or 0.
        say: Tells people that this process waits, or that the file system has no locks.
        patience: Seconds to wait for an earlier holder to end; None waits as long as it takes.

    Raises:
        StudyError: The lock is held and its holder is alive.
    """
    lock = _Lock(path, this_process(workflow), say)
    lock.wait(what, patience)
    over = threading.Event()
    threading.Thread(target=lock.beat, args=(over,), daemon=True).start()
    try:
        yield
    finally:
        over.set()
        lock.give_back()


class _Lock:
    """A lock of this process.

    Attributes:
        path: Its file.
        me: This process, as the file names it.
        say: Tells people what they should know.
        handle: The file's descriptor, while the lock is held.
        guard: Keeps the signs of life and the giving back apart.
    """

    def __init__(self, path: Path, me: Holder, say: Say) -> None:
        self.path, self.me, self.say = path, me, say
        self.handle: int | None = None
        self.guard = threading.Lock()

    def wait(self, what: str, patience: float | None) -> None:
        """Takes the lock as soon as it is free.

        Raises:
            StudyError: It is not free within `patience` seconds.
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
        """Takes the lock and writes this process's name into it, if nobody else has it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, locked = self._open()
        if handle is None:
            return False
        try:
            earlier = holder_of(self.path)
            # Where locks work, a free one proves that no holder on this machine lives. They may end at the machine.
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
        """The file's descriptor, None if it is locked by another; and whether the file system has locks at all."""
        try:
            return try_lock(self.path), True
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            return os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666), False

    def _sign(self, handle: int, locked: bool) -> bool:
        """Writes this process's name into the file; without locks, of two that do so at once the later one holds it."""
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(asdict(self.me)).encode(), 0)
            os.fsync(handle)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        if not locked:
            self.say(f"{self.path.parent}: the file system has no locks (flock), names in these files stand for them")
            time.sleep(1.0)
        return locked or holder_of(self.path) == self.me

    def beat(self, over: threading.Event) -> None:
        """Gives signs of life, and makes the file again if somebody has removed it.

        Ends this process at once if another has taken its place meanwhile, so that there is one writer.
        """
        while not over.wait(BEAT):
            with self.guard, suppress(OSError):
                if over.is_set():
                    return
                now = holder_of(self.path)
                if now == self.me:
                    os.utime(self.handle or self.path)
                elif now:
                    print(f"error: {self.path}: taken over by {now}, so that this process ends", flush=True)
                    os._exit(1)
                elif not self.path.exists():
                    self._take_again()

    def _take_again(self) -> None:
        removed, self.handle = self.handle, None
        if not self.take():
            self.handle = removed
        elif removed is not None:
            os.close(removed)

    def give_back(self) -> None:
        """Removes the file, unless it is another's by now, and gives the lock back."""
        with self.guard:
            if holder_of(self.path) == self.me:
                self.path.unlink(missing_ok=True)
            if self.handle is not None:
                os.close(self.handle)


def wait_for_writers(outputs: dict[Path, str], say: Say) -> None:
    """Looks, before anything starts, for living processes that write what is to be written.

    Those whose workflow was killed notice that, save and end: they are waited for. Others are a second study in the
    same place.

    Args:
        outputs: What is written under each lock.
        say: Tells people who is waited for.

    Raises:
        StudyError: A process that writes one of the outputs is not about to end.
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


def processes_of(workflow: int, roots: list[str]) -> set[int]:
    """Numbers of the processes on this machine that a workflow has started and that hold a lock."""
    holders = [holder_of(path) for root in roots for path in (Path(root) / FOLDER).glob("*.lock")]
    return {
        holder.pid
        for holder in holders
        if holder and holder.workflow == workflow and holder.here() and is_running(holder.pid, holder.started)
    }


def try_lock(path: Path) -> int | None:
    """Opens a file, made if there is none, and locks it.

    Returns:
        The file's descriptor, whose closing gives the lock back; None if another process holds the lock.

    Raises:
        OSError: The file system has no locks (`NO_LOCKS`), or the file cannot be opened.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(path, handle):
                return handle
        except BlockingIOError:
            os.close(handle)
            return None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # whoever held it has removed the file in between


def _is_at(path: Path, handle: int) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _refusal(what: str, holder: Holder | None) -> StudyError:
    end = f"scancel {holder.job}" if holder and holder.job else f"kill {holder.pid}" if holder else "end that process"
    where = f" on {holder.host}" if holder and not holder.job else ""
    return StudyError(
        f"{what} is being written by {holder or 'another process'}. Wait for its end, or end it ({end}{where}), then "
        "give the same command again."
    )
