"""Hashes of the user's own files while a run is planned, so that the next command notices a changed source.

A file is hashed again only if its size or its times have changed.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import MISSHAPEN, sha256_of_file, write_json
from codetune.base.progress import STDERR, signs_of_life

SETTLED = 2_000_000_000  # nanoseconds after which another change of a file shows in its times, on any file system


class Contents:
    """Hashes of files, remembered in a file from one command to the next.

    Attributes:
        memory: The file; without it, or if it cannot be written, files are hashed anew.
    """

    def __init__(self, memory: Path) -> None:
        self.memory = memory
        self._known: dict[str, list[int | str]] = {}
        with suppress(OSError, *MISSHAPEN):
            known = json.loads(memory.read_text(encoding="utf-8")) if memory.is_file() else {}
            self._known = known if isinstance(known, dict) else {}

    def sha256_of(self, paths: Iterable[Path]) -> str:
        """Returns one SHA-256 over the names and bytes of files.

        Raises:
            StudyError: A file cannot be read.
        """
        with signs_of_life(STDERR):  # of Snakemake itself
            lines = [f"{path.name} {self._sha256(path)}\n" for path in sorted(paths)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def _sha256(self, path: Path) -> str:
        try:
            found = path.stat()
            stamp: list[int | str] = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
            known = self._known.get(str(path.absolute()))
            if isinstance(known, list) and known[:-1] == stamp:
                return str(known[-1])
            digest = sha256_of_file(path)
        except OSError as error:
            raise StudyError(
                f"{path}: {error.strerror}. The config names it as a source: give a readable one."
            ) from None
        if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > SETTLED:
            self._known[str(path.absolute())] = [*stamp, digest]
            with suppress(OSError):  # a folder that cannot be written
                self.memory.parent.mkdir(exist_ok=True)
                write_json(self.memory, self._known)
        return digest


def files_in(folder: Path) -> list[Path]:
    """Returns the files of a folder, not of the folders in it."""
    return [Path(entry.path) for entry in os.scandir(folder) if entry.is_file()]
