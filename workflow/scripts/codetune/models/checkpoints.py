"""A checkpoint's folder: fetched or linked, checked, with a manifest of its files."""

from fnmatch import fnmatch
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import atomic, read_json, remove, sha256_of_file, sync, write_json
from codetune.base.hub import download_files, list_files, partial_folder
from codetune.base.hub_errors import Repository
from codetune.study.model import Source

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


def fetch_model(source: Source, target: str | Path, weights: bool) -> None:
    """Puts a checkpoint's files into the folder `target`, with a manifest of sizes and SHA-256 sums.

    Files of a local `path` are linked, not copied. Only tokenizer and configuration files and, with `weights`, those
    in the safetensors format are taken; nothing that can hold code or pickled objects.

    Args:
        source: Where it comes from.
        target: The folder to make.
        weights: Whether to take the weights too.

    Raises:
        StudyError: The checkpoint cannot be had, or lacks files; the message says what to do.
    """
    target = Path(target)
    patterns = TOKENIZER_FILES + (WEIGHT_FILES if weights else ())
    if source.path is not None:
        with atomic(target) as folder:
            _link(Path(source.path).resolve(), folder, patterns)
            names = [file.name for file in folder.iterdir()]
            _check_complete(names, weights, source.path)
            _check_weights(folder, source.path)
            _write_manifest(folder, {"path": source.path}, {name: sha256_of_file(folder / name) for name in names})
        return
    repo = Repository(source.repo or "", source.revision or "", "model")
    files = [file for file in list_files(repo) if _matches(file.rfilename, patterns)]
    _check_complete([file.rfilename for file in files], weights, repo.name)
    folder = partial_folder(target, repo.revision)
    sums = download_files(repo, files, folder)
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
