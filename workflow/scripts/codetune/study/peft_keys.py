"""The check of a method's `peft` at the start: PEFT's types, their keys and values, without PEFT and without torch."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.study.mistakes import find_similar, quote, unknown_name
from codetune.study.peft_rules import find_contradiction
from codetune.study.peft_types import (
    FROM_WHOLE_WEIGHTS,
    NEEDED_KEYS,
    NEVER_NULL,
    OTHER_NAMES,
    PASSED_OVER,
    PATTERNS,
    REFUSED_4_BIT,
    REFUSED_KEYS,
    REFUSED_QUANTIZED,
    REFUSED_TYPES,
    REFUSED_VALUES,
    SCALES,
    SET_ELSEWHERE,
    UNQUANTIZED_KEYS,
)
from codetune.study.peft_values import find_mistake, find_out_of_bounds

SCHEMA = Path(__file__).parents[3] / "schemas" / "peft.json"
OLD_KEYS = {"r": "r", "alpha": "lora_alpha", "dropout": "lora_dropout", "target_modules": "target_modules"}  # of `lora`
NOT_QUANTIZED = "none"
LONGEST_HELP = 90  # characters of PEFT's words on a key that a message can hold
Entry = dict[str, Any]  # a part of the configuration


def check_peft(where: str, peft: Entry, quantization: str) -> None:
    """Checks the `peft` of a method, as far as no model has to be known.

    Args:
        where: Its place in the config, with dots.
        peft: PEFT's keys, and `type`, which is PEFT's name of the type.
        quantization: Type of the quantisation of the method's frozen weights; none if they are not quantised.

    Raises:
        StudyError: PEFT has no such type, key or value, or the workflow cannot train with it.
    """
    kind = _check_type(where, peft)
    keys = read_types()[kind]["keys"]
    _check_overlay(where, kind, peft)
    for key, value in peft.items():
        if key != "type":
            _check_key(where, kind, key, value)
    for key in NEEDED_KEYS.get(kind, ()):
        if peft.get(key) is None:
            raise StudyError(f"config: {where}: the key '{key}' is missing, and {kind} needs it; add it")
    defaults = {key: schema["default"] for key, schema in keys.items()}
    if found := find_contradiction(kind, {**defaults, **peft}):
        raise StudyError(f"config: {where}.{found[0]}: {found[1]}")
    if quantization != NOT_QUANTIZED:
        _check_quantized(where, kind, peft, quantization)


def respell_lora(where: str, lora: Any) -> StudyError:
    """Makes the error for the key `lora`, which methods had before they had `peft`, with the new spelling.

    Args:
        where: Place of the method in the config, with dots.
        lora: The value of the key.
    """
    values = lora if isinstance(lora, dict) else {"r": 8, "alpha": 16, "target_modules": "all-linear"}
    keys = {OLD_KEYS.get(key, key): value for key, value in values.items()}
    written = ", ".join(f"{key}: {_in_yaml(value)}" for key, value in {"type": "LORA", **keys}.items())
    return StudyError(f"config: {where}.lora: 'lora' is now 'peft', with PEFT's own keys. Write peft: {{{written}}}")


def _in_yaml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_in_yaml, value))}]"
    return value if isinstance(value, str) else quote(value)


@cache
def read_types() -> dict[str, Any]:
    """Reads PEFT's types: of each its `keys`, as JSON schemas, and `targets`, the modules that it adapts by default."""
    found = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return {kind: {**entry, "targets": found["targets"][entry["targets"]]} for kind, entry in found["types"].items()}


def _check_type(where: str, peft: Entry) -> str:
    """Returns the type, which PEFT has and the workflow can train."""
    if "type" not in peft:
        raise StudyError(f"config: {where}: the key 'type' is missing; add one of PEFT's types, as in type: LORA")
    kind, types = peft["type"], read_types()
    if isinstance(kind, str) and kind not in types and (other := OTHER_NAMES.get(kind.upper().replace("-", "_"))):
        raise StudyError(f"config: {where}.type: {quote(kind)} is no type of PEFT's; write {other}")
    if not isinstance(kind, str) or kind not in types:
        known = [name for name in types if name not in REFUSED_TYPES]
        hint = find_similar(kind, known) or f"; known: {', '.join(known)}"
        raise StudyError(f"config: {where}.type: {quote(kind)} is no type of PEFT's{hint}")
    if kind in REFUSED_TYPES:
        raise StudyError(f"config: {where}.type: {kind} cannot be trained here: {REFUSED_TYPES[kind]}")
    return kind


def _check_overlay(where: str, kind: str, peft: Entry) -> None:
    """Checks that a method has not kept the keys of LoRA from a config file on which another lays another type."""
    types = read_types()
    kept = [key for key in types["LORA"]["keys"] if key in peft and key not in types[kind]["keys"]]
    if len(kept) > 1:
        raise StudyError(
            f"config: {where}: {', '.join(kept)} are keys of LORA, not of {kind}. If another config file has a method "
            "of this name, yours adds to it; give it another name."
        )


def _check_key(where: str, kind: str, key: str, value: Any) -> None:
    """Checks a key and its value by themselves."""
    keys = read_types()[kind]["keys"]
    refused = SET_ELSEWHERE | {name: reason for name, reason in REFUSED_KEYS.items() if name in keys}
    if key in refused:
        raise StudyError(f"config: {where}.{key}: leave it out; {refused[key]}")
    if key not in keys:
        raise unknown_name(where, key, [name for name in keys if name not in refused])
    if instead := PASSED_OVER.get(kind, {}).get(key):
        raise StudyError(f"config: {where}.{key}: it says nothing to {kind}; {instead}")
    for (name, refusal), reason in REFUSED_VALUES.items():
        if (key, value) == (name, refusal):
            raise StudyError(f"config: {where}.{key}: {quote(value)} cannot be taken: {reason}")
    schema = keys[key]
    if found := find_mistake(value, _allowed(key, schema)) or find_out_of_bounds(value, kind, key):
        place, said = found
        said_by_peft = schema.get("description", "")
        about = f" ({said_by_peft})" if said_by_peft and not place and len(said_by_peft) <= LONGEST_HELP else ""
        raise StudyError(f"config: {where}.{key}{place}: {said}{about}")


def _allowed(key: str, schema: Entry) -> Entry:
    """What a key may hold: PEFT's schema without refused values, closer for mappings and wider for what is divided."""
    if key in NEVER_NULL and schema["default"] is not None and isinstance(schema["type"], list):
        schema = {**schema, "type": [name for name in schema["type"] if name != "null"]}
    if key in PATTERNS and "additionalProperties" not in schema and "anyOf" not in schema:
        parts = [{"type": name} for name in schema["type"] if name != "object"]
        return {"anyOf": [{"type": "object", "additionalProperties": {"type": PATTERNS[key]}}, *parts]}
    if key.endswith(SCALES) and "integer" in schema["type"]:
        return {"type": ["number", *(["null"] if "null" in schema["type"] else [])]}
    refused = [value for name, value in REFUSED_VALUES if name == key]
    if refused and "anyOf" in schema:
        return {"anyOf": [_without(part, refused) for part in schema["anyOf"]]}
    return schema


def _without(schema: Entry, refused: list[str]) -> Entry:
    left = {"enum": [value for value in schema["enum"] if value not in refused]} if "enum" in schema else {}
    return {**schema, **left}


def _check_quantized(where: str, kind: str, peft: Entry, quantization: str) -> None:
    """Checks that a type can lie over quantised weights."""
    instead = "write quantization: none, or another"
    refused = REFUSED_QUANTIZED if quantization == "int8" else REFUSED_QUANTIZED | REFUSED_4_BIT
    if kind in refused:
        raise StudyError(
            f"config: {where}.type: {kind} cannot lie over weights in {quantization}: {refused[kind]}; {instead} type"
        )
    for key in UNQUANTIZED_KEYS:
        if peft.get(key):
            raise StudyError(
                f"config: {where}.{key}: PEFT follows it beside whole weights only, but these are in {quantization}; "
                "write quantization: none, or leave it out"
            )
    start = peft.get("init_lora_weights")
    if isinstance(start, str) and start.startswith(FROM_WHOLE_WEIGHTS):
        raise StudyError(
            f"config: {where}.init_lora_weights: {quote(start)} is computed from whole weights, but these are in "
            f"{quantization}; {instead} start"
        )
