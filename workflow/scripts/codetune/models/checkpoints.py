"""The folder of a checkpoint or an encoder: downloaded or linked, checked, with a manifest of its files."""

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import atomic, reading, remove, sync
from codetune.base.hub import download_files, list_files, partial_folder
from codetune.base.hub_errors import Repository
from codetune.base.manifests import Manifest, write_manifest
from codetune.models.weight_files import GET_AGAIN, check_weight_files
from codetune.study.model import CONFIG, MODULES, POOLING, Source, takes, takes_of_encoder

QUANTIZED = ("quantization_config", "compression_config")  # keys of config.json by which libraries know such weights
# Types of models whose repositories name code of their own that transformers has taken over as it is, so that its class
# reads the same weights in the same order. Of other types that is not known: of CodeGen2 (model_type codegen) the class
# of transformers would load the weights without an error, and take parts of queries, keys and values for one another.
SAME_CODE = ("phi3",)
OWN_CODE, OF_MODELS = "auto_map", "AutoModel"  # the key of config.json that names such code, and how entries begin
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
        StudyError: The checkpoint lacks files or needs code of its own, its weights are quantised already or not
            finite, or the download fails.
    """
    check = partial(_check_checkpoint, weights=weights, remedy=_remedy(source))
    _fetch(source, Path(target), partial(takes, weights=weights), check)


def fetch_encoder(source: Source, target: str | Path) -> None:
    """Puts an encoder's files into a folder, as `fetch_model` does with a checkpoint and its weights.

    Args:
        source: Where the encoder comes from: a checkpoint, and what sentence-transformers keeps beside it.
        target: The folder to make.

    Raises:
        StudyError: As with a checkpoint, or it consists of modules that are not known.
    """
    check = partial(_check_encoder, remedy=_remedy(source))
    _fetch(source, Path(target), takes_of_encoder, check)


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
            _check_config(folder, source.path)
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
    _check_config(folder, repo.name)  # before gigabytes come
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


def _remedy(source: Source) -> str:
    """Says what to do about a checkpoint without weights in the safetensors format."""
    if source.path is not None:
        return "Convert them, or name another checkpoint in the config."
    return (
        "Name another checkpoint in the config; or, as 'revision', a commit that was proposed and adds "
        f"model.safetensors: `git ls-remote https://huggingface.co/{source.repo} 'refs/pr/*'` lists the proposals."
    )


def _check_checkpoint(names: list[str], folder: Path | None, origin: str, weights: bool, remedy: str) -> None:
    """Checks what is taken of a checkpoint: the names of its files or, where there is one, its folder."""
    if folder is None:
        _check_complete(names, weights, origin, remedy)
    elif weights:
        check_weight_files(folder, origin)


def _check_encoder(names: list[str], folder: Path | None, origin: str, remedy: str) -> None:
    """Checks what is taken of an encoder, in the same way."""
    _check_checkpoint(names, folder, origin, weights=True, remedy=remedy)
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


def _check_complete(names: list[str], weights: bool, origin: str, remedy: str) -> None:
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
            f"{origin}: there are no weights in the safetensors format, and other formats are not loaded. {remedy}"
        )


def _check_json(folder: Path, names: list[str], origin: str) -> None:
    """Checks that the JSON of a local checkpoint is JSON. What comes from the hub has been checked by its hash."""
    for name in sorted(name for name in names if name.endswith(".json")):
        with reading(f"{origin}: {name}", GET_AGAIN):
            json.loads((folder / name).read_text(encoding="utf-8"))


def _check_config(folder: Path, origin: str) -> None:
    """Refuses what config.json says of weights that would be computed with otherwise than their makers do."""
    with reading(f"{origin}: {CONFIG}", GET_AGAIN):
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        parts = [config, *(part for part in config.values() if isinstance(part, dict))]
        quantized = [part[key] for part in parts for key in QUANTIZED if part.get(key) is not None]
        own = [code for name, code in (config.get(OWN_CODE) or {}).items() if name.startswith(OF_MODELS)]
        kind = config.get("model_type")
    _check_unquantized(quantized, origin)
    if own and kind not in SAME_CODE:
        raise StudyError(
            f"{origin}: config.json names code of the repository's own for the model ({ascii(own[-1])[:80]}), which is "
            f"not run here, and it is not known whether the class that transformers has for {ascii(kind)[:40]} reads "
            "these weights in the same order: it could mix them up without an error. Name another checkpoint in the "
            "config; or, if you know that it does, a local copy ('path') whose config.json has no auto_map."
        )


def _check_unquantized(found: list[Any], origin: str) -> None:
    """Refuses weights that are quantised already: they would be computed with as they are, whatever the study says."""
    if found:
        method = found[0].get("quant_method") if isinstance(found[0], dict) else None
        raise StudyError(
            f"{origin}: config.json says that the weights are quantised already{f' ({method})' if method else ''}, and "
            "how they are held is for each method to say ('quantization'). Name the checkpoint with the original "
            "weights in the config."
        )


def _report(manifest: Manifest) -> None:
    print(f"{len(manifest.files)} files, {sum(file.bytes for file in manifest.files.values()):,} bytes")
