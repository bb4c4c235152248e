"""Conversion between dataclasses and the plain values of JSON and YAML: dictionaries, lists, text and numbers."""

from dataclasses import asdict
from typing import Any, TypeVar

from codetune.base.errors import StudyError

T = TypeVar("T")


def from_plain(value: Any, kind: type[T], origin: str) -> T:
    """Builds a dataclass, and the dataclasses in its fields, from plain values.

    Args:
        value: The plain value.
        kind: The dataclass.
        origin: Where the value comes from, for the message: a file, or a place in the config.

    Raises:
        StudyError: A field is missing or has the wrong type.
    """
    import msgspec  # the environments of jobs have it, but a dry run may lack it

    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise StudyError(f"{origin}: {error}. Delete it and run again.") from None


def to_plain(value: Any) -> dict[str, Any]:
    """Turns a dataclass into dictionaries and lists, for JSON and for the params of a rule."""
    plain: dict[str, Any] = asdict(value)
    return plain
