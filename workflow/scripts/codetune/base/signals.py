"""Signals: how a process ends when asked to. It ends at once, or, where work would be lost, after saving."""

import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

SIGNALS = (signal.SIGTERM, signal.SIGINT)
POLL_SECONDS = 0.5  # between two looks of a job at whether its workflow is told to end


class Stopped(BaseException):
    """The process was asked to end: by SIGTERM (a time limit, scancel, a shutdown) or SIGINT (Ctrl-C).

    This is not an Exception, so that no library handles it as an error.

    Attributes:
        number: The signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def stop_on_signals() -> None:
    """Turns SIGTERM and SIGINT into `Stopped`, so that code which cleans up after exceptions also runs on a signal.

    Only the first signal counts. Ctrl-C reaches a job twice, from the terminal and from the workflow, and the second
    signal must not interrupt what the first has started.
    """
    for number in SIGNALS:
        signal.signal(number, _raise_stopped)


def _raise_stopped(number: int, _frame: Any) -> NoReturn:
    _ignore_signals()
    raise Stopped(number)


def _ignore_signals() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def signals_deferred() -> Iterator[Callable[[], None]]:
    """Within the block, signals are only noted.

    Yields:
        A function that raises `Stopped` if a signal has arrived; to be called where it is safe to stop.
    """
    noted: list[int] = []
    earlier = {number: signal.signal(number, lambda number, _frame: noted.append(number)) for number in SIGNALS}

    def stop_if_asked() -> None:
        if noted:
            raise Stopped(noted[0])

    try:
        yield stop_if_asked
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        if noted:
            _ignore_signals()


def end_with(process: int, stopping: str) -> None:
    """Sends this process SIGTERM when another process ends, or begins to.

    With it a job does not outlive a killed workflow, whose successor would start the same job again, and hears of a
    signal to the workflow alone, whatever the job is doing: importing, waiting for a lock, computing. Does nothing on
    systems other than Linux, which have no process file descriptors.

    Args:
        process: Id of the other process.
        stopping: Name that the other process takes when it is told to end (`pass_on_signals`).
    """
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        os.kill(os.getpid(), signal.SIGTERM)  # it has ended while this process started
        return
    except (AttributeError, OSError):
        return
    if _is_taken(stopping):
        os.kill(os.getpid(), signal.SIGTERM)

    def watch() -> None:
        while not (select.select([handle], [], [], POLL_SECONDS)[0] or _is_taken(stopping)):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def pass_on_signals(stopping: str, announce: Callable[[int], None]) -> None:
    """Lets the jobs of this process know when it receives SIGTERM or SIGINT.

    Snakemake passes no signal on: when asked to end, it waits for its jobs, which do not learn of the signal. On
    clusters that track processes by cgroup, and wherever only Snakemake's own process is signalled, this function is
    what tells a job to save its work. The process's own signal handlers stay in place. To be called in the main thread.

    Args:
        stopping: Name that this process takes, in Linux's abstract namespace of sockets, to let the jobs know.
        announce: Called with the signal's number, to tell the user what happens next.
    """
    if os.getpid() == 1 and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        # The kernel gives the first process of a container no signal that it has no handler for.
        signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def watch() -> None:
        while not (came := [number for number in os.read(reader, 64) if number in SIGNALS]):
            pass
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as name:
            with suppress(OSError):  # elsewhere than on Linux jobs are not told
                name.bind(f"\0{stopping}")
            announce(came[0])
            threading.Event().wait()  # the name is held until the process ends

    threading.Thread(target=watch, daemon=True).start()


def _is_taken(name: str) -> bool:
    """Whether a process has taken a name in Linux's abstract namespace of sockets."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex(f"\0{name}") == 0
