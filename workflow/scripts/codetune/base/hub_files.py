"""The files of a commit: as the hub lists them, and as they lie in the user's own cache of the hub."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta, MsgspecError, Struct, json

from codetune.base.files import sha256_of_file
from codetune.base.hub_errors import NotTheHubError, Repository, tells_token

Sha1 = Annotated[str, Meta(pattern=r"^[0-9a-f]{40}\Z")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Size = Annotated[int, Meta(ge=0, lt=1 << 62)]


@dataclass(frozen=True)
class HubFile:
    """A file of a repository as the hub declares it.

    Attributes:
        rfilename: Its name, relative to the repository.
        size: In bytes.
        blob_id: Git's hash of the file; of a large file, of the pointer to it.
        sha256: Of a large file (LFS); None for all others.
    """

    rfilename: str
    size: int
    blob_id: str
    sha256: str | None


class _Large(Struct):
    sha256: Sha256


class _Sibling(Struct, rename="camel"):
    """A file in the API's words."""

    rfilename: str
    size: Size
    blob_id: Sha1
    lfs: _Large | None = None


class _Listing(Struct):
    sha: str
    siblings: list[_Sibling]


class _Cached(Struct):
    """A file in the words of the hub's own library, which keeps the list of a commit's files beside them."""

    size: Size
    blob_id: Sha1
    lfs_sha256: Sha256 | None = None


class _CachedListing(Struct):
    files: dict[str, _Cached]


def parse_listing(body: bytes, revision: str) -> list[HubFile]:
    """Reads the API's description of a commit.

    Raises:
        NotTheHubError: It is of another form or of another commit.
    """
    try:
        listing = json.decode(body, type=_Listing)
    except (MsgspecError, UnicodeError, RecursionError):
        raise NotTheHubError("not a list of files with their sizes and hashes") from None
    if listing.sha != revision:
        raise NotTheHubError("it is of another commit than the one asked for")
    names = [sibling.rfilename for sibling in listing.siblings]
    if len(set(names)) < len(names):
        raise NotTheHubError("a file is listed twice")
    if not all(name.isprintable() for name in names):
        raise NotTheHubError("a file's name holds control characters")
    if tells_token("\n".join(names)):
        raise NotTheHubError("it repeats the token")
    return [
        HubFile(one.rfilename, one.size, one.blob_id, one.lfs.sha256 if one.lfs else None) for one in listing.siblings
    ]


def cached_listing(repo: Repository) -> list[HubFile] | None:
    """The commit's files as the hub's own library noted them when it downloaded a commit; None if it did not."""
    try:
        body = (_cache_of(repo) / "trees" / f"{repo.revision}.json").read_bytes()
        found = json.decode(body, type=_CachedListing).files
    except (OSError, MsgspecError, UnicodeError, RecursionError):
        return None
    return [HubFile(name, one.size, one.blob_id, one.lfs_sha256) for name, one in found.items()]


def cached_file(repo: Repository, file: HubFile) -> tuple[Path, str] | None:
    """Finds a file in the user's cache of the hub, where other programs put what they download.

    Returns:
        Where it lies, and its SHA-256; None if it is not there, or not what the hub lists.
    """
    try:
        path = (_cache_of(repo) / "snapshots" / repo.revision / file.rfilename).resolve()
        if not path.is_file() or path.stat().st_size != file.size:
            return None
        sha256 = checked_sha256(file, path)
    except (OSError, RuntimeError):  # not ours to read, or a circle of links
        return None
    return (path, sha256) if sha256 else None


def _cache_of(repo: Repository) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / "--".join([f"{repo.kind}s", *repo.name.split("/")])


def checked_sha256(file: HubFile, path: Path) -> str | None:
    """Returns the SHA-256 of a file's bytes; None if they are not those that the hub lists.

    The hub declares the SHA-256 of large files (LFS), and git's blob hash of all others.
    """
    sha256 = sha256_of_file(path)
    if file.sha256 is not None:
        return sha256 if sha256 == file.sha256 else None
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return sha256 if digest.hexdigest() == file.blob_id else None
