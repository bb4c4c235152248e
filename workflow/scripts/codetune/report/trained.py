"""What was trained, in words: names and sentences for model cards."""

from codetune.base.text import markdown_code
from codetune.study.method import UNQUANTISED, Quantization
from codetune.study.soft_prompts import PREFIXES
from codetune.study.training import TrainingPlan
from codetune.study.tunings import SOFT_PROMPTS


def name_of(plan: TrainingPlan) -> str:
    """The name of the method: PEFT's for the type, but as papers write the commonest."""
    if plan.tuning.type != "LORA":
        return plan.tuning.type
    name = "DoRA" if plan.tuning.peft.get("use_dora") else "LoRA"
    return f"Q{name}" if is_in_4_bits(plan.quantization) else name


def is_in_4_bits(quantization: Quantization) -> bool:
    """Whether frozen weights are held in 4 bits."""
    return quantization.type not in (UNQUANTISED, "int8")


def title_of(plan: TrainingPlan) -> str:
    """What it is, for the heading of a card."""
    if plan.tuning.kind == "full":
        return "fine-tuned as a whole"
    return f"{name_of(plan)} {'soft prompt' if plan.tuning.type in SOFT_PROMPTS else 'adapter'}"


def introduction(plan: TrainingPlan) -> str:
    """What it is, of what, and what has to stay as it was in training: a paragraph."""
    revision = f" at revision {markdown_code(plan.source.revision)}" if plan.source.revision else ""
    base = f"{markdown_code(plan.source.name)}{revision}"
    dtype, held = plan.quantization.compute_dtype, _held(plan.quantization)
    if plan.tuning.kind == "full":
        return (
            f"A whole checkpoint in {dtype}: {base}, every parameter of which\nwas fine-tuned on instruction-code "
            "pairs. It needs no other files."
        )
    trained = f"{base}, fine-tuned on\ninstruction-code pairs with the base {held}."
    if plan.tuning.type in SOFT_PROMPTS:
        text = f"Trained tokens that stand before each prompt of {trained} The base itself is as published."
        if plan.tuning.type in PREFIXES:
            text += "\nIt cannot be trained with gradient checkpointing, so its memory in training is that without."
        return text
    if plan.quantization.type == UNQUANTISED:
        return f"Adapter for {trained} Merging it into\nthe base rounds the sum to {dtype}."
    bits = "4-bit" if is_in_4_bits(plan.quantization) else "8-bit"
    beside = f"Keep the adapter beside\nthe {bits} weights it was trained on;"
    return f"Adapter for {trained} {beside} merging it into other weights changes its outputs."


def _held(quantization: Quantization) -> str:
    """How the base was held in training, in words."""
    if quantization.type == UNQUANTISED:
        return f"in {quantization.compute_dtype}"
    bits = 4 if is_in_4_bits(quantization) else 8
    return f"quantised to {bits} bits ({quantization.type})"
