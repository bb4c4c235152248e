"""The manifest of a folder: its files, with sizes and hashes.

Rules name the manifest where they mean the folder, because Snakemake compares files by content, but folders by date. It
is made last, and whoever uses the folder checks that the files are still those of the manifest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import read_json, reading, sha256_of_file, write_json
from codetune.base.places import is_plain_name
from codetune.base.plain import to_plain

MANIFEST = "manifest.json"
ALWAYS_HASHED = 1 << 30  # bytes: hashing weights of 8 GB takes up to 15 s


@dataclass(frozen=True)
class File:
    """A file of a folder.

    Attributes:
        bytes: Its size.
        sha256: SHA-256 of its bytes.
    """

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """manifest.json: what a folder holds, and where that came from.

    Attributes:
        path: The local folder that the files came from, if any.
        repo: The repository of the hub that they came from, if any.
        revision: The commit in that repository.
        files: The files, by their paths within the folder.
    """

    path: str | None = None
    repo: str | None = None
    revision: str | None = None
    files: dict[str, File] = field(default_factory=dict)


def write_manifest(folder: Path, known: Mapping[str, str] | None = None, **origin: str | None) -> Manifest:
    """Writes the manifest of a folder that is complete.

    Args:
        folder: The folder.
        known: Hashes of its files where they are known already; the other files are hashed here.
        origin: Where the files came from: `path`, or `repo` and `revision`.
    """
    sums = known or {}
    files = {
        name: File((folder / name).stat().st_size, sums.get(name) or sha256_of_file(folder / name))
        for name in _names(folder)
    }
    manifest = Manifest(**origin, files=files)
    write_json(folder / MANIFEST, {key: value for key, value in to_plain(manifest).items() if value is not None})
    return manifest


def read_manifest(path: str | Path) -> Manifest:
    """Reads a manifest.

    Raises:
        StudyError: The file is not a manifest.
    """
    document = read_json(path)
    with reading(path):
        files = {str(name): File(int(one["bytes"]), str(one["sha256"])) for name, one in document["files"].items()}
        if odd := next((name for name in files if not is_plain_name(name)), None):
            raise ValueError(f"{odd!a} is no name of a file in the folder")
        return Manifest(document.get("path"), document.get("repo"), document.get("revision"), files)


def checked_folder(manifest: str | Path, always_hashed: int = ALWAYS_HASHED) -> Path:
    """Returns the folder of a manifest, after a check that it holds the files of the manifest and no others.

    Args:
        manifest: The manifest.
        always_hashed: Files of up to so many bytes are hashed in any case, larger ones if they changed later.

    Raises:
        StudyError: A file is missing, has changed or was added since the manifest was made.
    """
    manifest = Path(manifest)
    folder, files = manifest.parent, read_manifest(manifest).files
    made = manifest.stat().st_mtime_ns
    for name in sorted(files.keys() | set(_names(folder))):
        problem = _problem(folder / name, files.get(name), made, always_hashed)
        if problem:
            raise StudyError(f"{folder / name} {problem}. Delete {folder} and run again, and it is made anew.")
    return folder


def _names(folder: Path) -> list[str]:
    """The paths of all files within a folder, without hidden ones and the manifest."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir()]
    return sorted(path.as_posix() for path in paths if not path.name.startswith(".") and str(path) != MANIFEST)


def _problem(path: Path, file: File | None, made: int, always_hashed: int) -> str | None:
    """What is wrong with a file of a folder whose manifest was made at that time, in nanoseconds; None if nothing."""
    if file is None:
        return "has been added since the manifest beside it was made"
    if not path.is_file():
        return "is missing, but the manifest beside it names it" + (" (a broken link)" if path.is_symlink() else "")
    found = path.stat()
    if found.st_size != file.bytes:
        return f"has {found.st_size:,} bytes, but {file.bytes:,} by the manifest beside it"
    changed = max(found.st_mtime_ns, found.st_ctime_ns) >= made  # a change's own time cannot be set to an earlier one
    if (found.st_size <= always_hashed or changed) and sha256_of_file(path) != file.sha256:
        return "has changed since the manifest beside it was made"
    return None
