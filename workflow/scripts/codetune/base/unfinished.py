"""Work that outlives a killed job: kept beside the results until the job is done, and used for the same job only."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import atomic, read_json, remove, sha256_of_file, write_json

IDENTITY = "identity.json"


SEAL = "seal.json"


@contextmanager
def unfinished_work(folder: str | Path, identity: dict[str, Any]) -> Iterator[Path]:
    """Opens the folder in which a job keeps what is done so far; it is removed when the block succeeds.

    Snakemake removes the outputs of a job that did not end, so this folder is none of them.

    Args:
        folder: The folder, which one job alone uses.
        identity: All that the work depends on: settings, hashes of the data and of the code, versions. What an
            earlier attempt left is used if this is the same, else discarded.

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
    """Names of the parts of the identity that differ from what the folder was begun for."""
    try:
        found = read_json(folder / IDENTITY)
    except (OSError, StudyError):
        return ["its own description"]
    return [name for name in identity.keys() | found.keys() if identity.get(name) != found.get(name)]


def save_sealed(target: Path, write: Callable[[Path], None]) -> None:
    """Makes the folder `target` whole or not at all, with a seal by which later damage is recognised.

    Args:
        target: The folder to make.
        write: Writes the content into the folder that it is given.
    """
    with atomic(target) as folder:
        folder.mkdir()
        write(folder)
        write_json(folder / SEAL, {path.name: sha256_of_file(path) for path in sorted(folder.iterdir())})


def is_whole(folder: Path) -> bool:
    """Whether a sealed folder holds just what was put there: a power cut can leave files empty or cut off."""
    try:
        seal = read_json(folder / SEAL)
        return bool(seal) and all(sha256_of_file(folder / name) == digest for name, digest in seal.items())
    except (OSError, StudyError, AttributeError):
        return False


def remove_except(paths: Iterable[Path], name: str) -> None:
    """Removes all of these but the one of this name."""
    for path in paths:
        if path.name != name:
            remove(path)
