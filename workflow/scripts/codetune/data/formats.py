"""The formats of data files: which one a file has, and what is said of one that nothing here reads."""

import gzip
import zlib
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.data.csv_rows import parse_csv
from codetune.data.json_rows import parse_json
from codetune.data.parquet_rows import read_parquet

GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
FORMATS = "JSON, JSON lines, CSV (.csv, .tsv), each also with gzip, and Parquet are read"
# How files of other kinds begin, what they are, and what to do with them.
UNPACK = "Unpack it, and name the file in it."
CONVERT = f"Save its records in another format: {FORMATS}."
OTHERS = (
    (b"PK\x03\x04", "a zip archive, or a workbook", f"Unpack it or save it in another format: {FORMATS}."),
    (b"BZh", "packed with bzip2", UNPACK),
    (b"\xfd7zXZ\x00", "packed with xz", UNPACK),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"ARROW1", "an Arrow file", CONVERT),
    (b"\xff\xff\xff\xff", "an Arrow stream", CONVERT),
    (b"SQLite format 3\x00", "a database", CONVERT),
    (b"%PDF-", "a PDF", CONVERT),
    (b"\x89PNG", "an image", CONVERT),
    (b"version https://git-lfs", "the pointer that Git LFS leaves in the place of a file", "Run `git lfs pull`."),
)
PAGES = (b"<!doctype html", b"<html")  # in lower case
MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}  # byte order marks of other encodings


def read_rows(path: str | Path) -> list[Any]:
    """Reads a file's records, as whatever values they are.

    Parquet and gzip are known by their first bytes, whatever the file is called; CSV by its name (`.csv`, with commas,
    or `.tsv`, with tabs, before `.gz`, if any). All else is taken for JSON.

    Raises:
        StudyError: The file cannot be read, or is not what it has to be.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(32)
        if start.startswith(PARQUET):
            return read_parquet(path)
        content = path.read_bytes()
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None
    name = path.name.lower()
    if start.startswith(GZIP):
        content, name = _unpack(path, content), name.removesuffix(".gz")
    _refuse_others(path, content[:32], name)
    text = _decode(path, content)
    if name.endswith((".csv", ".tsv")):
        return parse_csv(path, text, "," if name.endswith(".csv") else "\t")
    return parse_json(path, text)


def _unpack(path: Path, content: bytes) -> bytes:
    """Unpacks what gzip packed."""
    try:
        found = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        reason = str(error).rstrip(".")
        raise StudyError(f"{path}: not a whole gzip file ({reason}). Get it again, or pack it anew.") from None
    if found.startswith((PARQUET, GZIP)):
        raise StudyError(f"{path}: holds a file that is packed itself, once more packed with gzip. {UNPACK}")
    return found


def _refuse_others(path: Path, start: bytes, name: str) -> None:
    """Refuses a file of another kind, by how it begins or by a name that promises what it is not."""
    for first, what, remedy in OTHERS:
        if start.startswith(first):
            raise StudyError(f"{path}: this is {what}. {remedy}")
    if start.lstrip().lower().startswith(PAGES):
        raise StudyError(f"{path}: this is a web page, not the file that it may show. Download the file itself.")
    if name.endswith(".parquet"):
        raise StudyError(f"{path}: not a Parquet file, whatever its name says. Get it again, or rename it.")
    if name.endswith(".gz"):
        raise StudyError(f"{path}: not packed with gzip, whatever its name says. Get it again, or rename it.")


def _decode(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")  # some editors start a file with a byte order mark
    except UnicodeDecodeError as error:
        found = f"; it looks like {MARKS[content[:2]]}" if content[:2] in MARKS else ""
        raise StudyError(f"{path}: not UTF-8 text (byte {error.start}{found}). Save it as UTF-8.") from None
