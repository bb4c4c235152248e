"""The check of the config against its JSON schema."""

import json
import math
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.study.mistakes import dotted_path, explain_mistake, unknown_name

SCHEMA = Path(__file__).parents[3] / "schemas" / "config.schema.json"


def check_schema(config: dict[str, Any]) -> None:
    """Checks every key and value of the config against the JSON schema.

    Raises:
        StudyError: A key or value is wrong; the message names its place and what is allowed.
    """
    import jsonschema

    # JSON Schema takes 2.0 for an integer, and YAML's .nan and .inf for numbers. None of these is of use in a config.
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
        raise StudyError(f"config: {where}: the key '{missing}' is missing; add it")
    raise StudyError(f"config: {where}: {explain_mistake(error)}")
