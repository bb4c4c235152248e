"""Signs of life: what a job is doing and how far it is, told when its log has been silent for most of a minute.

Code that may take long says what it does with `doing`, or with `counted` around what it goes through. Both print
nothing. Within `signs_of_life` a thread looks at the log, and writes a line if nobody else has: so the log of a job
that ends sooner, or that prints often enough, stays as it is.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

from codetune.base.text import printable

Item = TypeVar("Item")

LOOK = 18.0  # seconds between two looks; the second in a row that finds nothing new writes a line: after 36 to 54
STDOUT, STDERR = 1, 2  # file descriptors
BYTES = "bytes"  # the unit that is shown in GB or MB, with its rate


@dataclass(eq=False)
class Stretch:
    """Something that may take long.

    Attributes:
        what: What is done: "evaluation", "loading the weights".
        unit: What is counted, in the plural.
        total: How many there are; 0 if that is unknown.
        first: How many were done before.
        began: When it began, in seconds of the clock.
        done: How many are done by now.
    """

    what: str
    unit: str = ""
    total: int = 0
    first: int = 0
    began: float = field(default_factory=time.monotonic)
    done: int = field(init=False)

    def __post_init__(self) -> None:
        """Begins where an earlier attempt ended."""
        self.done = self.first

    def start(self, total: int, first: int) -> None:
        """Begins to count only now, where an earlier attempt ended."""
        self.total, self.first, self.done, self.began = total, first, first, time.monotonic()

    def add(self, count: int = 1) -> None:
        """Counts what has been done."""
        self.done += count

    def told(self, now: float) -> str:
        """Returns what is done and how far it is: "evaluation: 240 of 1,001 samples, 23 %, about 3 minutes left"."""
        passed, gained = now - self.began, self.done - self.first
        if not self.total:
            return f"{self.what}: for {duration(passed)} so far"
        parts = [f"{self.done:,} of {self.total:,} {self.unit}", f"{100 * self.done // self.total} %"]
        if self.unit == BYTES:
            size, name = (1e9, "GB") if self.total >= 1e9 else (1e6, "MB")
            parts[0] = f"{self.done / size:.2f} of {self.total / size:.2f} {name}"
            parts.append(f"{gained / max(passed, 1e-9) / 1e6:.1f} MB/s")
        if gained > 0 and self.done < self.total:
            parts.append(f"about {duration(passed / gained * (self.total - self.done))} left")
        return f"{self.what}: {', '.join(parts)}"


_stretches: list[Stretch] = []  # of this process, the innermost last


def duration(seconds: float) -> str:
    """Returns a time in words: "40 seconds", "3 minutes", "2.5 hours"."""
    if round(seconds) < 100:
        return f"{round(seconds)} second{'' if round(seconds) == 1 else 's'}"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"


@contextmanager
def doing(what: str, unit: str = "", total: int = 0, first: int = 0) -> Iterator[Stretch]:
    """Says what the block does; arguments as of `Stretch`, whose `add` counts what has been done.

    To be used for what may take more than a minute, on any machine and at any size. It prints nothing.
    """
    stretch = Stretch(what, unit, total, first)
    _stretches.append(stretch)
    try:
        yield stretch
    finally:
        _stretches.remove(stretch)


def counted(items: Collection[Item], what: str, unit: str) -> Iterator[Item]:
    """Gives items one after the other, and counts those that are done.

    Args:
        items: The items.
        what: What is done with them.
        unit: What they are, in the plural.
    """
    with doing(what, unit, len(items)) as stretch:
        for item in items:
            yield item
            stretch.add()


@contextmanager
def signs_of_life(handle: int = STDOUT) -> Iterator[None]:
    """Within the block, writes what this process is doing whenever nothing new has come for most of a minute.

    Args:
        handle: File descriptor to write to: a log, whose size tells whether something has come. Of a terminal or a pipe
            that is unknown, and lines come all the time.
    """
    over, watch = threading.Event(), _Watch(handle)

    def look() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are the main thread's
        while not over.wait(LOOK):
            with suppress(OSError):  # a full disk is told by the job itself
                watch.look()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()  # no line comes after the last one of the job


class _Watch:
    """Looks at what a process writes.

    A line goes to the system directly: the lock of Python's own stream, held by a thread that a fork does not copy,
    would stay locked for ever in the other process.
    """

    def __init__(self, handle: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._handle, self._clock = handle, clock
        self._began = clock()
        self._size, self._silent = self._written(), False

    def _written(self) -> int:
        """The size of a log in bytes; 0 of a terminal, and of what is closed."""
        try:
            return os.fstat(self._handle).st_size
        except OSError:
            return 0

    def look(self) -> None:
        """Writes a line if nothing has come since the last look but one."""
        if (size := self._written()) != self._size:
            self._size, self._silent = size, False
        elif not self._silent:
            self._silent = True
        else:
            os.write(self._handle, f"{printable(self._line())}\n".encode())
            self._size, self._silent = self._written(), False

    def _line(self) -> str:
        now = self._clock()
        lines = [stretch.told(now) for stretch in list(_stretches)]
        return "; ".join(lines) or f"at work: for {duration(now - self._began)} so far"
