"""Checks of the files and folders that a config names."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError


def check_folders(results: str, resources: str) -> None:
    """Results and resources are, or can become, two folders.

    Raises:
        StudyError: They are files, or the same folder.
    """
    for key, folder in (("results", results), ("resources", resources)):
        for path in (Path(folder), *Path(folder).parents):
            if path.exists() and not path.is_dir():
                raise StudyError(f"config: {key}: {path} is a file, but has to be a folder")
    if Path(results).resolve() == Path(resources).resolve():
        raise StudyError(
            f"config: results and resources are the same folder, {results}; what is deleted to compute anew would "
            "have to be downloaded again"
        )


def check_sources(config: dict[str, Any]) -> None:
    """Data sets and models come from a readable path or a pinned revision, and shares sum to 1.

    Raises:
        StudyError: One does not; the message says which.
    """
    for name, dataset in config["datasets"].items():
        _check_source(f"datasets.{name}", dataset, ("repo", "revision", "file"), Path.is_file)
        shares = [dataset["split"][part] for part in ("train", "validation", "test")]
        if not math.isclose(sum(shares), 1.0, abs_tol=1e-9):
            raise StudyError(
                f"config: datasets.{name}.split: train + validation + test is {sum(shares):g}, but has to be 1"
            )
    for name, model in config["models"].items():
        _check_source(f"models.{name}", model, ("repo", "revision"), Path.is_dir)


def _check_source(
    where: str, entry: dict[str, Any], hub_keys: tuple[str, ...], is_kind: Callable[[Path], bool]
) -> None:
    """An entry names a local path, which must be there and readable, or all that a pinned download needs."""
    if "path" in entry:
        path = Path(entry["path"])
        if not path.exists():
            raise StudyError(f"config: {where}.path: there is no {path} (seen from {Path.cwd()})")
        if not is_kind(path):
            found, needed = ("folder", "file") if path.is_dir() else ("file", "folder")
            raise StudyError(f"config: {where}.path: {path} is a {found}, but has to be a {needed}")
        if not os.access(path, os.R_OK):
            raise StudyError(f"config: {where}.path: {path} may not be read (see its permissions)")
        return
    for key in hub_keys:
        if key not in entry:
            raise StudyError(f"config: {where}: the key '{key}' is missing (or give a local 'path')")


def check_old_results(results: str) -> None:
    """Nothing of an earlier layout lies in the folder of results: its tables would be written over.

    Raises:
        StudyError: There are runs as releases before 0.2 laid them.
    """
    old = next(Path(results).glob("runs/*/*/*/seed*/predictions.jsonl"), None)
    if old is not None:
        raise StudyError(
            f"{results} holds a study as releases before 0.2 laid it out ({old}). Nothing of it is used or deleted: "
            f"move it away (mv {results} {results}-0.1), or let 'results' in the config name another folder"
        )
