"""Writes peft.json: the types of PEFT, the keys of each with what they may hold, and the modules that each adapts.

A plan checks the `peft` of methods against that file, since it can import neither torch nor PEFT.

Usage: python workflow/schemas/generate_peft.py        (see `make lock`)
"""

import dataclasses
import json
import re
import types
import typing
from enum import Enum
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "peft.json"
SIMPLE = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}
ORDER = ("boolean", "enum", "integer", "number", "string", "array", "object", "null")  # of what a key may hold
Schema = dict[str, Any]


def peft_json() -> str:
    """The text of the file: one line per key, so that a new PEFT shows as the lines that it changes."""
    import peft
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING

    common = _keys_of(peft.PeftConfig)
    targets: list[dict[str, Any]] = []  # few differ, and many types share one
    parts = []
    for kind, config in PEFT_TYPE_TO_CONFIG_MAPPING.items():
        modules = getattr(PEFT_TYPE_TO_TUNER_MAPPING[kind], "target_module_mapping", None) or _elsewhere(kind.value)
        if modules not in targets:
            targets.append(modules)
        own = {name: schema for name, schema in _keys_of(config, kind).items() if name not in common}
        keys = [f"      {json.dumps(name)}: {json.dumps(schema)}" for name, schema in own.items()]
        head = f'{json.dumps(kind.value)}: {{"targets": {targets.index(modules)}'
        parts.append(f'    {head}, "keys": {{\n{_lines(keys)}\n    }}}}')
    about = (
        "By type of PEFT, its keys beside those that every type has, as JSON schemas, and which of `targets` are the "
        "modules that it adapts by default, by type of model. Written by `make lock`."
    )
    head = f'"about": {json.dumps(about)},\n  "peft": {json.dumps(peft.__version__)}'
    head += f',\n  "every_type": {json.dumps(list(common))}'
    shown = [f"    {json.dumps(modules)}" for modules in targets]
    return f'{{\n  {head},\n  "types": {{\n{_lines(parts)}\n  }},\n  "targets": [\n{_lines(shown)}\n  ]\n}}\n'


def _lines(items: list[str]) -> str:
    return ",\n".join(items)


def _elsewhere(kind: str) -> dict[str, Any]:
    """The modules that a type adapts by type of model, of those that do not keep them with the others."""
    from peft.tuners.adaption_prompt.config import TRANSFORMERS_MODEL_CONFIG
    from peft.utils import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING

    if kind == "ADAPTION_PROMPT":
        return {name: config.target_modules for name, config in TRANSFORMERS_MODEL_CONFIG.items()}
    return TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING if kind == "IA3" else {}


def _keys_of(config: type, kind: Any = None) -> dict[str, Schema]:
    """What each key of a class of PEFT's may hold, its default, and what PEFT says of it in its first sentence."""
    hints = typing.get_type_hints(config)
    found = {}
    for field in dataclasses.fields(config):
        if not field.init:
            continue
        schema = _schema_of(hints[field.name])
        if known := _known_values(kind, field.name):
            schema = {"enum": known}
        schema["default"] = _default(field)
        if said := _first_sentence(field.metadata.get("help", "")):
            schema["description"] = said
        found[field.name] = schema
    return found


def _known_values(kind: Any, key: str) -> list[str]:
    """The values of a key that PEFT declares as any text, but looks up in a list of its own."""
    from peft.mapping import PEFT_TYPE_TO_PREFIX_MAPPING
    from peft.tuners.waveft.constants import WAVELET_REDUCTIONS
    from peft.tuners.waveft.wavelet import _WAVELET_COEFFS
    from transformers.activations import ACT2FN

    match key:
        case "bias" if kind is not None:
            return ["none", "all", f"{PEFT_TYPE_TO_PREFIX_MAPPING[kind]}only"]
        case "wavelet_family":
            return sorted(WAVELET_REDUCTIONS.keys() & {*_WAVELET_COEFFS, "haar"})
        case "act_fn":
            return sorted(ACT2FN)
        case _:
            return []


def _schema_of(hint: Any) -> Schema:
    """A type of Python as JSON schema."""
    if hint in SIMPLE:
        return {"type": SIMPLE[hint]}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    if dataclasses.is_dataclass(hint):
        return {"type": "object", "properties": _keys_of(hint), "additionalProperties": False}
    origin, arguments = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _union_of([_schema_of(argument) for argument in arguments])
    if origin is typing.Literal:
        patterns = [re.sub(r"\[.*\]", "[0-9]+", value) for value in arguments if "[" in value]
        values: Schema = {"enum": [value for value in arguments if "[" not in value]}
        return _union_of([values, *({"type": "string", "pattern": f"^{text}$"} for text in patterns)])
    if origin is tuple:
        return {"type": "array", "items": _schema_of(arguments[0]), "minItems": 2, "maxItems": 2}
    if origin is list:
        return {"type": "array", "items": _schema_of(arguments[0])}
    if origin is dict:
        return {"type": "object", **({"additionalProperties": _schema_of(arguments[1])} if arguments else {})}
    raise TypeError(f"PEFT has a key of type {hint}, which is new: say here what it is in a config")


def _union_of(schemas: list[Schema]) -> Schema:
    """Any of some schemas. Where values are listed, or keys, what PEFT accepts beside them is not of use."""
    flat = [part for schema in schemas for part in schema.get("anyOf", [schema])]
    flat.sort(key=lambda part: ORDER.index(part.get("type", "enum")))  # Python has no fixed order of its own
    if any("enum" in part for part in flat):
        flat = [part for part in flat if part != {"type": "string"}]
    if any("properties" in part for part in flat):
        flat = [part for part in flat if part != {"type": "object"}]
    if len(flat) == 1:
        return flat[0]
    if all(part.keys() == {"type"} for part in flat):
        return {"type": [part["type"] for part in flat]}
    return {"anyOf": flat}


def _default(field: Any) -> Any:
    """A key's default as a value of JSON."""
    value = field.default if field.default is not dataclasses.MISSING else field.default_factory()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value.value if isinstance(value, Enum) else value


def _first_sentence(said: str | tuple[str]) -> str:
    """The first sentence of what PEFT says, without the mark-up of documentation; a stray comma makes it a tuple."""
    text = said if isinstance(said, str) else said[0]
    first = re.split(r"(?<=[a-z0-9)`'])\.(?:\s|$)", " ".join(text.split()))[0]
    return re.sub(r"<[^>]*>|`|\[(?=.*\]\()|\]\([^)]*\)", "", first).strip(" .")


if __name__ == "__main__":
    FILE.write_text(peft_json(), encoding="utf-8")
