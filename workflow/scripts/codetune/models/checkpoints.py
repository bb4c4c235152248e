"""The folder of a checkpoint or an encoder: downloaded or linked, checked, with a manifest of its files."""

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import atomic, reading, remove, sync
from codetune.base.hub import download_files, list_files, partial_folder
from codetune.base.hub_errors import Repository
from codetune.base.manifests import Manifest, write_manifest
from codetune.models.weight_files import GET_AGAIN, check_weight_files
from codetune.study.model import CONFIG, MODULES, POOLING, Source, takes, takes_of_encoder

QUANTIZED = ("quantization_config", "compression_config")  # keys of config.json by which libraries know such weights
# What an encoder may consist of. A module of another package would be code of the repository's.
PACKAGE, KNOWN_MODULES = "sentence_transformers", ("Transformer", "Pooling", "Normalize")


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
    _fetch(source, Path(target), partial(takes, weights=weights), partial(_check_checkpoint, weights=weights))


def fetch_encoder(source: Source, target: str | Path) -> None:
    """Puts an encoder's files into a folder, as `fetch_model` does with a checkpoint and its weights.

    Args:
        source: Where the encoder comes from: a checkpoint, and what sentence-transformers keeps beside it.
        target: The folder to make.

    Raises:
        StudyError: As with a checkpoint, or it consists of modules that are not known.
    """
    _fetch(source, Path(target), takes_of_encoder, _check_encoder)


def _fetch(
    source: Source, target: Path, taken: Callable[[str], bool], check: Callable[[list[str], Path | None, str], None]
) -> None:
    """Makes a folder.

    Args:
        source: Where the files come from.
        target: The folder to make.
        taken: Whether a file of this name is taken.
        check: Checks the names of the files that are taken and, once they are there, the folder; with their origin.
    """
    if source.path is not None:
        with atomic(target) as folder:
            names = _link_files(Path(source.path), folder, taken)
            check(names, None, source.path)
            _check_json(folder, names, source.path)
            _check_unquantized(folder, source.path)
            check(names, folder, source.path)
            _report(write_manifest(folder, path=source.path))
        return
    repo = Repository(source.repo or "", source.revision or "", "model")
    files = [file for file in list_files(repo) if taken(file.rfilename)]
    names = [file.rfilename for file in files]
    check(names, None, repo.name)
    folder = partial_folder(target, repo.revision)
    config = [file for file in files if file.rfilename == CONFIG]
    sums = download_files(repo, config, folder)
    _check_unquantized(folder, repo.name)  # before gigabytes come
    sums |= download_files(repo, [file for file in files if file not in config], folder)
    check(names, folder, repo.name)
    _report(write_manifest(folder, sums, repo=repo.name, revision=repo.revision))
    sync(folder)
    # A rename is atomic: if the process is killed, the files are in either one place or the other.
    remove(target)
    folder.rename(target)
    remove(folder.parent)


def _link_files(source: Path, folder: Path, taken: Callable[[str], bool]) -> list[str]:
    """Makes a folder of links to files, and returns their names."""
    folder.mkdir()
    source, names = source.resolve(), list[str]()
    moves_along = source.is_relative_to(Path.cwd())
    for file in (*source.iterdir(), *source.glob(POOLING)):
        name = file.relative_to(source).as_posix()
        if taken(name):
            if not file.is_file():  # to open a pipe would wait for ever
                raise StudyError(f"{file} is not a file on a disk. Put the checkpoint's file there and run again.")
            link = folder / name
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(os.path.relpath(file, link.parent.resolve()) if moves_along else file)
            names.append(name)
    return names


def _check_checkpoint(names: list[str], folder: Path | None, origin: str, weights: bool) -> None:
    """Checks what is taken of a checkpoint: the names of its files or, where there is one, its folder."""
    if folder is None:
        _check_complete(names, weights, origin)
    elif weights:
        check_weight_files(folder, origin)


def _check_encoder(names: list[str], folder: Path | None, origin: str) -> None:
    """Checks what is taken of an encoder, in the same way."""
    _check_checkpoint(names, folder, origin, weights=True)
    if MODULES not in names:
        raise StudyError(
            f"{origin}: there is no {MODULES}; this is not an encoder in the format of sentence-transformers. Name "
            "another one in the config."
        )
    if folder is None:
        return
    with reading(f"{origin}: {MODULES}", GET_AGAIN):
        modules = json.loads((folder / MODULES).read_text(encoding="utf-8"))
        kinds = [str(module["type"]) for module in modules]
    for kind in kinds:
        package, *_, name = kind.split(".")
        if package != PACKAGE or name not in KNOWN_MODULES:
            raise StudyError(
                f"{origin}: {MODULES} names the module {kind!a}; known are {', '.join(KNOWN_MODULES)} of {PACKAGE}, "
                "and no code of a repository is run. Name another encoder in the config."
            )
    if [kind.split(".")[-1] for kind in kinds][:2] != ["Transformer", "Pooling"]:
        raise StudyError(
            f"{origin}: {MODULES} does not begin with a Transformer and a Pooling, so that it makes no vector of a "
            "text. Name another encoder in the config."
        )


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


def _check_json(folder: Path, names: list[str], origin: str) -> None:
    """Checks that the JSON of a local checkpoint is JSON. What comes from the hub has been checked by its hash."""
    for name in sorted(name for name in names if name.endswith(".json")):
        with reading(f"{origin}: {name}", GET_AGAIN):
            json.loads((folder / name).read_text(encoding="utf-8"))


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
