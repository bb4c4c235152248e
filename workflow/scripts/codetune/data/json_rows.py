"""Records in JSON: an array, or one value per line."""

import json
from typing import Any

from codetune.base.errors import StudyError


def parse_json(path: object, text: str) -> list[Any]:
    """Parses a JSON array, or one JSON value per line.

    Args:
        path: The file, for messages.
        text: Its content.

    Returns:
        The values. A field that an object names twice holds a tuple of both, which no JSON does.

    Raises:
        StudyError: It is not such JSON.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
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
