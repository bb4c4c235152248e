"""The records of several runs, in one file: what tables and figures are made from."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from codetune.base.files import iterate_jsonl, write_jsonl
from codetune.study import layout
from codetune.study.record import Record, as_record, read_record, to_document
from codetune.study.runs import System


def gather_records(paths: Iterable[str | Path], target: str) -> None:
    """Puts the records of several runs into one file, a line each.

    Args:
        paths: The records, in the order of the lines.
        target: The file to write, in the folder of results that the records lie in.

    Raises:
        StudyError: A file is not a record, as `read_record` says.
    """
    write_jsonl(target, [to_document(read_record(path)) for path in paths])


def read_records(paths: Iterable[str | Path]) -> list[Record]:
    """Reads the records of several runs, in the order of the paths.

    Args:
        paths: Files that hold the record of a run each, or such records line by line (`gather_records`).

    Raises:
        StudyError: A file does not hold what `read_record` reads.
    """
    return [record for path in map(Path, paths) for record in _records_in(path)]


def _records_in(path: Path) -> Iterator[Record]:
    if path.suffix == ".json":
        yield read_record(path)
        return
    for number, document in enumerate(iterate_jsonl(path), start=1):
        record = as_record(document, f"{path}, line {number}")
        folder = (path.parent / layout.fill(layout.RECORD, record.run)).parent
        yield replace(record, folder=str(folder))


def by_system(records: Iterable[Record]) -> dict[System, list[Record]]:
    """Groups records by system; each group has one record per seed, in the given order."""
    found: dict[System, list[Record]] = {}
    for record in records:
        found.setdefault(record.run.system, []).append(record)
    return found
