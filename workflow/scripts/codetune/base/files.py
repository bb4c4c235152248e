"""Atomic writes, and the file formats that pass between rules: JSON and JSON lines."""

import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.progress import BYTES, doing

Row = dict[str, Any]  # one JSON object of a file of JSON lines
MADE_AGAIN = "Delete it and run again."  # what to do with a damaged file that a job of the study has made
# What libraries raise, and our own code in a block that does nothing but read, when a file is not what it should be.
MISSHAPEN = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yields a temporary name beside `path`, which is renamed to `path` on success and removed on failure.

    The block writes a file or a folder under the temporary name. Its content is flushed to disk before it replaces
    `path`. If a killed process left something under the temporary name, the next one removes it.

    Raises:
        OSError: The disk is full (also where a library reported that as an error of its own), or the folder cannot be
            written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    remove(temporary)
    try:
        yield temporary
        sync(temporary)
        if temporary.is_dir():
            remove(path)
        temporary.replace(path)
        _sync_one(path.parent)
    except Exception as error:
        explained = _explain_disk_error(error, path)
        if explained is error:
            raise
        raise explained from error
    finally:
        remove(temporary)


def _explain_disk_error(error: Exception, path: Path) -> Exception:
    """Returns an OSError that names the path if the error comes from the disk, else the error itself.

    Libraries report a full disk by errors of their own: by the system's message within theirs, or by none at all.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error if error.filename else OSError(error.errno, os.strerror(error.errno), str(path))
    for number in (errno.ENOSPC, errno.EDQUOT):
        if os.strerror(number) in str(error):
            return OSError(number, os.strerror(number), str(path))
    if shutil.disk_usage(path.parent).free < 1 << 20:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    return error


def sync(path: Path) -> None:
    """Flushes a file, or all files of a folder, to disk, so that a power cut can no longer empty them."""
    for folder, _, names in os.walk(path):
        for name in names:
            _sync_one(Path(folder) / name)
    _sync_one(path)


def _sync_one(path: Path) -> None:
    if path.is_symlink():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Removes a file, a link or a folder tree; does nothing if there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Puts a file in the place of another: as a hard link where the file system allows that, else as a copy."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@contextmanager
def reading(path: str | Path, remedy: str = MADE_AGAIN) -> Iterator[None]:
    """Turns what a damaged file, or one of another shape, causes within the block into one line.

    To be put around reading alone: around anything else it would take our own mistakes for the file's.

    Args:
        path: The file, for the message.
        remedy: What to do.

    Raises:
        StudyError: In place of each such error.
    """
    try:
        yield
    except MISSHAPEN as error:
        raise StudyError(f"{path}: not what it should be ({reason_in_short(error)}). {remedy}") from None


def reason_in_short(error: BaseException) -> str:
    """What an error says, on one short line; a missing key alone says little without the kind of error."""
    said = " ".join(str(error).split())
    kind = type(error).__name__
    text = said if said and not isinstance(error, LookupError) else f"{kind}: {said}" if said else kind
    return (text if len(text) <= 200 else f"{text[:200]}...").rstrip(".")


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8 text with Unix line endings, atomically; half a surrogate pair as JSON writes it: `\\ud800`."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def finite_or_none(value: float | None) -> float | None:
    """A number as JSON can hold it: None for NaN and infinity, which JSON has no words for."""
    return None if value is None or not math.isfinite(value) else value


def _as_json(path: str | Path, value: Any, indent: int | None = None) -> str:
    """The JSON of a value. What may be undefined is None by then: a NaN that got here is a mistake of ours.

    Raises:
        ValueError: The value holds NaN or infinity; other readers than Python's would take the file for damaged.
    """
    try:
        return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{path}: not written ({error})") from None


def write_json(path: str | Path, value: Any) -> None:
    """Writes indented JSON without NaN, atomically; keys keep their order."""
    write_text(path, _as_json(path, value, indent=2) + "\n")


def read_json(path: str | Path, remedy: str = MADE_AGAIN) -> Any:
    """Reads a JSON file.

    Args:
        path: The file.
        remedy: What to do if it is damaged.

    Raises:
        StudyError: The file does not hold JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, too many digits or brackets
        raise StudyError(f"{path}: not a JSON file ({reason_in_short(error)}). {remedy}") from None


def write_jsonl(path: str | Path, rows: Iterable[Row]) -> None:
    """Writes one JSON object without NaN per line, atomically."""
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        for row in rows:
            stream.write(_as_json(path, row) + "\n")


def iterate_jsonl(path: str | Path) -> Iterator[Row]:
    """Reads one JSON object per line, one after the other.

    Raises:
        StudyError: A line is not a JSON object.
    """
    import msgspec  # the environments of jobs have it, but a dry run may lack it

    decode = msgspec.json.Decoder().decode
    for number, line in numbered_lines(path):
        try:
            row = decode(line)  # in a third of the time of Python's own parser
        except (ValueError, RecursionError):
            row = parse_line(line, path, number)
        if not isinstance(row, dict):
            raise StudyError(f"{path}, line {number}: not a JSON object. Delete the file and run again.")
        yield row


def numbered_lines(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file, from 1."""
    with Path(path).open("rb") as stream:
        yield from enumerate(stream, start=1)


def parse_line(line: bytes, path: str | Path, number: int) -> Any:
    """Parses a line of JSON with Python's own parser: for its words, and for texts with half a surrogate pair.

    Raises:
        StudyError: It is not JSON.
    """
    try:
        return json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        reason = reason_in_short(error)
        raise StudyError(f"{path}, line {number}: not JSON ({reason}). Delete the file and run again.") from None


def read_jsonl(path: str | Path) -> list[Row]:
    """Reads one JSON object per line.

    Raises:
        StudyError: A line is not a JSON object.
    """
    return list(iterate_jsonl(path))


def append_jsonl(path: str | Path, rows: Iterable[Row]) -> None:
    """Appends rows to a file of JSON lines and flushes them to disk.

    Raises:
        OSError: The file cannot be written, because the disk is full for example.
    """
    text = "".join(_as_json(path, row) + "\n" for row in rows)
    try:
        with Path(path).open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def recover_jsonl(path: str | Path) -> list[Row]:
    """Reads the rows that `append_jsonl` wrote up to the first incomplete one, and truncates the file there."""
    path = Path(path)
    rows: list[Row] = []
    if not path.exists():
        return rows
    whole = 0
    with path.open("rb") as stream:
        for line in stream:
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                break
            if not (line.endswith(b"\n") and isinstance(row, dict)):
                break
            rows.append(row)
            whole += len(line)
    os.truncate(path, whole)
    return rows


def sha256_of_file(path: str | Path) -> str:
    """Returns the SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    digest, chunk = hashlib.sha256(), bytearray(1 << 20)
    with Path(path).open("rb") as stream, doing(f"hashing {path}", BYTES, os.fstat(stream.fileno()).st_size) as part:
        while size := stream.readinto(chunk):
            digest.update(memoryview(chunk)[:size])
            part.add(size)
    return digest.hexdigest()


def sha256_of_json(value: Any) -> str:
    """Returns the SHA-256 of a value's canonical JSON: sorted keys, no spaces, UTF-8."""
    return hashlib.sha256(_canonical(value)).hexdigest()


def sha256_of_list(values: Iterable[Any]) -> str:
    """Returns what `sha256_of_json` returns of a list of these values, which need not be in memory together."""
    digest = hashlib.sha256(b"[")
    for number, value in enumerate(values):
        digest.update((b"," if number else b"") + _canonical(value))
    digest.update(b"]")
    return digest.hexdigest()


CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _canonical(value: Any) -> bytes:
    return CANONICAL.encode(value).encode("utf-8", "surrogatepass")
