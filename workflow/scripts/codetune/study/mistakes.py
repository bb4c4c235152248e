"""Mistakes in a config, explained in one line."""

import difflib
import json
import re
from datetime import date
from decimal import Decimal
from typing import Any

from codetune.base.errors import StudyError

NUMBER = re.compile(r"[+-]?[0-9]*\.?[0-9]+([eE][+-]?[0-9]{1,2})?")


def explain_mistake(error: Any) -> str:
    """Says what is wrong with one value, and what is allowed instead.

    Args:
        error: A `ValidationError` of jsonschema.
    """
    found = json.dumps(error.instance, ensure_ascii=False, default=str)
    found = found if len(found) <= 60 else found[:57] + "..."
    match error.validator:
        case "enum":
            return f"{found} is not one of {', '.join(error.validator_value)}"
        case "type":
            return f"{found} is not of type {error.validator_value}{_hint(error.instance, error.validator_value)}"
        case "pattern":
            return f"{found} is not {error.schema['description']}"
        case "minimum":
            return f"{found} is below {error.validator_value}"
        case "maximum":
            return f"{found} is above {error.validator_value}"
        case "exclusiveMinimum":
            return f"{found} is not above {error.validator_value}"
        case "exclusiveMaximum":
            return f"{found} is not below {error.validator_value}"
        case "minItems" | "minLength" | "minProperties":
            return f"{found} is empty"
        case "uniqueItems":
            return f"{found} lists the same entry twice"
        case _:
            return str(error.message)


def _hint(value: Any, needed: str) -> str:
    """Says how to write a value that YAML reads as another type: 2e-4 (without a point) as text, 1234 as a number."""
    if needed in ("number", "integer") and isinstance(value, str) and NUMBER.fullmatch(value):
        return f"; write {Decimal(value):f} without quotes"
    if needed == "string" and isinstance(value, bool | int | float | date):
        return "; put it in quotes"
    return ""


def unknown_name(where: str, name: str, allowed: Any) -> StudyError:
    """Makes the error for an unknown name, with the most similar known one, or else with all known names.

    Args:
        where: Place of the name in the config, with dots.
        name: The name.
        allowed: The known names.
    """
    close = difflib.get_close_matches(str(name), [str(known) for known in allowed], n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(allowed)}"
    return StudyError(f"config: {where + ': ' if where else ''}'{name}' is unknown; {hint}")


def dotted_path(path: Any) -> str:
    """Writes a place in the config with dots and brackets, as in `runs[0].models`.

    Args:
        path: Keys and indices, from the top level down.
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
