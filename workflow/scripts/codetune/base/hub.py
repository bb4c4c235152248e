"""Pinned downloads from the model and data hub, and checkpoints from a local folder.

Nothing half-downloaded is used. A download collects in a `.partial` folder beside its target, in a folder of its
revision, so that files of two revisions never meet. Each file is checked against the hub's hash of it, and only when
all are there the folder gets the target's name. An attempt goes on at the byte where the one before it stopped, in
another process too.

The bytes are fetched here, not by huggingface_hub's `snapshot_download`: that begins each file anew in each process,
and does not try again when the hub answers with a server error.
"""

import hashlib
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from codetune.base.errors import StudyError
from codetune.base.files import remove, sha256_of_file
from codetune.base.hub_errors import Repository, asked_wait, hub_errors_explained, may_pass, reason_of

WAITS = (1.0, 4.0, 16.0, 64.0)  # seconds before each further try


LONGEST_WAIT = 300.0  # at most, when the hub asks for a wait: it counts requests in windows of five minutes


Result = TypeVar("Result")


def partial_folder(target: Path, revision: str) -> Path:
    """Where a download collects. What another revision left beside it is removed, it could be gigabytes."""
    home = target.with_name(target.name + ".partial")
    home.mkdir(parents=True, exist_ok=True)
    for other in home.iterdir():
        if other.name != revision:
            remove(other)
    return home / revision


def list_files(repo: Repository) -> list[Any]:
    """The repository's files, each with name (`rfilename`), size and hash as the hub declares them."""
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
    return list(_ask(repo, call).siblings or [])


def _check_token() -> None:
    """A token with a stray character would appear in the HTTP library's complaint about it."""
    from huggingface_hub.utils import build_hf_headers

    token = build_hf_headers().get("authorization", "")
    if not (token.isascii() and token.isprintable()):
        raise StudyError("HF_TOKEN holds a character that no token has. Copy the token anew from your account.")


def download_files(repo: Repository, files: list[Any], folder: Path) -> dict[str, str]:
    """Brings the files into the folder, each as the hub declares it. Returns their SHA-256 sums by name."""
    folder.mkdir(exist_ok=True)
    _check_space(repo, files, folder)
    sums = {}
    for file in files:
        path = folder / file.rfilename
        path.parent.mkdir(parents=True, exist_ok=True)
        have = _size(path)
        if have:
            print(f"{file.rfilename}: {have:,} of {file.size:,} bytes are here from before")
        if have < file.size or not path.exists():
            _ask(repo, partial(_fetch, repo, file, path), path)
        sums[file.rfilename] = _checked_sha256(repo, file, path)
        print(f"{file.rfilename}: {file.size:,} bytes")
    return sums


def _size(path: Path | None) -> int:
    return path.stat().st_size if path is not None and path.exists() else 0


def _check_space(repo: Repository, files: list[Any], folder: Path) -> None:
    needed = sum(file.size - min(_size(folder / file.rfilename), file.size) for file in files)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StudyError(
            f"{repo.name}: {needed / 1e9:.1f} GB are to be downloaded, but {folder.parent} has {free / 1e9:.1f} GB "
            "free. Make room, or let 'resources' in the config name a folder on a larger disk."
        )


def _fetch(repo: Repository, file: Any, path: Path) -> None:
    """Appends to `path` what the hub has beyond the bytes that are there."""
    from huggingface_hub import constants, get_session, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

    url = hf_hub_url(repo.name, file.rfilename, revision=repo.revision, repo_type=repo.kind)
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}  # a range counts the bytes of the file itself
    with path.open("ab") as stream:
        if stream.tell():
            headers["Range"] = f"bytes={stream.tell()}-"
        with get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
            hf_raise_for_status(response)
            if "Range" in headers and response.status_code == 200:  # the whole file all the same
                stream.truncate(0)
            for chunk in response.iter_bytes():
                stream.write(chunk)
    if _size(path) < file.size:
        raise ConnectionError(f"{file.rfilename} ended after {_size(path):,} of {file.size:,} bytes")


def _checked_sha256(repo: Repository, file: Any, path: Path) -> str:
    """SHA-256 of a file whose content is what the hub declares: by SHA-256 for large files, else by git's hash."""
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


def _ask(repo: Repository, call: Callable[[], Result], path: Path | None = None) -> Result:
    """Calls the hub; where the fault may pass, again after a growing wait, or the one that the hub asks for.

    Args:
        repo: What is asked for.
        call: The call.
        path: The file that it appends to, if any. After each gain the count of tries begins anew.

    Raises:
        StudyError: The hub refuses, or does not answer after `len(WAITS)` further tries.
    """
    from huggingface_hub import errors

    waits, had = list(WAITS), _size(path)
    with hub_errors_explained(repo, path):
        while True:
            try:
                return call()
            except (errors.HTTPError, ConnectionError) as error:
                if _size(path) > had:
                    waits, had = list(WAITS), _size(path)
                if not waits or not may_pass(error):
                    raise
                wait = min(max(waits.pop(0), asked_wait(error)), LONGEST_WAIT)
                print(f"{repo.name}: {reason_of(error)}; next try in {wait:g} s", flush=True)
            time.sleep(wait)
