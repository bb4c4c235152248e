"""The config's keys and values, each checked by itself."""

import json
import math
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.study.mistakes import dotted_path, explain_mistake, unknown_name

SCHEMA = Path(__file__).parents[3] / "schemas" / "config.schema.json"


def check_schema(config: dict[str, Any]) -> None:
    """Checks every key and value by itself.

    Raises:
        StudyError: The first thing that is wrong, with its place and what is allowed.
    """
    import jsonschema

    # JSON's 2.0 is an integer, and YAML's .nan and .inf are numbers; nothing can be counted or trained with them here.
    types = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
            "number": lambda _, value: (
                isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
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
        raise unknown_name(where, next(key for key in error.instance if key not in allowed), allowed)
    where = where or "top level"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        raise StudyError(f"config: {where}: the key '{missing}' is missing")
    raise StudyError(f"config: {where}: {explain_mistake(error)}")
