"""A checkpoint's folder: downloaded or linked, checked, with a manifest of its files."""

import json
import os
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import atomic, reading, remove, sync
from codetune.base.hub import download_files, list_files, partial_folder
from codetune.base.hub_errors import Repository
from codetune.base.manifests import Manifest, write_manifest
from codetune.models.weight_files import GET_AGAIN, check_weight_files
from codetune.study.model import CONFIG, Source, takes

QUANTIZED = ("quantization_config", "compression_config")  # keys of config.json by which libraries know such weights


def fetch_model(source: Source, target: str | Path, weights: bool) -> None:
    """Puts a checkpoint's files into a folder, with a manifest of their sizes and SHA-256 hashes.

    Files of a local checkpoint are linked, not copied: by relative links if they lie within the working directory, so
    that it can be moved as a whole. Only configuration and tokenizer files are taken and, with
    `weights`, weights in the safetensors format; no file that can hold code or pickled objects.

    Args:
        source: Where the checkpoint comes from.
        target: The folder to make.
        weights: Whether to take the weights, too.

    Raises:
        StudyError: The checkpoint lacks files, its weights are quantised already or not finite, or the download fails.
    """
    target = Path(target)
    if source.path is not None:
        with atomic(target) as folder:
            _link_files(Path(source.path), folder, weights)
            _check_complete([file.name for file in folder.iterdir()], weights, source.path)
            _check_json(folder, source.path)
            _check_unquantized(folder, source.path)
            if weights:
                check_weight_files(folder, source.path)
            _report(write_manifest(folder, path=source.path))
        return
    repo = Repository(source.repo or "", source.revision or "", "model")
    files = [file for file in list_files(repo) if takes(file.rfilename, weights)]
    _check_complete([file.rfilename for file in files], weights, repo.name)
    folder = partial_folder(target, repo.revision)
    config = [file for file in files if file.rfilename == CONFIG]
    sums = download_files(repo, config, folder)
    _check_unquantized(folder, repo.name)  # before gigabytes come
    sums |= download_files(repo, [file for file in files if file not in config], folder)
    if weights:
        check_weight_files(folder, repo.name)
    _report(write_manifest(folder, sums, repo=repo.name, revision=repo.revision))
    sync(folder)
    # A rename is atomic: if the process is killed, the files are in either one place or the other.
    remove(target)
    folder.rename(target)
    remove(folder.parent)


def _link_files(source: Path, folder: Path, weights: bool) -> None:
    folder.mkdir()
    moves_along = source.resolve().is_relative_to(Path.cwd())
    for file in source.resolve().iterdir():
        if takes(file.name, weights):
            if not file.is_file():  # to open a pipe would wait for ever
                raise StudyError(f"{file} is not a file on a disk. Put the checkpoint's file there and run again.")
            (folder / file.name).symlink_to(os.path.relpath(file, folder.resolve()) if moves_along else file)


def _check_complete(names: list[str], weights: bool, origin: str) -> None:
    """Checks that a configuration, a tokenizer and, if wanted, weights are among the files."""
    if "config.json" not in names:
        raise StudyError(
            f"{origin}: there is no config.json; this is not a checkpoint in the transformers format. Name another one "
            "in the config."
        )
    if not {"tokenizer.json", "tokenizer.model", "vocab.json"} & set(names):
        raise StudyError(
            f"{origin}: there is no tokenizer (tokenizer.json, tokenizer.model or vocab.json). Add the model's "
            "tokenizer, or name another checkpoint in the config."
        )
    if weights and not any(name.endswith(".safetensors") for name in names):
        raise StudyError(
            f"{origin}: there are no weights in the safetensors format, and other formats are not loaded. Convert "
            "them, or name another checkpoint in the config."
        )


def _check_json(folder: Path, origin: str) -> None:
    """Checks that the JSON of a local checkpoint is JSON. What comes from the hub has been checked by its hash."""
    for path in sorted(folder.glob("*.json")):
        with reading(f"{origin}: {path.name}", GET_AGAIN):
            json.loads(path.read_text(encoding="utf-8"))


def _check_unquantized(folder: Path, origin: str) -> None:
    """Refuses weights that are quantised already: they would be computed with as they are, whatever the study says."""
    with reading(f"{origin}: {CONFIG}", GET_AGAIN):
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        parts = [config, *(part for part in config.values() if isinstance(part, dict))]
        found = [part[key] for part in parts for key in QUANTIZED if part.get(key) is not None]
    if found:
        method = found[0].get("quant_method") if isinstance(found[0], dict) else None
        raise StudyError(
            f"{origin}: config.json says that the weights are quantised already{f' ({method})' if method else ''}, and "
            "how they are held is for each method to say ('quantization'). Name the checkpoint with the original "
            "weights in the config."
        )


def _report(manifest: Manifest) -> None:
    print(f"{len(manifest.files)} files, {sum(file.bytes for file in manifest.files.values()):,} bytes")
