"""The sequences and tokens of a training, held against the tokens of its samples."""

from codetune.prompts.packing import steps_per_epoch
from codetune.prompts.sequences import sequences_and_tokens
from codetune.report.comparing import compare_values
from codetune.study.facts import TrainingFacts


def differences_from_tokens(facts: TrainingFacts, stats: str) -> list[str]:
    """Compares what a training says of its data, and how many steps it planned, with the token statistics."""
    packed, tokens, cut = sequences_and_tokens(facts.plan, stats)
    settings, data = facts.plan.settings, facts.data
    planned = settings.epochs * steps_per_epoch(packed, settings.batch_size)
    found = (data.packed_sequences, data.tokens, data.truncated, data.dropped, facts.result.planned_steps)
    expected = (packed, tokens, cut["truncated"], cut["dropped"], planned)
    names = (*(f"data.{name}" for name in ("packed_sequences", "tokens", *cut)), "result.planned_steps")
    lines = compare_values(*(dict(zip(names, values, strict=True)) for values in (found, expected)))
    return [f"{line} by {stats}" for line in lines]
