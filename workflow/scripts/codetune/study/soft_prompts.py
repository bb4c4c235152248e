"""What is asked of a soft prompt before anything is computed."""

from codetune.base.errors import StudyError
from codetune.study.training import TrainingPlan
from codetune.study.tunings import virtual_tokens_of

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
    kind, count, most = plan.tuning.type, virtual_tokens_of(plan.tuning), plan.settings.max_length
    if count >= most:
        raise StudyError(
            f"config: methods.{method}.peft.num_virtual_tokens: {count} leave no room for a sample in the {most} "
            "tokens of tokenization.max_length. Lower the one, or raise the other."
        )
    if kind in PREFIXES and plan.memory.gradient_checkpointing:
        raise StudyError(
            f"config: methods.{method}: {kind} cannot be trained with gradient checkpointing, which computes layers "
            f"again without the prefix, and {model} is trained with it. Add 'gradient_checkpointing: false' to the "
            "method's training; its memory is then not comparable with that of methods that compute layers again."
        )
