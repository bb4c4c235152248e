"""The records of a data set as published: read, checked and hashed."""

import json
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import write_text
from codetune.data.samples import FIELDS, sha256_of_records
from codetune.study.data_facts import ImportFacts
from codetune.study.dataset import Published

# How error messages name the type of a field's value.
JSON_NAMES = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    tuple: "two values",
}


def import_dataset(source: str | Path, published: Published, target: str | Path) -> ImportFacts:
    """Checks a data set against its declared number of records and hash, and writes it as JSON lines.

    The lines are ASCII, with all other characters escaped: half a surrogate pair cannot be encoded as UTF-8, but a
    record that contains one has to reach the cleaning, which counts it.

    Args:
        source: The data set's file, in a format that `read_records` reads.
        published: The data set, with the number and hash of its records where they are declared.
        target: The file to write.

    Returns:
        The facts of the import, by which later jobs know the records.

    Raises:
        StudyError: The file is not readable, or its records are not those that the config declares.
    """
    found = read_records(source)
    if published.records not in (None, len(found)):
        raise StudyError(
            f"{source}: {len(found)} records, but the config declares {published.records}. Get the pinned revision, or "
            "declare the new number if the change is meant."
        )
    digest = sha256_of_records(found)
    if published.sha256 not in (None, digest):
        raise StudyError(
            f"{source}: the records' SHA-256 is {digest}, but the config declares {published.sha256}. Get the pinned "
            "revision, or declare the new value if the change is meant."
        )
    write_text(target, "".join(json.dumps(record) + "\n" for record in found))
    print(f"{len(found)} records, SHA-256 {digest}")
    return ImportFacts(len(found), digest)


def read_records(path: str | Path) -> list[dict[str, str]]:
    """Reads records in CodeAlpaca's format: a JSON array, or one JSON object per line.

    Returns:
        The three fields of each record; all others are ignored.

    Raises:
        StudyError: The file cannot be read or is not such JSON, or a field of a record is missing or not text.
    """
    records = _parse_json(path, _read_text(path))
    if not records:
        raise StudyError(f"{path}: holds no records. Check that it is the right file.")
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise StudyError(
                f"{path}, record {number}: not a JSON object. Each record needs the fields {', '.join(FIELDS)}."
            )
        for field in FIELDS:
            if not isinstance(record.get(field), str):
                found = f"holds {JSON_NAMES[type(record[field])]}" if field in record else "is missing"
                raise StudyError(f"{path}, record {number}: the field '{field}' {found}; text is needed")
    return [{field: record[field] for field in FIELDS} for record in records]


def _read_text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")  # some editors start a file with a byte order mark
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None


def _parse_json(path: str | Path, text: str) -> list[Any]:
    """Parses a JSON array, or one JSON value per line."""
    is_array = text.lstrip().startswith("[")
    pieces = [(1, text)] if is_array else [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    values = []
    for number, piece in pieces:
        try:
            values.append(json.loads(piece, object_pairs_hook=_keep_duplicates))
        except (ValueError, RecursionError) as error:
            reason, line = str(error), number
            if isinstance(error, json.JSONDecodeError):
                reason, line = f"{error.msg} (column {error.colno})", number + error.lineno - 1
            raise StudyError(
                f"{path}, line {line}: {reason}. The file has to be a JSON array, or JSON lines: one object per line."
            ) from None
    return values[0] if is_array else values


def _keep_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Turns a field that occurs twice into a tuple of both values, so that the check of field types refuses it."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = (found[key], value) if key in found else value
    return found
