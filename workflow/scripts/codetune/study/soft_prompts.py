"""What is asked of a soft prompt before anything is computed."""

from codetune.base.errors import StudyError
from codetune.study.training import TrainingPlan
from codetune.study.tunings import SOFT_PROMPTS

PREFIXES = frozenset({"PREFIX_TUNING", "CARTRIDGE"})  # types that train keys and values of each layer
FROM_THE_MODEL = ("token_dim", "num_layers", "num_attention_heads", "num_transformer_submodules")
FROM_A_FILE = frozenset({"AVERAGE_SOURCE_TASKS", "EXACT_SOURCE_TASK", "ONLY_SOURCE_SHARED"})


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
    if kind == "CPT":
        raise StudyError(
            f"{where}: CPT cannot be trained here: its loss also counts tokens of its own context, and here the loss "
            "counts completions alone. Take PROMPT_TUNING, which can start from the same text."
        )
    for key in FROM_THE_MODEL:
        if key in keys:
            raise StudyError(f"{where}.{key}: PEFT takes this from each model; leave it out")
    count = keys.get("num_virtual_tokens")
    if type(count) is not int or not 0 < count < plan.settings.max_length:
        raise StudyError(
            f"{where}.num_virtual_tokens: must be an integer from 1 to {plan.settings.max_length - 1}, one less than "
            "tokenization.max_length, in which they take room"
        )
    start = keys.get("prompt_tuning_init")
    if start == "TEXT" and not keys.get("prompt_tuning_init_text"):
        raise StudyError(f"{where}: 'prompt_tuning_init: TEXT' needs a 'prompt_tuning_init_text'; add one")
    if start in FROM_A_FILE:
        raise StudyError(f"{where}.prompt_tuning_init: {start} starts from a file of another training; take RANDOM")
    if kind in PREFIXES and plan.memory.gradient_checkpointing:
        raise StudyError(
            f"config: methods.{method}: {kind} cannot be trained with gradient checkpointing, which computes layers "
            f"again without the prefix, and {model} is trained with it. Add 'gradient_checkpointing: false' to the "
            "method's training; its memory is then not comparable with that of methods that compute layers again."
        )
