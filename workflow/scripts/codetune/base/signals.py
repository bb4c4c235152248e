"""What happens when a process is asked to end: at once in most places, after saving where work would be lost."""

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(BaseException):
    """The process was asked to end: SIGTERM (a time limit, scancel, a shutdown) or SIGINT (Ctrl-C).

    Not an Exception, so that no library takes it for an error that it may handle.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def stop_on_signals() -> None:
    """Turns SIGTERM and SIGINT into `Stopped`, so that whatever cleans up on exceptions does so here too.

    Only the first signal counts. Ctrl-C reaches a job twice, from the terminal and from the workflow, and the second
    must not disturb what the first has begun.
    """
    for number in SIGNALS:
        signal.signal(number, _stop)


def _stop(number: int, _frame: Any) -> NoReturn:
    _ignore_signals()
    raise Stopped(number)


def _ignore_signals() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def signals_deferred() -> Iterator[Callable[[], None]]:
    """Within the block a signal is only noted.

    Yields:
        A function that raises `Stopped` if a signal has come; to be called where it is safe to stop.
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


def end_with(process: int) -> None:
    """Sends this process SIGTERM when another ends: a job must not outlive a killed workflow and meet its successor.

    Does nothing where the system has no process handles, which are Linux's.
    """
    try:
        handle = os.pidfd_open(process)
    except (AttributeError, OSError):
        return

    def watch() -> None:
        select.select([handle], [], [])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def pass_on_signals(jobs: Callable[[], set[int]], announce: Callable[[int], None]) -> None:
    """Sends SIGTERM to the jobs of this process when it gets SIGTERM or SIGINT itself.

    Snakemake passes nothing on: asked to end, it waits for its jobs, which would not hear of it. On clusters that track
    processes by cgroup, and wherever Snakemake's process alone is signalled, this is how a job learns that it has to
    save its work. What the process itself does at a signal stays as it is. To be called in the main thread.

    Args:
        jobs: Gives the numbers of the processes that are jobs of this one; asked again until this process ends, since a
            job may just be starting.
        announce: Called with the signal's number, to tell people what happens now.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def watch() -> None:
        while not (came := [number for number in os.read(reader, 64) if number in SIGNALS]):
            pass
        announce(came[0])
        told: set[int] = set()
        while True:
            for job in jobs() - told:
                with suppress(ProcessLookupError):
                    os.kill(job, signal.SIGTERM)
                told.add(job)
            time.sleep(0.2)

    threading.Thread(target=watch, daemon=True).start()
