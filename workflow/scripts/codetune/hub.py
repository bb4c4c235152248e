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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from codetune.errors import StudyError
from codetune.files import atomic, read_json, remove, sha256_of_file, sync, write_json

TOKENIZER_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)
INDEX = "model.safetensors.index.json"
WEIGHT_FILES = ("model*.safetensors", INDEX)
MANIFEST = "manifest.json"
POINTER = b"version https://git-lfs"  # how a file begins that a git clone without LFS left in place of the weights

WAITS = (1.0, 4.0, 16.0, 64.0)  # seconds before each further try
LONGEST_WAIT = 300.0  # at most, when the hub asks for a wait: it counts requests in windows of five minutes
PASSING = (408, 429, 500, 502, 503, 504)  # answers that another try may change

Result = TypeVar("Result")


@dataclass(frozen=True)
class Repository:
    """A repository of the hub at one commit; `kind` is model or dataset."""

    name: str
    revision: str
    kind: str


@contextmanager
def dataset_file(entry: dict[str, Any], target: str | Path) -> Iterator[Path]:
    """Yields the data set's file: the local one if the entry names a path, else the pinned file of the hub.

    A downloaded file is removed when the block has succeeded.

    Args:
        entry: A `datasets` entry of the config.
        target: The rule's output; the download lies in a folder beside it.

    Raises:
        StudyError: The file cannot be had; the message says what to do.
    """
    if "path" in entry:
        yield Path(entry["path"])
        return
    repo = Repository(entry["repo"], entry["revision"], "dataset")
    files = [file for file in _list_files(repo) if file.rfilename == entry["file"]]
    if not files:
        raise StudyError(
            f"{repo.name}, revision {repo.revision}: there is no file {entry['file']}. Check 'file' in the config."
        )
    folder = _partial_folder(Path(target), repo.revision)
    _download(repo, files, folder)
    yield folder / entry["file"]
    remove(folder.parent)


def fetch_model(entry: dict[str, Any], target: str | Path, weights: bool) -> None:
    """Puts a checkpoint's files into the folder `target`, with a manifest of sizes and SHA-256 sums.

    Files of a local `path` are linked, not copied. Only tokenizer and configuration files and, with `weights`, those
    in the safetensors format are taken; nothing that can hold code or pickled objects.

    Args:
        entry: A `models` entry of the config.
        target: The folder to make.
        weights: Whether to take the weights too.

    Raises:
        StudyError: The checkpoint cannot be had, or lacks files; the message says what to do.
    """
    target = Path(target)
    patterns = TOKENIZER_FILES + (WEIGHT_FILES if weights else ())
    if "path" in entry:
        with atomic(target) as folder:
            _link(Path(entry["path"]).resolve(), folder, patterns)
            names = [file.name for file in folder.iterdir()]
            _check_complete(names, weights, entry["path"])
            _check_weights(folder, entry["path"])
            _write_manifest(folder, {"path": entry["path"]}, {name: sha256_of_file(folder / name) for name in names})
        return
    repo = Repository(entry["repo"], entry["revision"], "model")
    files = [file for file in _list_files(repo) if _matches(file.rfilename, patterns)]
    _check_complete([file.rfilename for file in files], weights, repo.name)
    folder = _partial_folder(target, repo.revision)
    sums = _download(repo, files, folder)
    _check_weights(folder, repo.name)
    _write_manifest(folder, {"repo": repo.name, "revision": repo.revision}, sums)
    sync(folder)
    # One renaming: whenever the process is killed, the files are in one place or the other.
    remove(target)
    folder.rename(target)
    remove(folder.parent)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return "/" not in name and any(fnmatch(name, pattern) for pattern in patterns)


def _link(source: Path, folder: Path, patterns: tuple[str, ...]) -> None:
    folder.mkdir()
    for file in source.iterdir():
        if _matches(file.name, patterns):
            (folder / file.name).symlink_to(file)


def _check_complete(names: list[str], weights: bool, origin: str) -> None:
    if "config.json" not in names:
        raise StudyError(f"{origin}: there is no config.json; this is not a checkpoint in the transformers format")
    if not {"tokenizer.json", "tokenizer.model", "vocab.json"} & set(names):
        raise StudyError(f"{origin}: there is no tokenizer (tokenizer.json, tokenizer.model or vocab.json)")
    if weights and not any(name.endswith(".safetensors") for name in names):
        raise StudyError(f"{origin}: there are no weights in the safetensors format; other formats are not loaded")


def _check_weights(folder: Path, origin: str) -> None:
    """No part of the weights is missing, and none is a mere pointer to them."""
    if (folder / INDEX).exists():
        for name in sorted(set(read_json(folder / INDEX)["weight_map"].values())):
            if not (folder / name).exists():
                raise StudyError(f"{origin}: {INDEX} names {name}, which is not there. Get the checkpoint anew.")
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            if stream.read(len(POINTER)) == POINTER:
                raise StudyError(
                    f"{origin}: {path.name} is a Git LFS pointer to the weights. Run 'git lfs pull' there."
                )


def _write_manifest(folder: Path, origin: dict[str, str], sums: dict[str, str]) -> None:
    files = {name: {"bytes": (folder / name).stat().st_size, "sha256": sums[name]} for name in sorted(sums)}
    write_json(folder / MANIFEST, {**origin, "files": files})
    print(f"{len(files)} files, {sum((folder / name).stat().st_size for name in files):,} bytes")


def _partial_folder(target: Path, revision: str) -> Path:
    """Where a download collects. What another revision left beside it is removed, it could be gigabytes."""
    home = target.with_name(target.name + ".partial")
    home.mkdir(parents=True, exist_ok=True)
    for other in home.iterdir():
        if other.name != revision:
            remove(other)
    return home / revision


def _list_files(repo: Repository) -> list[Any]:
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


def _download(repo: Repository, files: list[Any], folder: Path) -> dict[str, str]:
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
    with _hub_errors_explained(repo, path):
        while True:
            try:
                return call()
            except (errors.HTTPError, ConnectionError) as error:
                if _size(path) > had:
                    waits, had = list(WAITS), _size(path)
                if not waits or not _may_pass(error):
                    raise
                wait = min(max(waits.pop(0), _asked_wait(error)), LONGEST_WAIT)
                print(f"{repo.name}: {_reason(error)}; next try in {wait:g} s", flush=True)
            time.sleep(wait)


def _may_pass(error: Exception) -> bool:
    from huggingface_hub import errors

    if isinstance(error, errors.HfHubHTTPError):
        return error.response.status_code in PASSING
    return not isinstance(error, errors.OfflineModeIsEnabled)


def _asked_wait(error: Exception) -> float:
    """Seconds that the hub asks to wait: in `Retry-After`, or till its window of counted requests ends."""
    from huggingface_hub import errors
    from huggingface_hub.utils import parse_ratelimit_headers

    if not isinstance(error, errors.HfHubHTTPError):
        return 0.0
    asked = error.response.headers.get("Retry-After", "")
    if asked.isdecimal():
        return float(asked)
    window = parse_ratelimit_headers(error.response.headers)
    return float(window.reset_in_seconds) if window is not None and window.remaining == 0 else 0.0


def _reason(error: Exception) -> str:
    """What went wrong, without the token, and without the address: a redirected one is a key to the file."""
    from huggingface_hub import errors, get_token

    if not isinstance(error, errors.HfHubHTTPError):
        return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
    said = (error.server_message or "").split("\n")[0].rstrip(".").replace(get_token() or "\n", "<token>")
    status = f"{error.response.status_code} {error.response.reason_phrase}"
    return f"the hub answered {status}" + (f" ({said})" if said else "")


@contextmanager
def _hub_errors_explained(repo: Repository, path: Path | None) -> Iterator[None]:
    """Turns the errors of the hub, the network and the disk into one line that says what to do."""
    from huggingface_hub import errors, get_token

    try:
        yield
    except errors.GatedRepoError:
        login = "the token in use has no access to it" if get_token() else "set HF_TOKEN to a token of your account"
        raise StudyError(
            f"{repo.name}: the publisher asks for consent first. Accept the licence on the model's page; {login}."
        ) from None
    except errors.RevisionNotFoundError:
        raise StudyError(
            f"{repo.name}: there is no revision {repo.revision}. Check 'revision' in the config."
        ) from None
    except errors.RepositoryNotFoundError:
        raise StudyError(
            f"{repo.name}: there is no such repository, or it is private. Check 'repo' in the config, or set HF_TOKEN."
        ) from None
    except errors.HfHubHTTPError as error:
        refused = error.response.status_code in (401, 403)
        remedy = "Is the token in HF_TOKEN valid, and may it read this?" if refused else "Try again later."
        raise StudyError(f"{repo.name}: {_reason(error)}. {remedy}") from None
    except (errors.HTTPError, ConnectionError) as error:
        raise StudyError(
            f"{repo.name}: the hub cannot be reached ({_reason(error)}). Run again where there is a network; what has "
            "arrived is kept. Or give a local 'path' in the config."
        ) from None
    except OSError as error:
        place = error.filename or path
        raise StudyError(
            f"{repo.name}: {place}: {error.strerror}. Mend that and run again; what has arrived is kept."
        ) from None
    except errors.HFValidationError as error:
        raise StudyError(f"{repo.name}: {_reason(error)}. Check 'repo' in the config.") from None
    except ValueError as error:
        raise StudyError(
            f"{repo.name}: the answer is not the hub's ({_reason(error)}). Is a proxy in between?"
        ) from None
