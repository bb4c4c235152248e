"""The records of a data set as published: read, checked and hashed."""

import json
from collections.abc import Sequence
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import Row, write_text
from codetune.data.formats import read_rows
from codetune.data.samples import sha256_of_records
from codetune.data.shapes import Fields, find_records
from codetune.study.data_facts import ImportFacts
from codetune.study.dataset import ONE_TURN, Published


def import_dataset(files: Sequence[str | Path], published: Published, target: str | Path) -> ImportFacts:
    """Checks a data set against its declared number of records and hash, and writes it as JSON lines.

    The lines are ASCII, with all other characters escaped: half a surrogate pair cannot be encoded as UTF-8, but a
    record that contains one has to reach the cleaning, which counts it.

    Args:
        files: The data set's files, in the order of its parts, in formats that `read_rows` reads.
        published: The data set, with the number and hash of its records where they are declared.
        target: The file to write.

    Returns:
        The facts of the import, by which later jobs know the records.

    Raises:
        StudyError: A file is not readable, or its records are not those that the config declares.
    """
    found: list[Row] = []
    parts, others = {}, 0
    for part, file in zip(published.parts or [""], files, strict=True):
        records, left_out = _read_file(file, published)
        parts[part] = len(records)
        found += records
        others += left_out
    names = ", ".join(map(str, files))
    if published.records not in (None, len(found)):
        raise StudyError(
            f"{names}: {len(found)} records, but the config declares {published.records}. Get the pinned revision, or "
            "declare the new number if the change is meant."
        )
    digest = sha256_of_records(found)
    if published.sha256 not in (None, digest):
        raise StudyError(
            f"{names}: the records' SHA-256 is {digest}, but the config declares {published.sha256}. Get the pinned "
            "revision, or declare the new value if the change is meant."
        )
    write_text(target, "".join(json.dumps(record) + "\n" for record in found))
    print(f"{len(found)} records, SHA-256 {digest}")
    if others:
        print(f"{others} more are not one request with one answer, and left out by 'keep: [{ONE_TURN}]'")
    if None in (published.records, published.sha256):
        print("To pin them, add these lines to the data set's entry in the config:")
        print(f"    records: {len(found)}\n    sha256: {digest}")
    return ImportFacts(len(found), digest, parts if published.parts else None, others or None)


def _read_file(path: str | Path, published: Published) -> tuple[list[Row], int]:
    """Reads one file's records, and how many more of it are left out."""
    rows = read_rows(path)
    if not rows:
        raise _empty(path)
    found = find_records(path, rows, published.fields, published.instruction, published.unit_tests)
    one_turn = ONE_TURN in (published.keep or [])
    if found.others and not one_turn:
        raise StudyError(
            f"{path}: {len(found.others):,} of {len(rows):,} records, the first of them record {found.others[0]}, are "
            f"conversations of something else than requests and their answers. Add `keep: [{ONE_TURN}]` to the data "
            "set's entry to leave out all but those of one request with one answer."
        )
    records = [record for record in found.records if not (one_turn and "earlier" in record)]
    if not records:
        raise StudyError(f"{path}: none of its {len(rows):,} records is one request with its answer. Use other data.")
    return records, len(rows) - len(records)


def read_records(path: str | Path, fields: Fields | None = None) -> list[Row]:
    """Reads the records of one file that end in a request with its answer.

    Args:
        path: The file, in a format that `read_rows` reads.
        fields: Where in its records a sample's fields stand; None to find that out.

    Returns:
        The three fields of each record, and the turns before where there are any; all others are ignored.

    Raises:
        StudyError: The file cannot be read or holds no records, or a field of a record is missing or not text.
    """
    rows = read_rows(path)
    if not rows:
        raise _empty(path)
    return find_records(path, rows, fields).records


def _empty(path: str | Path) -> StudyError:
    return StudyError(f"{path}: holds no records. Check that it is the right file.")
