"""Checks of the files and folders that the config names."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError

OLD_RESULTS = ("runs/*/*/*/seed*/adapter", "runs/*/*/*/seed*/predictions.jsonl")  # of releases before 0.2


def check_folders(results: str, resources: str) -> None:
    """Checks that results and resources are, or can become, two different folders.

    Args:
        results: The config's `results`.
        resources: The config's `resources`.

    Raises:
        StudyError: A file is in the way, or both are the same folder.
    """
    for key, folder in (("results", results), ("resources", resources)):
        for path in (Path(folder), *Path(folder).parents):
            if path.exists() and not path.is_dir():
                raise StudyError(f"config: {key}: {path} is a file, but has to be a folder")
    if Path(results).resolve() == Path(resources).resolve():
        raise StudyError(
            f"config: results and resources are the same folder, {results}: deleting results would delete downloads, "
            "too. Name two folders."
        )


def check_sources(config: dict[str, Any]) -> None:
    """Checks that each data set and model has a readable path or a pinned revision, and that shares sum to 1.

    Args:
        config: The configuration, already checked against its schema.

    Raises:
        StudyError: A data set or a model fails the check; the message names it.
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
    """Checks that an entry has a readable local path, or all keys that a pinned download needs."""
    if "path" in entry:
        path = Path(entry["path"])
        if not path.exists():
            raise StudyError(
                f"config: {where}.path: there is no {path} (seen from {Path.cwd()}). Give the path of a file or folder "
                "that exists."
            )
        if not is_kind(path):
            found, needed = ("folder", "file") if path.is_dir() else ("file", "folder")
            raise StudyError(f"config: {where}.path: {path} is a {found}, but has to be a {needed}")
        if not os.access(path, os.R_OK):
            raise StudyError(f"config: {where}.path: {path} may not be read. Change its permissions.")
        return
    for key in hub_keys:
        if key not in entry:
            raise StudyError(f"config: {where}: the key '{key}' is missing (or give a local 'path')")


def check_old_results(results: str) -> None:
    """Checks that the folder of results holds no study in an earlier layout, whose tables would be overwritten.

    Args:
        results: The config's `results`.

    Raises:
        StudyError: There are runs in the layout of releases before 0.2.
    """
    found = (path for pattern in OLD_RESULTS for path in Path(results).glob(pattern))
    old = next(found, None)
    if old is not None:
        raise StudyError(
            f"{results} holds a study in the layout of releases before 0.2 ({old}), which this release does not read. "
            f"Move it away (mv {results} {results}-0.1), or let 'results' in the config name another folder."
        )
