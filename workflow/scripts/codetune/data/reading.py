"""Records of a data set as published: read, checked and hashed."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import sha256_of_json, write_text
from codetune.study.dataset import Dataset

FIELDS = ("instruction", "input", "output")


JSON_NAMES = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    tuple: "two values",
}


def read_records(path: str | Path) -> list[dict[str, str]]:
    """Reads records in CodeAlpaca's format: a JSON array, or one JSON object a line.

    Raises:
        StudyError: The file is not such JSON, or a record lacks a field or holds something other than text.
    """
    records = _parse(path, _read_text(path))
    if not records:
        raise StudyError(f"{path}: holds no records")
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise StudyError(f"{path}, record {number}: not a JSON object")
        for field in FIELDS:
            if not isinstance(record.get(field), str):
                found = f"holds {JSON_NAMES[type(record[field])]}" if field in record else "is missing"
                raise StudyError(f"{path}, record {number}: the field '{field}' {found}; text is needed")
    return [{field: record[field] for field in FIELDS} for record in records]


def _read_text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")  # some editors begin a file with a byte order mark
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None


def _parse(path: str | Path, text: str) -> list[Any]:
    is_array = text.lstrip().startswith("[")
    pieces = [(1, text)] if is_array else [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    values = []
    for number, piece in pieces:
        try:
            values.append(json.loads(piece, object_pairs_hook=_with_duplicates))
        except (ValueError, RecursionError) as error:
            reason, line = str(error), number
            if isinstance(error, json.JSONDecodeError):
                reason, line = f"{error.msg} (column {error.colno})", number + error.lineno - 1
            raise StudyError(
                f"{path}, line {line}: {reason}. The file has to be a JSON array, or JSON lines with one object a line."
            ) from None
    return values[0] if is_array else values


def _with_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A field that an object names twice holds a tuple, which no JSON does: which of the values is meant is unknown."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = (found[key], value) if key in found else value
    return found


def sha256_of_records(records: Iterable[dict[str, str]]) -> str:
    """SHA-256 over the canonical records: what they say and their order, however the file is laid out."""
    return sha256_of_json([[record[field] for field in FIELDS] for record in records])


def import_dataset(source: str | Path, dataset: Dataset, target: str | Path) -> None:
    """Checks a data set against its declared size and content and writes it as JSON lines.

    The lines are ASCII, all else is escaped: a record with half a surrogate pair has no UTF-8, but has to come as far
    as the cleaning, which counts it.

    Args:
        source: A file that `read_records` reads.
        dataset: The data set, with the number and the hash of its records where they are declared.
        target: Where to write.

    Raises:
        StudyError: The content differs from what is declared.
    """
    found = read_records(source)
    if dataset.records not in (None, len(found)):
        raise StudyError(f"{source}: {len(found)} records, but the config declares {dataset.records}")
    digest = sha256_of_records(found)
    if dataset.sha256 not in (None, digest):
        raise StudyError(
            f"{source}: the records' SHA-256 is {digest}, but the config declares {dataset.sha256}. Get the pinned "
            "revision, or declare the new value if the change is meant."
        )
    write_text(target, "".join(json.dumps(record) + "\n" for record in found))
    print(f"{len(found)} records, SHA-256 {digest}")
