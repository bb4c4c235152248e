"""Hashes that tell whether two jobs started from the same files."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from codetune.base.files import read_json, sha256_of_file


@dataclass(frozen=True)
class CheckpointIdentity:
    """A checkpoint as a job used it.

    Attributes:
        sha256: Hash over the names and hashes of its files.
        path: The local folder that it came from, if any.
        repo: The repository of the hub that it came from, if any.
        revision: The commit in that repository.
    """

    sha256: str
    path: str | None = None
    repo: str | None = None
    revision: str | None = None

    @property
    def origin(self) -> str:
        """The repository, or else the folder."""
        return self.repo or self.path or "unknown"


def checkpoint_identity(folder: str | Path) -> CheckpointIdentity:
    """Reads from a checkpoint's manifest where it came from, and computes one hash over all its files."""
    manifest = read_json(Path(folder) / "manifest.json")
    files = manifest.pop("files")
    lines = "".join(f"{name} {files[name]['sha256']}\n" for name in sorted(files))
    return CheckpointIdentity(hashlib.sha256(lines.encode()).hexdigest(), **manifest)


def file_hashes(**paths: str | Path) -> dict[str, str]:
    """Returns the SHA-256 of each file, under the name it is given by."""
    return {name: sha256_of_file(path) for name, path in paths.items()}
