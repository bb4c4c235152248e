"""A method's keys as PEFT's own configuration, and PEFT's refusals as errors of the study."""

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from peft import PeftConfig, PeftType
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

from codetune.base.errors import StudyError
from codetune.models.loading import of_the_machine

LONGEST = 300  # characters of PEFT's words that a message quotes; some print whole modules
REFUSALS = (ValueError, TypeError, NotImplementedError, ImportError, AssertionError, RuntimeError, LookupError)


def peft_config(peft: dict[str, Any], **filled: Any) -> PeftConfig:
    """Makes PEFT's configuration of a method.

    Args:
        peft: The method's keys, and `type`; names of modules in the place of roles.
        filled: Keys that follow from the run, as `total_step` and `task_type` do. They are set where the type has them
            and the method does not state them.

    Raises:
        StudyError: PEFT refuses a value, or a combination of values.
    """
    kind = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(peft["type"])]
    fields = {field.name: field for field in dataclasses.fields(kind)}
    keys = {key: value for key, value in peft.items() if key != "type"}
    for key, value in keys.items():  # alpha may be any number, and is an integer in PEFT's own files where it can be
        if isinstance(value, float) and value.is_integer() and isinstance(fields[key].default, int):
            keys[key] = int(value)
    keys |= {key: value for key, value in filled.items() if key in fields and keys.get(key) is None}
    with refusals_explained(peft):
        config: PeftConfig = kind(**{"task_type": "CAUSAL_LM"} | keys)
    return config


@contextmanager
def refusals_explained(peft: dict[str, Any]) -> Iterator[None]:
    """Turns what PEFT refuses into one line that names the key of the method where PEFT names it.

    Args:
        peft: The method's keys.

    Raises:
        StudyError: PEFT refused something.
    """
    try:
        yield
    except REFUSALS as error:
        if of_the_machine(error):
            raise
        said = " ".join(str(error).split()) or type(error).__name__
        named = [f"'{key}'" for key in peft if key != "type" and re.search(rf"`{key}`|\b{key}\b(?<!\br)", said)]
        if len(said) > LONGEST:  # it prints a whole module
            said = f"{said[: LONGEST // 2]} ... {said[-LONGEST // 2 :]}"
        keys = f": {', '.join(named)}" if named else ""
        raise StudyError(
            f"PEFT refuses the method's peft of the type {peft['type']}{keys}. It says: {said.rstrip('.')}. Change the "
            "method's keys in the config."
        ) from error
