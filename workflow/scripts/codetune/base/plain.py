"""Conversion between dataclasses and the plain values of JSON and YAML: dictionaries, lists, text and numbers."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from codetune.base.errors import StudyError
from codetune.base.files import MADE_AGAIN, numbered_lines, parse_line, read_json, reading, reason_in_short

T = TypeVar("T")


def from_plain(value: Any, kind: type[T], origin: str, remedy: str = MADE_AGAIN) -> T:
    """Builds a dataclass, and the dataclasses in its fields, from plain values.

    Args:
        value: The plain value.
        kind: The dataclass.
        origin: Where the value comes from, for the message: a file, or a place in the config.
        remedy: What to do if it is not of this kind.

    Raises:
        StudyError: A field is missing or has the wrong type.
    """
    import msgspec  # the environments of jobs have it, but a dry run may lack it

    try:
        return msgspec.convert(value, kind)
    except (ValueError, RecursionError, OverflowError) as error:  # msgspec's own errors are ValueErrors, too
        raise StudyError(f"{origin}: {reason_in_short(error)}. {remedy}") from None


def read_as(path: str | Path, kind: type[T], remedy: str = MADE_AGAIN) -> T:
    """Reads a JSON file that holds a dataclass; fields that the dataclass does not have are ignored.

    Args:
        path: The file.
        kind: The dataclass.
        remedy: What to do if the file is damaged.

    Raises:
        StudyError: The file does not hold JSON, or a field is missing or has the wrong type.
    """
    return from_plain(read_json(path, remedy), kind, str(path), remedy)


def read_lines_as(path: str | Path, kind: type[T]) -> list[T]:
    """Reads JSON lines that each hold a dataclass, as `read_as` does.

    Raises:
        StudyError: A line does not hold JSON, or a field of it is missing or has the wrong type.
    """
    return list(iterate_lines_as(path, kind))


def iterate_lines_as(path: str | Path, kind: type[T]) -> Iterator[T]:
    """Reads the same lines, one after the other.

    Raises:
        StudyError: As `read_lines_as`, at the line.
    """
    import msgspec  # as above

    decode = msgspec.json.Decoder(kind).decode
    for number, line in numbered_lines(path):
        try:
            yield decode(line)
        except (ValueError, RecursionError, OverflowError):
            yield from_plain(parse_line(line, path, number), kind, f"{path}: line {number}")


def read_number(path: str | Path, *keys: str) -> int:
    """Reads one whole number of a JSON file.

    Args:
        path: The file.
        keys: Where in the file, from the outermost object to the number.

    Raises:
        StudyError: There is no such number.
    """
    found = read_json(path)
    with reading(path):
        for key in keys:
            found = found[key]
        if type(found) is not int or not 0 <= found < 1 << 53:
            raise ValueError(f"{'.'.join(keys)} is no count")
    return found


def to_plain(value: Any) -> dict[str, Any]:
    """Turns a dataclass into dictionaries and lists, for JSON and for the params of a rule."""
    plain: dict[str, Any] = asdict(value)
    return plain


def declared(noun: Any) -> dict[str, Any]:
    """Returns a noun without the fields that are not set.

    In the params of a rule, what the config does not declare reruns no job. In a file, what does not apply is left out.

    Args:
        noun: A dataclass, or what `to_plain` made of one.
    """
    plain = noun if isinstance(noun, dict) else to_plain(noun)
    return {key: _declared(value) for key, value in plain.items() if value is not None}


def _declared(value: Any) -> Any:
    """The same of what a field holds."""
    if isinstance(value, list):
        return [_declared(one) for one in value]
    return declared(value) if isinstance(value, dict) else value
