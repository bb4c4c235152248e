"""Mistakes in a config, explained in one line."""

import difflib
import json
import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from codetune.base.errors import StudyError

NUMBER = re.compile(r"[+-]?[0-9]*\.?[0-9]+([eE][+-]?[0-9]{1,2})?")
MOST_NAMES = 20  # that a message lists
LONGEST_NUMBER = 15  # characters; what is longer is out of bounds
LONGEST = 60  # characters of a value that a message quotes
SETTINGS = {"training", "epochs", "batch_size", "micro_batch", "gradient_checkpointing"}  # where they stand
SEARCH = "; a list of values to search may stand only under a method's training"
QUOTED = json.JSONEncoder(ensure_ascii=False, default=str)


def explain_mistake(error: Any) -> str:
    """Says what is wrong with one value, and what is allowed instead.

    Args:
        error: A `ValidationError` of jsonschema.
    """
    text = _explain(error)
    if isinstance(error.instance, list) and error.validator in ("type", "enum"):
        path = list(error.absolute_path)
        is_search = path[:1] == ["methods"] and "training" in path  # where a list may stand, but not this one
        return text if is_search or SETTINGS.isdisjoint(path) else text + SEARCH
    return text


def _explain(error: Any) -> str:
    found = quote(error.instance)
    about = error.schema.get("description", "")
    why = f" ({about})" if about else ""
    match error.validator:
        case "type" | "pattern" if isinstance(error.schema.get("type"), list):
            return f"{found} is not {about}{hint_at(error.instance, error.schema['type'][0])}"
        case "enum":
            allowed = error.validator_value
            return f"{found} is not one of {', '.join(allowed)}{find_similar(error.instance, allowed)}"
        case "type":
            return f"{found} is not of type {error.validator_value}{hint_at(error.instance, error.validator_value)}"
        case "const":
            return f"{found} is not {quote(error.validator_value)}; write that, or leave the key out"
        case "pattern":
            return f"{found} is not {about}"
        case "minimum":
            return f"{found} is below {error.validator_value}{why}"
        case "maximum":
            return f"{found} is above {error.validator_value}{why}"
        case "exclusiveMinimum":
            return f"{found} is not above {error.validator_value}{why}"
        case "exclusiveMaximum":
            return f"{found} is not below {error.validator_value}{why}"
        case "maxLength":
            return f"{found} is longer than {error.validator_value} characters"
        case "minItems" | "minLength" | "minProperties":
            return f"{found} is empty"
        case "uniqueItems":
            return f"{found} lists the same entry twice"
        case _:
            return f"{found} is not allowed by the schema ({error.validator})"


def quote(value: Any) -> str:
    """Writes a value as JSON in one short line, whatever it is and however large it is."""
    text = ""
    try:
        for piece in QUOTED.iterencode(value):  # piece by piece: an alias of YAML can stand for a value without end
            text += piece
            if len(text) > LONGEST:
                break
    except (ValueError, TypeError, RecursionError):
        return f"a value of type {type(value).__name__} that cannot be shown"
    return shorten(text)


def shorten(text: str) -> str:
    """Shortens text to what a message quotes, with all characters that are not printed escaped."""
    text = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text[: LONGEST + 1])
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def find_similar(value: Any, allowed: Sequence[str]) -> str:
    """Names the allowed value that is most similar to the one found, if any is, as the end of a message."""
    close = _closest(shorten(value), allowed) if isinstance(value, str) else None
    return f"; did you mean {quote(close)}?" if close else ""


def _closest(shown: str, allowed: Sequence[str]) -> str | None:
    """The allowed name that is most similar to the one found, in capitals or not; None if none is similar."""
    folded = {name.casefold(): name for name in reversed(allowed)}
    close = difflib.get_close_matches(shown.casefold(), folded, n=1)
    return folded[close[0]] if close else None


def hint_at(value: Any, needed: str) -> str:
    """Says how to write a value that YAML reads as another type: 2e-4 as text, 1234 as a number, one name as text."""
    if needed in ("number", "integer") and isinstance(value, str) and NUMBER.fullmatch(value):
        plain = f"{Decimal(value):f}"
        return f"; write {plain} without quotes" if len(plain) <= LONGEST_NUMBER else ""
    if needed == "array" and isinstance(value, str | int | float) and len(text := str(value)) <= LONGEST:
        return f"; write a list: [{shorten(text)}]"
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
    shown, known = shorten(str(name)), [str(one) for one in allowed]
    close = _closest(shown, known)
    hint = f"did you mean '{close}'?" if close else f"known: {', '.join(known[:MOST_NAMES])}"
    more = ", ..." if len(known) > MOST_NAMES and not close else ""
    return StudyError(f"config: {where + ': ' if where else ''}'{shown}' is unknown; {hint}{more}")


def dotted_path(path: Any) -> str:
    """Writes a place in the config with dots and brackets, as in `runs[0].models`.

    Args:
        path: Keys and indices, from the top level down.
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{shorten(str(part))}" if text else shorten(str(part))
    return text
