"""Pinned downloads from the Hugging Face hub.

An incomplete download is never used. Its files collect in a `.partial` folder beside the target, in a subfolder named
after the revision, so files of two revisions never mix. Each file is checked against the hub's hash, and the folder is
renamed to the target only when all files are there. A new attempt, in this process or another, resumes each file at the
byte where the last one stopped. What the user's own cache of the hub holds is linked from there, and never changed.

This module fetches the bytes itself. huggingface_hub's `snapshot_download` starts each file from the beginning in each
process, does not retry when the hub answers with a server error, and believes what it is sent.
"""

import os
import re
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote

from codetune.base.errors import StudyError
from codetune.base.files import link_or_copy, remove
from codetune.base.hub_answers import LEAST, answer, progress_expected, read_listing
from codetune.base.hub_errors import (
    NotTheHubError,
    RefusedError,
    Repository,
    UnreachableError,
    hub_errors_explained,
    may_pass,
    reason_of,
)
from codetune.base.hub_files import HubFile, cached_file, cached_listing, checked_sha256, parse_listing
from codetune.base.places import path_within
from codetune.base.progress import BYTES, doing

WAITS = (1.0, 4.0, 16.0, 64.0)  # seconds before each retry
LONGEST_WAIT = 300.0  # most seconds before a retry if the hub asks for a wait; its rate limit has windows of 5 minutes
REVISION = re.compile("[0-9a-f]{40}")
PAGE = re.compile(
    rb"\s*<(!doctype\s+html|html)", re.IGNORECASE
)  # how a page begins that a proxy puts in place of a file
CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-\d{1,19}/(\d{1,19}|\*)")
Result = TypeVar("Result")


def partial_folder(target: Path, revision: str) -> Path:
    """Returns the folder in which a download collects, and removes what other revisions left, possibly gigabytes."""
    home = target.with_name(target.name + ".partial")
    home.mkdir(parents=True, exist_ok=True)
    for other in home.iterdir():
        if other.name != revision and REVISION.fullmatch(other.name):
            remove(other)
    return home / revision


def list_files(repo: Repository) -> list[HubFile]:
    """Lists a repository's files. Without a network, the list is taken from the user's cache of the hub if it is there.

    Raises:
        StudyError: The hub refuses or does not answer, or the token cannot be a valid one.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import validate_repo_id

    def call() -> list[HubFile]:
        validate_repo_id(repo.name)
        url = f"{constants.ENDPOINT}/api/{repo.kind}s/{repo.name}/revision/{quote(repo.revision, safe='')}?blobs=true"
        return parse_listing(read_listing(url, repo.revision), repo.revision)

    _check_token()
    try:
        return _ask_hub(repo, call)
    except UnreachableError:
        files = cached_listing(repo)
        if files is None:
            raise
        print(f"{repo.name}: the hub cannot be reached. The list of files is taken from the cache of the hub.")
        return files


def check_access(repo: Repository, name: str) -> None:
    """Asks for a file of a repository, and reads none of it. A list of files would not do: the hub shows it to all.

    Raises:
        StudyError: The hub refuses or does not answer, or the token cannot be a valid one.
    """
    from huggingface_hub import hf_hub_url

    def call() -> None:
        url = hf_hub_url(repo.name, name, revision=repo.revision, repo_type=repo.kind)
        try:
            with progress_expected(), answer(url, repo.revision, {"Range": "bytes=0-0"}):
                pass
        except RefusedError as error:
            if error.code != "EntryNotFound":  # then it is the file that is missing, and its download says so
                raise

    _check_token()
    _ask_hub(repo, call)


def _check_token() -> None:
    """Refuses a token with a stray character, which the HTTP client would print in its error message."""
    from huggingface_hub.utils import build_hf_headers

    token = build_hf_headers().get("authorization", "")
    if not (token.isascii() and token.isprintable()):
        raise StudyError("HF_TOKEN holds a character that no token has. Copy the token again from your account.")


def download_files(repo: Repository, files: list[HubFile], folder: Path) -> dict[str, str]:
    """Downloads files into a folder and checks each against the hub's hash.

    Args:
        repo: The repository.
        files: Files as `list_files` returns them.
        folder: Where to put them; what an earlier attempt left there is resumed.

    Returns:
        The SHA-256 of each file, by name.

    Raises:
        StudyError: The disk has too little space, the hub refuses or does not answer, or a file arrived damaged.
    """
    folder.mkdir(exist_ok=True)
    paths = [path_within(folder, file.rfilename, repo.name) for file in files]
    sums, missing = {}, []
    for file, path in zip(files, paths, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        if (_size_of(path) < file.size or not path.exists()) and (found := cached_file(repo, file)):
            link_or_copy(found[0], path)  # a hard link, because the user may clear the cache
            sums[file.rfilename] = found[1]
            print(f"{file.rfilename}: {file.size:,} bytes, from the cache of the hub")
        else:
            missing.append(file)
    _check_space(repo, missing, folder)
    for file in missing:
        sums[file.rfilename] = _download(repo, file, folder / file.rfilename)
    return sums


def _download(repo: Repository, file: HubFile, path: Path) -> str:
    """Fetches what is missing of one file, and returns its SHA-256."""
    have = _size_of(path)
    if have:
        print(f"{file.rfilename}: {have:,} of {file.size:,} bytes are here from before")
    if have < file.size or not path.exists():
        _ask_hub(repo, partial(_fetch_file, repo, file, path), path)
    sha256 = checked_sha256(file, path)
    if sha256 is None:
        remove(path)
        raise StudyError(f"{repo.name}: {file.rfilename} arrived damaged (its hash differs from the hub's). Run again.")
    print(f"{file.rfilename}: {file.size:,} bytes")
    return sha256


def _size_of(path: Path | None) -> int:
    """Returns a file's size in bytes; 0 if there is none."""
    return path.stat().st_size if path is not None and path.exists() else 0


def _check_space(repo: Repository, files: list[HubFile], folder: Path) -> None:
    needed = sum(file.size - min(_size_of(folder / file.rfilename), file.size) for file in files)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StudyError(
            f"{repo.name}: {needed / 1e9:.1f} GB are to be downloaded, but {folder.parent} has {free / 1e9:.1f} GB "
            "free. Free some space, or let 'resources' in the config name a folder on a larger disk."
        )


def _fetch_file(repo: Repository, file: HubFile, path: Path) -> None:
    """Appends to `path` the bytes that it still lacks.

    Raises:
        ConnectionError: The connection ended before the last byte, or hardly any came.
        NotTheHubError: What comes is not the file.
    """
    from huggingface_hub import hf_hub_url

    url = hf_hub_url(repo.name, file.rfilename, revision=repo.revision, repo_type=repo.kind)
    with path.open("a+b") as stream, progress_expected() as note:
        have = stream.tell()
        headers = {"Range": f"bytes={have}-"} if have else {}
        download = doing(f"download of {file.rfilename} from {repo.name}", BYTES)
        with answer(url, repo.revision, headers) as response, download as part:
            place = _start_of(response, file, have)
            part.start(file.size, place)
            for chunk in response.iter_raw():
                note(len(chunk))
                if place == 0 and _is_page(file, bool(PAGE.match(chunk))):
                    raise NotTheHubError(f"a page in place of {file.rfilename}")
                _put(stream, chunk, place, file)
                place += len(chunk)
                part.add(len(chunk))
    if _size_of(path) < file.size:
        raise _ended_early(file, _size_of(path))


def _start_of(response: Any, file: HubFile, have: int) -> int:
    """Returns the place in the file at which the body of an answer begins: a hub may ignore the range."""
    place = have if response.status_code == 206 else 0
    if response.status_code == 206:
        found = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        total = file.size if found is None or found[2] == "*" else int(found[2])
        if not have or found is None or int(found[1]) != have or total > file.size:
            raise NotTheHubError(f"another part of {file.rfilename} than the one asked for")
        if total < file.size:
            raise _ended_early(file, have)
    kind = response.headers.get("Content-Type", "").lower()
    if _is_page(file, "html" in kind or ("json" in kind and file.rfilename.endswith(".safetensors"))):
        raise NotTheHubError(f"a page in place of {file.rfilename}")
    length = response.headers.get("Content-Length", "0")
    if length.isdecimal() and place + int(length[:20]) > file.size:
        raise _too_long(file)
    return place


def _is_page(file: HubFile, looks: bool) -> bool:
    """Whether what looks like a page is one: a proxy's, not a file of the repository that is a page itself."""
    return looks and not file.rfilename.endswith((".html", ".htm"))


def _put(stream: BinaryIO, chunk: bytes, place: int, file: HubFile) -> None:
    """Appends what a chunk holds beyond the end of the file; what is here already has to be the same."""
    if place + len(chunk) > file.size:
        raise _too_long(file)
    have = stream.seek(0, os.SEEK_END)
    if place < have:
        stream.seek(place)
        if not chunk.startswith(stream.read(min(have - place, len(chunk)))):
            raise NotTheHubError(f"{file.rfilename} begins otherwise than what has arrived of it")
    stream.write(chunk[max(0, have - place) :])


def _ended_early(file: HubFile, have: int) -> ConnectionError:
    return ConnectionError(f"{file.rfilename} ended after {have:,} of {file.size:,} bytes")


def _too_long(file: HubFile) -> NotTheHubError:
    return NotTheHubError(f"{file.rfilename} arrived damaged: longer than the {file.size:,} bytes that the hub lists")


def _ask_hub(repo: Repository, call: Callable[[], Result], path: Path | None = None) -> Result:
    """Calls the hub, and retries transient errors after growing waits, or after the wait that the hub asks for.

    Args:
        repo: The repository, for messages.
        call: The call.
        path: The file that the call appends to, if any. Whenever it has grown by `LEAST` bytes, counting
            retries starts again.

    Returns:
        What the call returns.

    Raises:
        StudyError: The hub refuses, or does not answer after `len(WAITS)` retries.
    """
    from huggingface_hub import errors

    waits, had = list(WAITS), _size_of(path)
    with hub_errors_explained(repo, path):
        while True:
            try:
                return call()
            except (errors.HTTPError, ConnectionError, RefusedError) as error:
                if _size_of(path) >= had + LEAST:
                    waits, had = list(WAITS), _size_of(path)
                if not waits or not may_pass(error):
                    raise
                asked = error.wait if isinstance(error, RefusedError) else 0.0
                wait = min(max(waits.pop(0), asked), LONGEST_WAIT)
                print(f"{repo.name}: {reason_of(error)}; next try in {wait:g} s", flush=True)
            with doing(f"waiting to ask for {repo.name} again"):
                time.sleep(wait)
