"""What happens when a process is asked to end: at once in most places, after saving where work would be lost."""

import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    """Turns SIGTERM and SIGINT into `Stopped`, so that whatever cleans up on exceptions does so here too."""
    for number in SIGNALS:
        signal.signal(number, _stop)


def _stop(number: int, _frame: Any) -> NoReturn:
    raise Stopped(number)


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


def end_with(process: int) -> None:
    """Sends this process SIGTERM when another ends: a job must not outlive a killed workflow and meet its successor.

    Does nothing where Linux's process handles are not to be had.
    """
    try:
        handle = os.pidfd_open(process)
    except (AttributeError, OSError):
        return

    def watch() -> None:
        select.select([handle], [], [])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
