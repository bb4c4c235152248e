"""Pinned downloads from the model and data hub, and checkpoints from a local folder.

Nothing half-downloaded is used: files arrive in a `.partial` folder beside the target, which a later attempt goes on
with, and are moved into place when all are there and checked.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from codetune.errors import StudyError
from codetune.files import atomic, remove, sha256_of_file, write_json

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
WEIGHT_FILES = ("model*.safetensors", "model.safetensors.index.json")
MANIFEST = "manifest.json"


def fetch_dataset_file(entry: dict[str, Any], target: str | Path) -> Path:
    """Returns the data set's file: the local one if the entry names a path, else the pinned file of the hub.

    Args:
        entry: A `datasets` entry of the config.
        target: The rule's output; the download lies in a folder beside it.
    """
    if "path" in entry:
        return Path(entry["path"])
    from huggingface_hub import hf_hub_download

    target = Path(target)
    partial = target.with_name(target.name + ".partial")
    with _hub_errors_explained(entry["repo"], entry["revision"]):
        return Path(
            hf_hub_download(
                entry["repo"], entry["file"], revision=entry["revision"], repo_type="dataset", local_dir=partial
            )
        )


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
    patterns = TOKENIZER_FILES + (WEIGHT_FILES if weights else ())
    if "path" in entry:
        source = Path(entry["path"]).resolve()
        names = sorted(file.name for file in source.iterdir() if _matches(file.name, patterns))
        origin = {"path": entry["path"]}
    else:
        source = Path(str(target) + ".partial")
        names = _download(entry["repo"], entry["revision"], source, patterns)
        origin = {"repo": entry["repo"], "revision": entry["revision"]}
    _check_complete(names, weights, str(entry.get("path", entry.get("repo"))))
    files: dict[str, Any] = {
        name: {"bytes": (source / name).stat().st_size, "sha256": sha256_of_file(source / name)} for name in names
    }
    with atomic(target) as folder:
        folder.mkdir()
        for name in names:
            if "path" in entry:
                (folder / name).symlink_to(source / name)
            else:
                shutil.move(source / name, folder / name)
        write_json(folder / MANIFEST, {**origin, "files": files})
    if "path" not in entry:
        remove(source)
    print(f"{len(files)} files, {sum(file['bytes'] for file in files.values()):,} bytes")


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _download(repo: str, revision: str, folder: Path, patterns: tuple[str, ...]) -> list[str]:
    """Downloads the files that match; checks the large ones against the hub's SHA-256. Returns their names."""
    from huggingface_hub import HfApi, snapshot_download

    with _hub_errors_explained(repo, revision):
        info = HfApi().model_info(repo, revision=revision, files_metadata=True)
        files = {file.rfilename: file for file in info.siblings or [] if _matches(file.rfilename, patterns)}
        snapshot_download(repo, revision=revision, local_dir=folder, allow_patterns=sorted(files))
    for name, file in files.items():
        if file.lfs is not None and sha256_of_file(folder / name) != file.lfs.sha256:
            remove(folder / name)
            raise StudyError(f"{repo}: {name} arrived damaged (its SHA-256 differs from the hub's). Run again.")
    return sorted(files)


def _check_complete(names: list[str], weights: bool, origin: str) -> None:
    if "config.json" not in names:
        raise StudyError(f"{origin}: there is no config.json; this is not a checkpoint in the transformers format")
    if not {"tokenizer.json", "tokenizer.model", "vocab.json"} & set(names):
        raise StudyError(f"{origin}: there is no tokenizer (tokenizer.json, tokenizer.model or vocab.json)")
    if weights and not any(name.endswith(".safetensors") for name in names):
        raise StudyError(f"{origin}: there are no weights in the safetensors format; other formats are not loaded")


@contextmanager
def _hub_errors_explained(repo: str, revision: str) -> Iterator[None]:
    """Turns the hub library's errors into one line that says what to do."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        login = (
            "the token in use has no access to it"
            if os.environ.get("HF_TOKEN")
            else "set HF_TOKEN to a token of your account"
        )
        raise StudyError(
            f"{repo}: the publisher asks for consent first. Accept the licence on the model's page; {login}."
        ) from None
    except errors.RevisionNotFoundError:
        raise StudyError(f"{repo}: there is no revision {revision}. Check 'revision' in the config.") from None
    except errors.RepositoryNotFoundError:
        raise StudyError(
            f"{repo}: there is no such repository, or it is private. Check 'repo' in the config, or set HF_TOKEN."
        ) from None
    except errors.EntryNotFoundError as error:
        raise StudyError(f"{repo}, revision {revision}: {_first_line(error)}. Check 'file' in the config.") from None
    except errors.HfHubHTTPError as error:
        raise StudyError(f"{repo}: the hub answered: {_first_line(error)}. Try again later.") from None
    except (OSError, errors.HTTPError) as error:
        raise StudyError(
            f"{repo}: the hub cannot be reached ({_first_line(error)}). Download where there is a network, or give a "
            "local 'path' in the config."
        ) from None


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")
