"""What a value of one of PEFT's keys has to be, told in one line where it is something else."""

import math
import re
from collections.abc import Iterator
from typing import Any

from codetune.study.mistakes import MOST_NAMES, NUMBER, SEARCH, find_similar, hint_at, quote
from codetune.study.peft_types import ABOVE_ZERO, BOUNDS, SHARES

Schema = dict[str, Any]
NAMES = {
    "null": ["null"],
    "boolean": ["true", "false"],
    "integer": ["an integer"],
    "number": ["a number"],
    "string": ["text"],
}
ONE_KIND = ("_pattern", "_indices")  # end the names of mappings whose values are all alike
# What YAML takes for text where another language has a constant, or in quotes: its type, and what to write.
CONSTANTS = {
    "None": ("null", "null, or leave the key out"),
    "null": ("null", "null without quotes, or leave the key out"),
    "True": ("boolean", "true"),
    "true": ("boolean", "true without quotes"),
    "False": ("boolean", "false"),
    "false": ("boolean", "false without quotes"),
}


def find_mistake(value: Any, schema: Schema) -> tuple[str, str] | None:
    """Finds what is wrong with a value.

    Args:
        value: The value.
        schema: What it has to be: the part of JSON schema that workflow/schemas/peft.json is written in.

    Returns:
        The place within the value, as `[0]` or `.scale`, and what is wrong there; None if nothing is.
    """
    kinds = _kinds_of(schema)
    types = [kind.get("type") for kind in kinds]
    meant, instead = CONSTANTS.get(value, ("", "")) if isinstance(value, str) else ("", "")
    if meant in types:
        return "", f"{quote(value)} is text in YAML; write {instead}"
    if any(_fits(value, kind) for kind in kinds):
        return None
    for kind in kinds:
        if isinstance(value, list) and kind.get("type") == "array":
            inner = [(f"[{number}]", item, kind["items"]) for number, item in enumerate(value)]
            return _first_within(inner) or ("", f"{quote(value)} does not have {kind['minItems']} items")
        if isinstance(value, dict) and kind.get("type") == "object":
            return _mistake_in_keys(value, kind)
    return "", f"{quote(value)} is not {_describe(kinds)}{_hint(value, kinds)}"


def find_out_of_bounds(value: Any, kind: str, key: str) -> tuple[str, str] | None:
    """Finds a number that lies where it makes no sense.

    Args:
        value: A number, or a list or a mapping of numbers; all else is passed over.
        kind: The type of PEFT.
        key: Its key.

    Returns:
        The place within the value, and what is wrong there; None if all its numbers make sense.
    """
    if isinstance(value, dict) and not key.endswith(ONE_KIND):
        parts = ((f".{name}", find_out_of_bounds(item, kind, name)) for name, item in value.items())
        return next(((place + found[0], found[1]) for place, found in parts if found), None)
    lowest, highest = BOUNDS.get(f"{kind}.{key}") or BOUNDS.get(key) or (-math.inf, math.inf)
    for number in numbers_in(value):
        if number < lowest:
            return "", f"{quote(number)} is below {lowest}"
        if number > highest:
            return "", f"{quote(number)} is above {highest}"
        if key.endswith(SHARES) and not 0 <= number < 1:
            return "", f"{quote(number)} is not a share of at least 0 and below 1"
        if key.endswith(ABOVE_ZERO) and key not in BOUNDS and number <= 0:
            return "", f"{quote(number)} is not above 0"
    return None


def numbers_in(value: Any) -> Iterator[float]:
    """The numbers in a value: itself, or those in a list or a mapping, at any depth."""
    if isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers_in(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def _kinds_of(schema: Schema) -> list[Schema]:
    """What a value may be, each with one type or a list of values."""
    if "anyOf" in schema:
        return list(schema["anyOf"])
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": name} for name in schema["type"]]
    return [schema]


def _fits(value: Any, kind: Schema) -> bool:
    """Whether a value is of a kind. True is no integer, and neither is 2.0; infinite numbers are none."""
    if "enum" in kind:
        return isinstance(value, str) and value in kind["enum"]
    match kind["type"]:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case "string":
            return isinstance(value, str) and re.search(kind.get("pattern", ""), value) is not None
        case "array":
            size = isinstance(value, list) and kind.get("minItems", 0) <= len(value) <= kind.get("maxItems", len(value))
            return size and all(find_mistake(item, kind["items"]) is None for item in value)
        case _:
            return isinstance(value, dict) and _mistake_in_keys(value, kind) is None


def _mistake_in_keys(value: dict[Any, Any], kind: Schema) -> tuple[str, str] | None:
    """What is wrong with a mapping: with its keys, or with the value of one."""
    known, others = kind.get("properties", {}), kind.get("additionalProperties", {})
    for key in value:
        if not isinstance(key, str):
            return "", f"the key {quote(key)} is not text; put it in quotes"
        if key not in known and others is False:
            similar = find_similar(key, list(known)) or f"; known: {', '.join(known)}"
            return "", f"{quote(key)} is unknown{similar}"
    return _first_within([(f".{key}", item, known.get(key, others)) for key, item in value.items()])


def _first_within(parts: list[tuple[str, Any, Any]]) -> tuple[str, str] | None:
    """The first mistake in some parts of a value, each given with its place and schema."""
    for place, item, schema in parts:
        if schema and (found := find_mistake(item, schema)):
            return place + found[0], found[1]
    return None


def _describe(kinds: list[Schema]) -> str:
    """Says what is allowed: `an integer or null`, `true, false or one of a, b, c`."""
    values, patterns = _listed(kinds)
    listed = values + patterns
    shown = listed[:MOST_NAMES] + ["..."] * (len(listed) > MOST_NAMES)
    parts = [name for kind in kinds if "enum" not in kind and "pattern" not in kind for name in _names_of(kind)]
    parts += [f"one of {', '.join(shown)}"] if listed else []
    return " or ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _listed(kinds: list[Schema]) -> tuple[list[str], list[str]]:
    """The values that are listed, and patterns of others."""
    values = [value for kind in kinds for value in kind.get("enum", [])]
    return values, [kind["pattern"].strip("^$") for kind in kinds if "pattern" in kind]


def _names_of(kind: Schema) -> list[str]:
    """What a kind of value is called."""
    if kind["type"] == "object":
        return ["a mapping of keys to values"]
    if kind["type"] == "array":
        items = {"string": "names", "integer": "integers", "number": "numbers"}
        return [f"a list of {items.get(kind['items'].get('type'), 'lists')}"]
    return NAMES[kind["type"]]


def _hint(value: Any, kinds: list[Schema]) -> str:
    """Says how to write a value that YAML reads as something else, or which of the listed ones is like it."""
    types = [kind.get("type") for kind in kinds]
    if isinstance(value, list) and "array" not in types:
        return SEARCH
    number = next((name for name in ("integer", "number") if name in types), None)
    if number and isinstance(value, str) and "e" in value.casefold() and NUMBER.fullmatch(value):
        return f"; YAML takes {value} for text, write {float(value)!r}"
    if types == ["integer"] and isinstance(value, float) and value.is_integer():
        return f"; write {int(value)}"
    listed, _ = _listed(kinds)
    for name in (number, "array" if "array" in types else None, "string" if listed or "string" in types else None):
        if name and (found := hint_at(value, name)):
            return found
    return find_similar(value, listed)
