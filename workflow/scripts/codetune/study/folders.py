"""Checks of the folders that the workflow writes to: they hold nothing else, and nothing else holds them."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.places import LONGEST_NAME, end_of, lies_in, linked_folders, places_of
from codetune.base.project import PROJECT
from codetune.study import layout

OLD_RESULTS = ("runs/*/*/*/seed*/adapter", "runs/*/*/*/seed*/predictions.jsonl")  # of releases before 0.2
OWN = ("workflow", "config", "profiles", "envs")  # a project's own folders
OWN_HERE = (*OWN, "docs", "demo", "benchmarks", "tests")  # and those of this project
LONGEST_FOLDER = 2000  # bytes of results or resources; paths within them take up to 600, and Linux allows 4,095
OTHER = "Name a folder that holds nothing but what the workflow writes."
Outputs = Mapping[str, tuple[str, list[Path]]]  # by its key: an output folder, and all places that files in it go to


def find_outputs(config: Mapping[str, Any]) -> Outputs:
    """Finds where the workflow writes, and checks that this is apart from all that the user's project consists of.

    Args:
        config: The configuration, already checked against its schema.

    Returns:
        Results and resources, and where links to folders in them lead.

    Raises:
        StudyError: What the config names cannot be a folder, or holds or lies in something else; or Snakemake cannot
            work where the project lies.
    """
    if set("{}") & set(str(PROJECT)):  # it formats the paths of environments and scripts
        raise StudyError(f"the project lies in {PROJECT}: Snakemake takes braces for wildcards. Rename the folder.")
    found = {}
    for key, names, deepest in (
        ("results", layout.IN_RESULTS, layout.TUNED),
        ("resources", layout.IN_RESOURCES, layout.CHECKPOINT),
    ):
        folder = config[key]
        _check_folder(key, folder)
        end = end_of(folder)
        if any(map(_is_hidden, places_of(folder))):
            raise StudyError(f"config: {key}: {folder} lies in a hidden folder of the project. {OTHER}")
        _check_place(f"config: {key}: {folder}", end)
        linked = list(linked_folders((end / name for name in names), deepest.count("/")))
        for place in linked:
            _check_place(f"config: {key}: {folder} (a link in it leads to {place})", place)
        found[key] = (folder, [end, *linked])
    _check_each_other(found)
    return found


def _check_folder(key: str, folder: str) -> None:
    """Checks that the config names something that is a folder or can become one."""
    if folder.startswith(("~", "$")):
        raise StudyError(f"config: {key}: '~' and '$' are not expanded in {folder}. Write the path out.")
    parts = [part.encode() for part in Path(folder).absolute().parts]
    if sum(map(len, parts)) > LONGEST_FOLDER or max(map(len, parts)) > LONGEST_NAME:
        raise StudyError(f"config: {key}: the path {folder[:57]}... is too long. Name a folder with a shorter path.")
    try:
        end_of(folder)
        for path in (Path(folder), *Path(folder).parents):
            if os.path.lexists(path) and not path.is_dir():
                found = "a link to nothing, not a folder" if path.is_symlink() else "not a folder"
                raise StudyError(f"config: {key}: {path} is {found}, but has to be one. Name another.")
    except OSError as error:
        raise StudyError(f"config: {key}: {folder}: {error.strerror}. Name another folder.") from None


def _check_place(where: str, place: Path) -> None:
    """Checks that a folder neither holds what is the user's nor lies in a folder of the project's own."""
    for what, kept in _kept_folders():
        if lies_in(kept, place):
            raise StudyError(f"{where} holds {what}, {kept}. {OTHER}")
    for what, own in _own_folders():
        if lies_in(place, own):
            raise StudyError(f"{where} lies in {what}, {own}. {OTHER}")


def _check_each_other(outputs: Outputs) -> None:
    """Checks that results and resources lie side by side, and that a crate replaces only what the workflow made."""
    (results, (one, *_)), (resources, (other, *_)) = outputs["results"], outputs["resources"]
    if lies_in(one, other) and lies_in(other, one):
        raise StudyError(
            f"config: results and resources are the same folder, {results}: deleting results would delete downloads, "
            "too. Name two folders."
        )
    if lies_in(one, other) or lies_in(other, one):
        raise StudyError(
            f"config: one of results ({results}) and resources ({resources}) lies in the other: deleting that one "
            "would delete both. Name two folders that lie side by side."
        )
    copy = Path(results) / layout.CRATE_CONFIG
    if not copy.exists() and copy.parent.is_dir() and any(copy.parent.iterdir()):
        raise StudyError(
            f"config: results: {copy.parent} is not made by the workflow, but 'snakemake rocrate' would replace it. "
            f"{OTHER}"
        )


def _kept_folders() -> Iterator[tuple[str, Path]]:
    """Folders that no output may hold."""
    yield "this project", end_of(PROJECT)
    yield "Snakemake's working folder", end_of(Path.cwd())
    with suppress(RuntimeError, OSError):  # there is none
        yield "your home folder", end_of(Path.home())
    yield "Python", end_of(sys.prefix)
    for what, own in _own_folders():
        if own.exists():
            yield what, own


def _own_folders() -> Iterator[tuple[str, Path]]:
    """Folders that no output may lie in: those of this project, and those of a project that uses it."""
    for root, names in ((PROJECT, OWN_HERE), (Path.cwd(), OWN)):
        for name in names:
            yield "a folder of the project's own", end_of(root / name)


def _is_hidden(place: Path) -> bool:
    """Whether a place lies in a hidden folder of a project, as .git, .snakemake and .venv are."""
    roots = [end_of(root) for root in (PROJECT, Path.cwd())]
    below = [place.relative_to(root).parts[:1] for root in roots if place.is_relative_to(root)]
    return any(name.startswith(".") for parts in below for name in parts)


def check_given_files(results: str, paths: Iterable[str | Path]) -> None:
    """Checks that no file that Snakemake was started with lies in the copy of the workflow that belongs to a crate.

    Args:
        results: The config's `results`.
        paths: Snakefile and config files.

    Raises:
        StudyError: One lies there.
    """
    copy = end_of(Path(results) / layout.CRATE_CONFIG).parent
    for path in paths:
        if lies_in(end_of(path), copy):
            raise StudyError(f"{path} lies in {copy}, which 'snakemake rocrate' replaces. Copy it elsewhere first.")


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
