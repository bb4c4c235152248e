"""The check of the config against its JSON schema."""

import json
import math
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.study.mistakes import dotted_path, explain_mistake, quote, unknown_name
from codetune.study.peft_keys import respell_lora

SCHEMA = Path(__file__).parents[3] / "schemas" / "config.schema.json"
# No study comes near these; without them, aliases of YAML stand for more than any memory holds.
MOST_VALUES = 10_000
DEEPEST = 20
MOST_BITS = 1024  # of a number, as in the largest float
LONGEST_TEXT = 4096  # characters, as in the longest path


def check_schema(config: dict[str, Any]) -> None:
    """Checks every key and value of the config against the JSON schema.

    Raises:
        StudyError: A key or value is wrong; the message names its place and what is allowed.
    """
    import jsonschema

    check_size(config)
    # JSON Schema takes 2.0 for an integer, and YAML's .nan and .inf for numbers. None of these is of use in a config.
    types = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
            "number": lambda _, value: (
                not isinstance(value, bool)
                and (isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)))
            ),
        }
    )
    validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
        jsonschema.Draft202012Validator, type_checker=types
    )
    error = jsonschema.exceptions.best_match(validator(json.loads(SCHEMA.read_text())).iter_errors(config))
    if error is None:
        return
    where = dotted_path(error.absolute_path)
    if error.validator == "additionalProperties":
        allowed = error.schema["properties"]
        unknown = next(key for key in error.instance if key not in allowed)
        raise (
            respell_lora(where, error.instance[unknown]) if unknown == "lora" else unknown_name(where, unknown, allowed)
        )
    where = where or "top level"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        raise StudyError(f"config: {where}: the key '{missing}' is missing; add it")
    raise StudyError(f"config: {where}: {explain_mistake(error)}")


def check_size(config: Any) -> None:
    """Checks that a config has a bounded number of values, of bounded size, and text that can be written.

    Raises:
        StudyError: It has not; the message says where.
    """
    left: list[tuple[tuple[Any, ...], Any]] = [((), config)]
    count = 0
    while left:
        path, value = left.pop()
        count += 1
        where = dotted_path(path[:5]) or "top level"
        if count > MOST_VALUES:
            raise StudyError(f"config: there are more than {MOST_VALUES:,} values. Remove what no run needs.")
        if len(path) > DEEPEST:
            raise StudyError(f"config: {where}: more than {DEEPEST} levels of values in values. Remove some.")
        if isinstance(value, dict):
            left += [((*path, key), item) for key, item in value.items()]
            left += [((*path, key), str(key)) for key in value if isinstance(key, str)]
        elif isinstance(value, list | tuple | set):
            left += [((*path, number), item) for number, item in enumerate(value)]
        elif isinstance(value, int) and value.bit_length() > MOST_BITS:
            digits = int(value.bit_length() * math.log10(2)) + 1
            raise StudyError(f"config: {where}: a number of {digits:,} digits. Write a smaller one.")
        elif isinstance(value, str):
            if len(value) > LONGEST_TEXT:
                raise StudyError(f"config: {where}: {quote(value)} has {len(value):,} characters. Shorten it.")
            if not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
                raise StudyError(f"config: {where}: {quote(value)} holds half of a surrogate pair. Remove that.")
