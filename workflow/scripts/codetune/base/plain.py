"""From the plain values of JSON and YAML to dataclasses and back."""

from dataclasses import asdict
from typing import Any, TypeVar

from codetune.base.errors import StudyError

T = TypeVar("T")


def from_plain(value: Any, kind: type[T], origin: str) -> T:
    """Builds a dataclass, with all dataclasses in it, from dictionaries and lists.

    Args:
        value: Dictionaries, lists, text, numbers.
        kind: The dataclass.
        origin: Where the value comes from, for the message.

    Raises:
        StudyError: A field is missing or has another type.
    """
    import msgspec  # which the environments of jobs have, not every environment that plans them

    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise StudyError(f"{origin}: {error}. Delete it and run again.") from None


def to_plain(value: Any) -> dict[str, Any]:
    """A dataclass as dictionaries and lists, for JSON and for the params of a rule."""
    plain: dict[str, Any] = asdict(value)
    return plain
