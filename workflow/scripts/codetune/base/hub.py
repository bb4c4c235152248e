"""Pinned downloads from the Hugging Face hub.

An incomplete download is never used. Its files collect in a `.partial` folder beside the target, in a subfolder named
after the revision, so files of two revisions never mix. Each file is checked against the hub's hash, and the folder is
renamed to the target only when all files are there. A new attempt, in this process or another, resumes each file at the
byte where the last one stopped.

This module fetches the bytes itself. huggingface_hub's `snapshot_download` starts each file from the beginning in each
process, and does not retry when the hub answers with a server error.
"""

import hashlib
import re
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from codetune.base.errors import StudyError
from codetune.base.files import remove, sha256_of_file
from codetune.base.hub_errors import Repository, asked_wait, hub_errors_explained, may_pass, reason_of
from codetune.base.places import path_within

WAITS = (1.0, 4.0, 16.0, 64.0)  # seconds before each retry
LONGEST_WAIT = 300.0  # most seconds before a retry if the hub asks for a wait; its rate limit has windows of 5 minutes
REVISION = re.compile("[0-9a-f]{40}")
Result = TypeVar("Result")


def partial_folder(target: Path, revision: str) -> Path:
    """Returns the folder in which a download collects, and removes what other revisions left, possibly gigabytes."""
    home = target.with_name(target.name + ".partial")
    home.mkdir(parents=True, exist_ok=True)
    for other in home.iterdir():
        if other.name != revision and REVISION.fullmatch(other.name):
            remove(other)
    return home / revision


def list_files(repo: Repository) -> list[Any]:
    """Lists a repository's files, each with name (`rfilename`), size in bytes and hash as the hub declares them.

    Raises:
        StudyError: The hub refuses or does not answer, or the token cannot be a valid one.
    """
    from huggingface_hub import HfApi, constants

    def call() -> Any:
        return HfApi().repo_info(
            repo.name,
            revision=repo.revision,
            repo_type=repo.kind,
            files_metadata=True,
            timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
        )

    _check_token()
    return list(_ask_hub(repo, call).siblings or [])


def _check_token() -> None:
    """Refuses a token with a stray character, which the HTTP client would print in its error message."""
    from huggingface_hub.utils import build_hf_headers

    token = build_hf_headers().get("authorization", "")
    if not (token.isascii() and token.isprintable()):
        raise StudyError("HF_TOKEN holds a character that no token has. Copy the token again from your account.")


def download_files(repo: Repository, files: list[Any], folder: Path) -> dict[str, str]:
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
    _check_space(repo, files, folder)
    sums = {}
    for file, path in zip(files, paths, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        have = _size_of(path)
        if have:
            print(f"{file.rfilename}: {have:,} of {file.size:,} bytes are here from before")
        if have < file.size or not path.exists():
            _ask_hub(repo, partial(_fetch_file, repo, file, path), path)
        sums[file.rfilename] = _checked_sha256(repo, file, path)
        print(f"{file.rfilename}: {file.size:,} bytes")
    return sums


def _size_of(path: Path | None) -> int:
    """Returns a file's size in bytes; 0 if there is none."""
    return path.stat().st_size if path is not None and path.exists() else 0


def _check_space(repo: Repository, files: list[Any], folder: Path) -> None:
    needed = sum(file.size - min(_size_of(folder / file.rfilename), file.size) for file in files)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StudyError(
            f"{repo.name}: {needed / 1e9:.1f} GB are to be downloaded, but {folder.parent} has {free / 1e9:.1f} GB "
            "free. Free some space, or let 'resources' in the config name a folder on a larger disk."
        )


def _fetch_file(repo: Repository, file: Any, path: Path) -> None:
    """Appends to `path` the bytes that it still lacks.

    Raises:
        ConnectionError: The connection ended before the last byte.
    """
    from huggingface_hub import constants, get_session, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

    url = hf_hub_url(repo.name, file.rfilename, revision=repo.revision, repo_type=repo.kind)
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}  # uncompressed: ranges count the file's bytes
    with path.open("ab") as stream:
        if stream.tell():
            headers["Range"] = f"bytes={stream.tell()}-"
        with get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
            hf_raise_for_status(response)
            if "Range" in headers and response.status_code == 200:  # the hub ignored the range and sends the whole file
                stream.truncate(0)
            for chunk in response.iter_bytes():
                stream.write(chunk)
    if _size_of(path) < file.size:
        raise ConnectionError(f"{file.rfilename} ended after {_size_of(path):,} of {file.size:,} bytes")


def _checked_sha256(repo: Repository, file: Any, path: Path) -> str:
    """Checks a file against the hub's hash, and returns its SHA-256.

    The hub declares the SHA-256 of large files (LFS), and git's blob hash of all others.

    Raises:
        StudyError: The hash differs; the file is removed.
    """
    sha256 = sha256_of_file(path)
    if file.lfs is not None:
        damaged = sha256 != file.lfs.sha256
    else:
        body = path.read_bytes()
        damaged = hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest() != file.blob_id
    if damaged:
        remove(path)
        raise StudyError(f"{repo.name}: {file.rfilename} arrived damaged (its hash differs from the hub's). Run again.")
    return sha256


def _ask_hub(repo: Repository, call: Callable[[], Result], path: Path | None = None) -> Result:
    """Calls the hub, and retries transient errors after growing waits, or after the wait that the hub asks for.

    Args:
        repo: The repository, for messages.
        call: The call.
        path: The file that the call appends to, if any. Whenever the file has grown, counting retries starts again.

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
            except (errors.HTTPError, ConnectionError) as error:
                if _size_of(path) > had:
                    waits, had = list(WAITS), _size_of(path)
                if not waits or not may_pass(error):
                    raise
                wait = min(max(waits.pop(0), asked_wait(error)), LONGEST_WAIT)
                print(f"{repo.name}: {reason_of(error)}; next try in {wait:g} s", flush=True)
            time.sleep(wait)
