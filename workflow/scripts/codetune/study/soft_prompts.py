"""What is asked of a soft prompt before anything is computed."""

from codetune.base.errors import StudyError
from codetune.study.training import TrainingPlan
from codetune.study.tunings import SOFT_PROMPTS

PREFIXES = frozenset({"PREFIX_TUNING", "CARTRIDGE"})  # types that train keys and values of each layer


def check_soft_prompt(method: str, model: str, plan: TrainingPlan) -> None:
    """Checks that a soft prompt can be trained as the plan says; a plan for anything else is let through.

    Args:
        method: Name of the method.
        model: Name of the model.
        plan: All settings of the training.

    Raises:
        StudyError: It cannot.
    """
    keys, kind, where = plan.tuning.peft, plan.tuning.type, f"config: methods.{method}.peft"
    if kind not in SOFT_PROMPTS:
        return
    count, longest = keys["num_virtual_tokens"], plan.settings.max_length
    if count >= longest:
        raise StudyError(
            f"{where}.num_virtual_tokens: {count} leave no room in the {longest} tokens of tokenization.max_length; "
            f"take at most {longest - 1}"
        )
    if kind in PREFIXES and plan.memory.gradient_checkpointing:
        raise StudyError(
            f"config: methods.{method}: {kind} cannot be trained with gradient checkpointing, which computes layers "
            f"again without the prefix, and {model} is trained with it. Add 'gradient_checkpointing: false' to the "
            "method's training; its memory is then not comparable with that of methods that compute layers again."
        )
