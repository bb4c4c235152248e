"""One run of Python in a guest: CPython for WASI under wasmtime, without files, network, clock, chance or environment.

A guest is bounded in fuel, which counts its instructions, and not in seconds: the same program ends at the same place
on every machine, however busy it is. The limit of time is for a machine that is too busy; it is an error of the job and
never says anything about a program.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from codetune.base.errors import StudyError
from codetune.execution.interpreter import Interpreter

MEMORY = 512 << 20  # bytes of a guest
OUTPUT = 16 << 20  # bytes that it may write
SECONDS = 3600.0  # of wall time: fuel that takes 5 s of a free core takes this on one that does little else
ENDED, NO_FUEL, CRASHED, FLOODED = "returned", "out of fuel", "crashed", "too much output"

# Run by the guest: modules from their sources, which see one another by their names here; the last one does the work.
_BOOT = """import sys
sources, task = map(eval, sys.argv[1:3])
del sys.argv[1:], sys.orig_argv[1:]
for name, source in sources:
    module = sys.modules[name] = type(sys)(name)
    exec(compile(source, name, "exec"), vars(module))
module.main(task)
"""
_MODULE = "wasi_snapshot_preview1"
_NOW = 1_700_000_000_000_000_000  # nanoseconds
_NO_STREAM, _FAULT = 8, 21  # errors of WASI
_PIECE, _SUBSCRIPTION, _EVENT = 8, 48, 32  # bytes, of what WASI's functions read and write in a guest's memory
_CALL = 100_000  # fuel that a call of a replaced function costs, some 20 microseconds
_MOST = 1024  # pieces or subscriptions of one call
_WORD = 0xFFFFFFFF  # addresses arrive as signed numbers


@dataclass(frozen=True)
class Outcome:
    """What a guest left.

    Attributes:
        output: What it wrote to its standard output.
        ending: How it ended: `returned`, `out of fuel`, `crashed` (also if it ended itself), `too much output`.
        fuel: What it used.
    """

    output: str
    ending: str
    fuel: int


class Sandbox:
    """Guests of one interpreter, in each thread one after the other."""

    def __init__(self, interpreter: Interpreter) -> None:
        """Prepares guests.

        Args:
            interpreter: The compiled interpreter.
        """
        self.interpreter = interpreter
        self._of_thread = threading.local()

    def run(self, sources: Sequence[tuple[str, str]], task: Any, fuel: int) -> Outcome:
        """Runs the function `main` of the last of some modules in a fresh guest.

        Args:
            sources: Names and sources of the modules, each after those that it imports.
            task: What `main` gets: plain data that the library has made, with all that is foreign in strings.
            fuel: How much the guest may use.

        Raises:
            StudyError: It took more than the limit of time.
        """
        if not hasattr(self._of_thread, "guests"):
            self._of_thread.guests = _Guests(self.interpreter)
        outcome: Outcome = self._of_thread.guests.run(sources, task, fuel)
        return outcome


class _Guests:
    """Guests of one interpreter, one after the other."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self._output = _Output()
        self._store: Any = None

    def run(self, sources: Sequence[tuple[str, str]], task: Any, fuel: int) -> Outcome:
        """Runs one, as `Sandbox.run` does."""
        import wasmtime

        output = self._output = _Output()
        store = self._store = wasmtime.Store(self._interpreter.engine)
        wasi = wasmtime.WasiConfig()  # no folders, no environment, an empty input
        wasi.argv = ["python", "-I", "-S", "-B", "-c", _BOOT, ascii(list(sources)), ascii(task)]
        store.set_wasi(wasi)
        store.set_limits(memory_size=MEMORY)
        store.set_fuel(fuel)
        store.set_epoch_deadline(1)
        alarm = threading.Timer(SECONDS, self._interpreter.engine.increment_epoch)
        alarm.daemon = True
        alarm.start()
        try:
            instance = self._linker.instantiate(store, self._interpreter.module)
            start: Any = instance.exports(store)["_start"]
            ending = _ending_of(start, store)
        finally:
            alarm.cancel()
        return Outcome(output.text, ending, fuel - store.get_fuel())

    @cached_property
    def _linker(self) -> Any:
        """WASI's functions, with those replaced that tell machines and moments apart, and the one that writes."""
        import wasmtime

        linker = wasmtime.Linker(self._interpreter.engine)
        linker.define_wasi()
        linker.allow_shadowing = True
        i32, i64 = wasmtime.ValType.i32(), wasmtime.ValType.i64()
        replaced: dict[str, tuple[list[Any], Any]] = {
            "clock_time_get": ([i32, i64, i32], _clock),
            "clock_res_get": ([i32, i32], _resolution),
            "random_get": ([i32, i32], _random),
            "fd_write": ([i32, i32, i32, i32], self._take),
            "poll_oneoff": ([i32, i32, i32, i32], _poll),
        }
        for name, (parameters, function) in replaced.items():
            kind = wasmtime.FuncType(parameters, [i32])
            linker.define_func(_MODULE, name, kind, self._charged(function), access_caller=True)
        return linker

    def _charged(self, function: Callable[..., int]) -> Callable[..., int]:
        """Makes a guest pay for a call of one of these functions, whose time its own instructions do not tell."""

        def call(*arguments: Any) -> int:
            self._store.set_fuel(max(self._store.get_fuel() - _CALL, 0))
            return function(*arguments)

        return call

    def _take(self, caller: Any, stream: int, pieces: int, count: int, address: int) -> int:
        """WASI's `fd_write`: takes what a guest writes to its standard output, and forgets its standard error."""
        if stream not in (1, 2):
            return _NO_STREAM
        size, pieces, count = 0, pieces & _WORD, count & _WORD
        if count > _MOST:
            return _FAULT
        for place in range(pieces, pieces + count * _PIECE, _PIECE):
            piece = _read(caller, place, _PIECE)
            start, length = int.from_bytes(piece[:4], "little"), int.from_bytes(piece[4:], "little")
            if stream == 1:
                self._output.take(_read(caller, start, min(length, OUTPUT + 1)))
            size += length
        return _write(caller, address, (size & _WORD).to_bytes(4, "little"))


class _FloodedError(Exception):
    """A guest has written more than it may: this ends it."""


class _Output:
    """What a guest writes to its standard output, up to the limit."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._left = OUTPUT

    def take(self, data: bytes) -> None:
        if len(data) > self._left:
            raise _FloodedError
        self._parts.append(data)
        self._left -= len(data)

    @property
    def text(self) -> str:
        return b"".join(self._parts).decode("ascii", "replace")


def _ending_of(start: Any, store: Any) -> str:
    import wasmtime

    try:
        start(store)
    except _FloodedError:
        return FLOODED
    except wasmtime.ExitTrap as error:
        return ENDED if error.code == 0 else CRASHED
    except wasmtime.Trap as error:
        if error.trap_code is wasmtime.TrapCode.OUT_OF_FUEL:
            return NO_FUEL
        if error.trap_code is wasmtime.TrapCode.INTERRUPT:
            raise StudyError(
                f"a program took more than {SECONDS:g} s in the sandbox, which says nothing about it: this machine is "
                "too busy. Run the same command again."
            ) from None
        return CRASHED
    return ENDED


def _read(caller: Any, address: int, size: int) -> bytes:
    """Reads a guest's memory; what lies beyond its end is left out."""
    return bytes(caller["memory"].read(caller, address, address + size))


def _write(caller: Any, address: int, data: bytes) -> int:
    """Writes into a guest's memory, and returns WASI's number of success or of a bad address."""
    try:
        caller["memory"].write(caller, data, address & _WORD)
    except IndexError:
        return _FAULT
    return 0


def _clock(caller: Any, _kind: int, _precision: int, address: int) -> int:
    return _write(caller, address, _NOW.to_bytes(8, "little"))


def _resolution(caller: Any, _kind: int, address: int) -> int:
    return _write(caller, address, (1).to_bytes(8, "little"))


def _random(caller: Any, address: int, size: int) -> int:
    """Gives zeros."""
    return _write(caller, address, bytes(size)) if 0 <= size <= OUTPUT else _FAULT


def _poll(caller: Any, subscriptions: int, events: int, count: int, address: int) -> int:
    """Says of all that a guest waits for that it has happened."""
    if not 0 <= count <= _MOST:
        return _FAULT
    for number in range(count):
        asked = _read(caller, (subscriptions & _WORD) + number * _SUBSCRIPTION, 9)
        event = asked[:8] + bytes(2) + asked[8:] + bytes(_EVENT - 11)
        _write(caller, (events & _WORD) + number * _EVENT, event)
    return _write(caller, address, count.to_bytes(4, "little"))
