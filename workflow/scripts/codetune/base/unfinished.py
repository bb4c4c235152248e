"""Work that outlives a killed job: kept beside the results until the job is done, and resumed by the same job only."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import atomic, read_json, remove, sha256_of_file, write_json

IDENTITY = "identity.json"  # in a folder of unfinished work: all that the work depends on
SEAL = "seal.json"  # in a sealed folder: SHA-256 of each of its files


@contextmanager
def unfinished_work(folder: str | Path, identity: dict[str, Any]) -> Iterator[Path]:
    """Opens the folder in which a job keeps its unfinished work, and removes it when the block succeeds.

    Snakemake removes the outputs of a job that did not finish, so this folder is not one of its outputs.

    Args:
        folder: The folder, which only one job uses.
        identity: All that the work depends on: settings, hashes of the data, the fingerprint of the script, versions.
            The work of an earlier attempt is kept if its identity is the same, and discarded otherwise.

    Yields:
        The folder.
    """
    folder = Path(folder)
    if folder.exists():
        changed = _differences(folder, json.loads(json.dumps(identity)))
        if changed:
            print(f"unfinished work discarded: {', '.join(changed)} changed since", flush=True)
            remove(folder)
    if not folder.exists():
        with atomic(folder) as new:
            new.mkdir()
            write_json(new / IDENTITY, identity)
    print(f"unfinished work is kept in {folder}", flush=True)
    yield folder
    remove(folder)
    if not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def _differences(folder: Path, identity: dict[str, Any]) -> list[str]:
    """Names the parts of the identity that differ from the one that the folder was made for."""
    try:
        found = read_json(folder / IDENTITY)
    except (OSError, StudyError):
        return ["its own description"]
    if not isinstance(found, dict):
        return ["its own description"]
    return [name for name in identity.keys() | found.keys() if identity.get(name) != found.get(name)]


def save_sealed(target: Path, write: Callable[[Path], None]) -> None:
    """Makes a folder atomically, with a seal that reveals later damage: the hash of each file.

    Args:
        target: The folder to make.
        write: Writes the content into the folder that it is given.
    """
    with atomic(target) as folder:
        folder.mkdir()
        write(folder)
        write_json(folder / SEAL, {path.name: sha256_of_file(path) for path in sorted(folder.iterdir())})


def content_of(folder: Path) -> list[Path]:
    """Returns the files of a sealed folder, without the seal, by name."""
    return sorted(path for path in folder.iterdir() if path.name != SEAL)


def is_whole(folder: Path) -> bool:
    """Whether the files of a sealed folder are as they were written: a power cut can leave them empty or truncated."""
    try:
        seal = read_json(folder / SEAL)
        return bool(seal) and all(sha256_of_file(folder / name) == digest for name, digest in seal.items())
    except (OSError, StudyError, AttributeError):
        return False


def remove_except(paths: Iterable[Path], names: Collection[str]) -> None:
    """Removes all paths but those whose last part is one of the names."""
    for path in paths:
        if path.name not in names:
            remove(path)
