"""The modules of a model that a method trains, or puts something beside."""

import re
from collections.abc import Collection
from typing import Any

from codetune.base.errors import StudyError
from codetune.study.mistakes import MOST_NAMES, shorten
from codetune.study.peft_types import ALL_LINEAR, MODULE_KEYS

WHOLE_ATTENTION = "ADAPTION_PROMPT"  # the type whose target_modules is the end of a path, and no pattern


def check_targets(peft: dict[str, Any], modules: Collection[str], layers: Collection[str], model: str) -> None:
    """Checks that a model has what is to be adapted: what it lacks would be passed over without a word.

    Args:
        peft: A method's keys of PEFT, with names in the place of roles.
        modules: Paths of the model's modules, of which PEFT finds one by its end.
        layers: Names of its linear layers, for the message.
        model: Name of the model, for the message.

    Raises:
        StudyError: It lacks some of the modules.
    """
    for key in MODULE_KEYS[:2]:
        value = peft.get(key)
        names = value if isinstance(value, list) else [] if value in (None, ALL_LINEAR) else [value]
        finds = _ends if isinstance(value, list) or peft.get("type") == WHOLE_ATTENTION else re.fullmatch
        if missing := [name for name in names if not any(finds(name, path) for path in modules)]:
            lacks = ", ".join(map(shorten, missing[:MOST_NAMES]))
            raise StudyError(
                f"{model} has no {lacks} to adapt ({key} of the method's peft). Its linear layers are "
                f"{', '.join(layers)}. Give it a method of its own that names some of these, or take it out of the "
                "runs that fine-tune."
            )


def _ends(name: str, path: str) -> bool:
    """Whether a path ends in a name, as PEFT understands lists."""
    return f".{path}".endswith(f".{name}")
