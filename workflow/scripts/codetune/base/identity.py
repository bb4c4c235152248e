"""Hashes that tell whether two jobs started from the same files, and whether a file is the one that was recorded."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import sha256_of_file
from codetune.base.manifests import MANIFEST, read_manifest


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
    manifest = read_manifest(Path(folder) / MANIFEST)
    lines = "".join(f"{name} {manifest.files[name].sha256}\n" for name in sorted(manifest.files))
    digest = hashlib.sha256(lines.encode()).hexdigest()
    return CheckpointIdentity(digest, manifest.path, manifest.repo, manifest.revision)


def file_hashes(**paths: str | Path) -> dict[str, str]:
    """Returns the SHA-256 of each file, under the name it is given by."""
    return {name: sha256_of_file(path) for name, path in paths.items()}


def check_recorded(
    found: Mapping[str, str], recorded: Mapping[str, str], paths: Mapping[str, str], record: str | Path
) -> None:
    """Checks that files are those that the record beside them describes.

    Args:
        found: SHA-256 of each file as it is.
        recorded: SHA-256 of each file as it was made.
        paths: Path of each file.
        record: Path of the record.

    Raises:
        StudyError: A file has changed since it was made.
    """
    for name, digest in found.items():
        if recorded.get(name) != digest:
            raise StudyError(
                f"{paths[name]} is not the file that {record} describes: one of them has changed since they were made. "
                f"Delete {paths[name]} and run again, and both are made anew."
            )
