"""What a paper declares, as its file in config/papers has it."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from codetune.base.errors import StudyError
from codetune.base.files import Row
from codetune.base.project import PROJECT
from codetune.study.configfiles import check_config_files
from codetune.study.declared_tables import MAIN, Column, DeclaredTable, Value
from codetune.study.mistakes import find_similar, quote, unknown_name
from codetune.study.runs import NONE

NUMBER = re.compile(r"(-?\d+)(?:\.(\d+))?([KMB]?)(?: %)?")  # as papers print them: 0.54, 11.3M, 54 %
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")  # of a table, which stands in the names of files
KEYS, NEEDED = ("title", "tests", "data", "columns", "missing", "rows"), ("title", "columns", "rows")
PAPER_FILE = "config/papers/{paper}.yaml"  # within the project: what a paper declares


class Printed(float):
    """A number that remembers how it is printed, zeros at its end included: `str` gives that."""

    text: str

    def __new__(cls, text: str) -> "Printed":
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text


class _Loader(yaml.SafeLoader):
    """Reads numbers with a point as they are printed."""


def _construct_float(loader: _Loader, node: yaml.ScalarNode) -> float:
    return Printed(node.value) if NUMBER.fullmatch(node.value) else loader.construct_yaml_float(node)


_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def file_of(paper: str) -> str:
    """Returns the path of a paper's file within the project."""
    return PAPER_FILE.format(paper=paper)


def load_tables(paper: str) -> dict[str, DeclaredTable]:
    """Returns the tables of the paper that a config names.

    Args:
        paper: Name of its file in config/papers.

    Raises:
        StudyError: There is no such file, or it is not as it should be.
    """
    return tables_of(_load(paper))


def has_claims(paper: str) -> bool:
    """Whether there is something to audit: of some papers no number was available.

    Args:
        paper: Name of its file in config/papers.

    Raises:
        StudyError: As `load_tables`.
    """
    return bool(_load(paper).get("claims"))


@cache
def _load(paper: str) -> Row:
    known = sorted(path.stem for path in PROJECT.glob(file_of("*")))
    if paper not in known:
        raise unknown_name("paper", paper, known)
    path = PROJECT / file_of(paper)
    check_config_files([path])
    return read_paper(path)


def declared_params(paper: str) -> dict[str, str]:
    """Returns what params say of the paper: nothing of the project's own, so that other studies stay as they are."""
    return {} if paper == MAIN else {"paper_name": paper}


def path_of_params(params: Mapping[str, Any]) -> Path:
    """Returns the path of the file of the paper that params name."""
    return PROJECT / file_of(params.get("paper_name", MAIN))


def read_paper(path: str | Path) -> Row:
    """Reads what a paper declares.

    Args:
        path: Its file, such as config/papers/slm-qlora.yaml.

    Returns:
        What the file holds; numbers with a point are `Printed`.

    Raises:
        StudyError: It is not YAML, or a table is not what `tables_of` reads; the message says where.
    """
    try:
        paper = yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)  # noqa: S506 (it is a safe loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise StudyError(f"{path}: not YAML ({reason}). Correct it.") from None
    if not isinstance(paper, dict):
        raise StudyError(f"{path}: holds no keys. Put back what the paper declares.")
    try:
        tables_of(paper)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from None
    return paper


def tables_of(paper: Row) -> dict[str, DeclaredTable]:
    """Returns the tables that a paper's file has under `tables`, by their names.

    Args:
        paper: What the file holds.

    Raises:
        StudyError: One names what the file does not know, or has a value too many, too few, or that is no number.
    """
    tables = paper.get("tables", {})
    if not isinstance(tables, dict):
        raise StudyError(f"tables: {quote(tables)} is not a mapping. Give each table a name.")
    return {str(name): _read_table(str(name), entry, paper) for name, entry in tables.items()}


def _read_table(name: str, entry: Any, paper: Row) -> DeclaredTable:
    where = f"tables.{name}"
    if not NAME.fullmatch(name):
        raise StudyError(f"{where}: '{name}' cannot be part of a file's name. Use a to z, digits and '-'.")
    _check_keys(where, entry, KEYS, NEEDED)
    tests = entry.get("tests", [NONE])
    for test in tests if isinstance(tests, list) else [tests]:
        _check_known(f"{where}.tests", test, [*paper.get("datasets", {}), NONE])
    columns = {str(key): _read_column(f"{where}.columns.{key}", one) for key, one in entry["columns"].items()}
    rows: dict[tuple[str, str], list[Value] | None] = {}
    for model, methods in entry["rows"].items():
        _check_known(f"{where}.rows", model, paper.get("models", {}))
        for method, values in methods.items():
            _check_values(f"{where}.rows.{model}.{method}", values, len(tests) * len(columns))
            rows[model, method] = values
    missing = str(entry.get("missing", ""))
    are_missing = any(values is None or None in values for values in rows.values())
    if are_missing and not missing:
        raise StudyError(f"{where}: values are null. Say why under 'missing'.")
    if missing and not are_missing:
        raise StudyError(f"{where}.missing: no value is null. Leave 'missing' out.")
    return DeclaredTable(name, str(entry["title"]), tests, columns, rows, entry.get("data"), missing)


def _read_column(where: str, entry: Any) -> Column:
    _check_keys(where, entry, ("label", "scale"), ("label",))
    return Column(**entry)


def _check_keys(where: str, entry: Any, known: Sequence[str], needed: Sequence[str]) -> None:
    if not isinstance(entry, dict):
        raise StudyError(f"{where}: {quote(entry)} is not a mapping. Write {', '.join(needed)}.")
    for key in entry:
        _check_known(where, key, known)
    for key in needed:
        if not entry.get(key):
            raise StudyError(f"{where}: the key '{key}' is missing or empty. Add it.")


def _check_known(where: str, name: Any, known: Sequence[str] | Mapping[str, Any]) -> None:
    if name not in known:
        similar = find_similar(str(name), list(known))
        raise StudyError(f"{where}: '{name}' is unknown{similar or ';'} known: {', '.join(map(str, known))}")


def _check_values(where: str, values: Any, count: int) -> None:
    if values is None:
        return
    if not isinstance(values, list) or len(values) != count:
        found = f"{len(values)} values" if isinstance(values, list) else quote(values)
        raise StudyError(f"{where}: {found}, not a list of {count}. Give one per test set and column.")
    for value in values:
        if value is not None and not NUMBER.fullmatch(str(value)):
            raise StudyError(f"{where}: {quote(value)} is no number as papers print them, such as 0.54 or 11.3M.")
