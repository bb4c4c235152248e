"""The modules of a model that a method trains, or puts something beside."""

from collections.abc import Collection
from typing import Any

from codetune.base.errors import StudyError


def check_targets(targets: Any, layers: Collection[str], model: str) -> None:
    """Checks that a model has what is to be adapted: what it lacks would be passed over without a word.

    Args:
        targets: Names of modules; anything else is left to PEFT.
        layers: Names of the model's linear layers.
        model: Name of the model, for the message.

    Raises:
        StudyError: It lacks some of the target modules.
    """
    missing = [name for name in targets if name not in layers] if isinstance(targets, list) else []
    if missing:
        raise StudyError(
            f"{model} has no {', '.join(missing)} to adapt (target_modules of the method's peft). Its linear "
            f"layers are {', '.join(layers)}. Give it a method of its own that names some of these, or take it out "
            "of the runs that fine-tune."
        )
