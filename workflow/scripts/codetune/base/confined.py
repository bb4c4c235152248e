"""Calls that texts of strangers may make endless: in a process of their own, with limits of time and memory."""

import faulthandler
import gc
import multiprocessing
import os
import resource
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Generic, TypeVar

from codetune.base.errors import StudyError

T = TypeVar("T")

SECONDS = 2.0  # of processor time per call
MEMORY = 1 << 30  # bytes that all calls together may take beyond what the process starts with

# How a process ends that has used up its time, or has crashed in C code: by its memory, or by its stack.
ENDINGS = {
    signal.SIGPROF: f"takes more than {SECONDS:g} s",
    signal.SIGABRT: f"needs more than {MEMORY >> 20} MB of memory, or crashes",
    signal.SIGSEGV: "crashes: it is nested too deeply for the stack",
    signal.SIGBUS: "crashes: it is nested too deeply for the stack",
}


class ExceededError(Exception):
    """A call took more than its share; the message says of what."""


class Confined(Generic[T]):
    """A function whose calls run in another process, one after the other, each with a limit of processor time.

    A handler of signals could not end a call, since Python runs handlers only between instructions of its own, and a
    parser in C may not come back to it for hours. The process is a copy of this one, so a call costs no more than
    sending its arguments and its result. It starts at the first call, and again after a call that ended it.
    """

    def __init__(self, function: Callable[..., T]) -> None:
        """Confines a function.

        Args:
            function: The function. Its arguments, results and exceptions have to be picklable.
        """
        self._function = function
        self._process: Any = None
        self._connection: Connection | None = None

    def __call__(self, *arguments: Any) -> T:
        """Returns what the function returns, or raises what it raises.

        Raises:
            ExceededError: The call took more than its share of time or memory, or crashed.
            StudyError: Somebody else has ended the process.
        """
        if self._connection is None:
            self._start()
        assert self._connection is not None
        try:
            self._connection.send(arguments)
            succeeded, answer = self._connection.recv()
        except (EOFError, ConnectionError):
            raise self._ending() from None
        if succeeded:
            result: T = answer
            return result
        try:
            raise answer
        finally:
            del answer  # its traceback holds this frame, and this frame would hold it

    def _start(self) -> None:
        context = multiprocessing.get_context("fork")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._function, theirs, self._connection), daemon=True)
        self._process.start()
        theirs.close()

    def _ending(self) -> Exception:
        """Says why the process has ended, and lets the next call start another one."""
        self._process.join()
        number = -self._process.exitcode
        self._connection = None
        if number in ENDINGS:
            return ExceededError(ENDINGS[signal.Signals(number)])
        name = signal.Signals(number).name if number > 0 else f"status {-number}"
        return StudyError(f"a process of this job was ended from outside ({name}). Run the same command again.")


def _serve(function: Callable[..., Any], connection: Connection, theirs: Connection) -> None:
    """Answers calls until the other end of the connection closes, which it also does when that process is killed."""
    theirs.close()
    faulthandler.disable()  # a crash is told in one line
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the other one closes the connection
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    gc.freeze()  # a collection that went through all that came along would copy it, page by page, at the call's cost
    _limit_memory()
    with suppress(EOFError, ConnectionError):
        while True:
            arguments = connection.recv()
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            answer = _answer(function, arguments)
            signal.setitimer(signal.ITIMER_PROF, 0)
            connection.send(answer)


def _answer(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, function(*arguments)
    except MemoryError:
        return False, ExceededError(f"needs more than {MEMORY >> 20} MB of memory")
    except Exception as error:
        error.add_note(traceback.format_exc())  # of a fault, the other process has no other trace
        return False, error


def _limit_memory() -> None:
    """Limits this process's address space, where the system tells how large it is already (Linux)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    sizes = Path("/proc/self/statm")
    if not sizes.exists():
        return
    most = int(sizes.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") + MEMORY
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
