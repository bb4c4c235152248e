"""Checks of the local files and folders that data sets, models and encoders come from."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.places import lies_in, places_of
from codetune.study.folders import Outputs

# What makes the files and folders that the studies in config/ name, beside the hub.
MADE_BY = {
    "build/demo": "`make demo`, for another paper with STUDY=its-name",
    "build/real-data": "`make real-data DATA=path/to/code_alpaca_20k.json`",
    "build/smollm2/conala": "`make smollm2-examples DATA=path/to/code_alpaca_20k.json CONALA=path/to/folder`",
    "build/smollm2/conala-resplit": (
        "`make smollm2-peft-or-icl DATA=path/to/code_alpaca_20k.json CONALA=path/to/folder`"
    ),
    "build/smollm2/encoder": "`make smollm2-rag-and-execution CONALA=path/to/folder`",
    "build/smollm2/code_alpaca_20k.json": "`make smollm2 DATA=path/to/code_alpaca_20k.json`",
    "build/smollm2": "`make smollm2`",
}


def check_sources(config: Mapping[str, Any], outputs: Outputs) -> None:
    """Checks that each data set, model and encoder has a readable path or a pinned revision.

    Args:
        config: The configuration, already checked against its schema.
        outputs: Where the workflow writes.

    Raises:
        StudyError: One of them fails the check; the message names it.
    """
    for name, dataset in config["datasets"].items():
        if "parts" in dataset:
            _check_parts(f"datasets.{name}", dataset, outputs)
        else:
            _check_source(f"datasets.{name}", dataset, (*_keys_of(dataset), "file"), "file", outputs)
    for name, model in config["models"].items():
        _check_source(f"models.{name}", model, ("repo", "revision"), "folder", outputs)
    for name, encoder in config.get("encoders", {}).items():
        _check_source(f"encoders.{name}", encoder, ("repo", "revision"), "folder", outputs)


def _check_parts(where: str, entry: Mapping[str, Any], outputs: Outputs) -> None:
    """Checks that the files of a data set's parts are in a local folder, or pinned."""
    if "path" in entry and _kind_of(f"config: {where}.path", Path(entry["path"])) != "folder":
        raise StudyError(
            f"config: {where}.path: {entry['path']} is a file, but has to be a folder, in which 'parts' names the files"
        )
    for part, file in entry["parts"].items():
        local = {"path": str(Path(entry["path"]) / file)} if "path" in entry else {}
        found = {key: value for key, value in entry.items() if key != "path"} | local
        _check_source(f"{where}.parts.{part}" if local else where, found, _keys_of(entry), "file", outputs)


def _keys_of(dataset: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys that pin a download."""
    return ("github" if "github" in dataset else "repo", "revision")


def _check_source(
    where: str, entry: Mapping[str, Any], hub_keys: tuple[str, ...], needed: str, outputs: Outputs
) -> None:
    """Checks that an entry has a readable local path, or all keys that a pinned download needs."""
    if "path" not in entry:
        for key in hub_keys:
            if key not in entry:
                raise StudyError(f"config: {where}: the key '{key}' is missing (or give a local 'path')")
        return
    where, path = f"config: {where}.path", Path(entry["path"])
    found = _kind_of(where, path)
    if found != needed:
        raise StudyError(f"{where}: {path} is a {found}, but has to be a {needed}")
    if not os.access(path, os.R_OK | (os.X_OK if needed == "folder" else 0)):
        raise StudyError(f"{where}: {path} may not be read. Change its permissions.")
    _check_apart(where, path, hub_keys, outputs)
    if needed == "folder":
        for file in sorted(file for file in path.iterdir() if not file.name.startswith(".")):
            _kind_of(where, file)
            if file.is_symlink():
                _check_apart(where, file, hub_keys, outputs)


def _kind_of(where: str, path: Path) -> str:
    """Returns what a path leads to: a file or a folder."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink():
            raise StudyError(f"{where}: {path} is a link that leads to nothing. Mend or remove it.") from None
        command = next((command for made, command in MADE_BY.items() if path.is_relative_to(made)), None)
        remedy = "Give the path of a file or folder that exists; '~' and '$' are not expanded."
        raise StudyError(
            f"{where}: there is no {path} (seen from {Path.cwd()}). {f'Run {command}.' if command else remedy}"
        ) from None
    except OSError as error:
        raise StudyError(f"{where}: {str(path)[:100]}: {error.strerror}. Name another one.") from None
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    raise StudyError(f"{where}: {path} is a pipe, a socket or a device. Name a file or a folder on a disk.")


def _check_apart(where: str, source: Path, hub_keys: tuple[str, ...], outputs: Outputs) -> None:
    """Checks that neither a source lies in an output nor an output in it: Snakemake deletes outputs."""
    ways = places_of(source)
    for key, (folder, places) in outputs.items():
        into = next((place for place in places if any(lies_in(way, place) for way in ways)), None)
        if into is not None:
            leads = "" if into == places[0] else f" through a link to {into}"
            given = " and ".join(f"'{name}'" for name in hub_keys)
            back = f"; or, if this workflow has downloaded it, give {given} instead of 'path', and it is used as it is"
            raise StudyError(
                f"{where}: {source} lies in {folder}{leads}, the folder of {key}, where the workflow deletes what it "
                f"is to write. Move it to another folder and name that{back if key == 'resources' else ''}."
            )
        if any(lies_in(place, ways[-1]) for place in places):
            raise StudyError(
                f"{where}: {source} holds {folder}, the folder of {key}, where the workflow writes. Move the "
                "checkpoint to a folder of its own and name that."
            )
