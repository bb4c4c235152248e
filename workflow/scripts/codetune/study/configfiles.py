"""The files of a configuration: what Snakemake would take from them without a word."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from codetune.base.errors import StudyError
from codetune.study.mistakes import shorten
from codetune.study.schema import check_size

LARGEST = 1_000_000  # bytes
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
OTHER_BASE = re.compile(r"[-+]?(0[0-9_]+$|[0-9_]+:)")  # 010 is 8, and 1:30 is 90
MERGE = "tag:yaml.org,2002:merge"  # `<<`, which may stand several times


def check_config_files(paths: Iterable[str | Path]) -> None:
    """Checks that no file gives a key twice, of which Snakemake would take the last, and that files are readable.

    Args:
        paths: Files in YAML or JSON. What is not a file, such as a pipe, can be read only once and is left out.

    Raises:
        StudyError: A file has such a key, or is not YAML or JSON; the message names the file and lines.
    """
    for path in map(Path, paths):
        if path.is_file():
            _check_file(path)


def _check_file(path: Path) -> None:
    try:
        if path.stat().st_size > LARGEST:
            raise StudyError(f"{path}: more than {LARGEST:,} bytes are no config. Name the right file.")
        loader = yaml.SafeLoader(_as_yaml(path.read_text(encoding="utf-8")))
        root = loader.get_single_node()
        if root is not None:
            for node in _nodes_of(root):
                _check_node(path, loader, node)
            check_size(loader.construct_document(root))
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OSError) as error:
        raise StudyError(f"{path}: {_reason_of(error)}") from None


def _as_yaml(text: str) -> str:
    """Returns JSON as YAML, which allows no tabs between values, and YAML as it is."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text.replace("\t", " ")  # in JSON, a tab within a text is written as \t


def _reason_of(error: Exception) -> str:
    """Says in one line what is wrong with a file, and in which line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {shorten(str(error.problem))}. Correct the YAML there."
    if isinstance(error, RecursionError):
        return "too many levels of values in values. Remove some."
    return f"{shorten(str(error))}. Correct the file."


def _nodes_of(root: yaml.Node) -> Iterator[yaml.Node]:
    """Yields each node once, however many aliases it has."""
    left, seen = [root], set[int]()
    while left:
        node = left.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            if isinstance(node, yaml.SequenceNode):
                left += node.value
            elif isinstance(node, yaml.MappingNode):
                left += [part for pair in node.value for part in pair]


def _check_node(path: Path, loader: yaml.SafeLoader, node: yaml.Node) -> None:
    """Checks that a mapping has each key once, and that a number is what it looks like."""
    if isinstance(node, yaml.MappingNode):
        lines: dict[Any, int] = {}
        for key, _ in node.value:
            if key.tag == MERGE or not isinstance(key, yaml.ScalarNode):
                continue
            name, line = loader.construct_object(key), key.start_mark.line + 1
            if name in lines:
                raise StudyError(
                    f"{path}: the key '{shorten(key.value)}' stands twice in one place, in lines {lines[name]} and "
                    f"{line}, and the first would be lost. Remove one, or join what they hold."
                )
            lines[name] = line
    elif node.tag in NUMBERS and OTHER_BASE.match(node.value):
        number = loader.construct_object(node)
        raise StudyError(
            f"{path}: line {node.start_mark.line + 1}: YAML reads {shorten(node.value)} as {shorten(str(number))}. "
            "Write the number in base ten, or put text in quotes."
        )
