"""How many training sequences and tokens a plan makes of a token set."""

from pathlib import Path

from codetune.base.files import read_json
from codetune.base.plain import read_number
from codetune.prompts.packing import pack
from codetune.prompts.tokensets import read_tokens, truncate, with_virtual_tokens
from codetune.study import layout
from codetune.study.training import TrainingPlan
from codetune.study.tunings import virtual_tokens_of


def sequences_and_tokens(plan: TrainingPlan, stats: str) -> tuple[int, int, dict[str, int]]:
    """Counts the training sequences of a plan, their tokens, and the samples that virtual tokens cut or drop.

    Token statistics have both for packed samples. Where there are virtual tokens before each sample, or each has a
    sequence of its own, they follow from the token set.

    Args:
        plan: The plan of the training.
        stats: Path of the statistics of its token sets, which lie beside it.
    """
    found, settings = read_json(stats), plan.settings
    apart = bool(found.get("encoder_decoder"))  # virtual tokens take no room where each sample has rows of its own
    virtual = 0 if apart else virtual_tokens_of(plan.tuning)
    if settings.packing and not virtual:
        packed, tokens = (read_number(stats, "parts", "train", name) for name in ("packed_sequences", "tokens"))
        return packed, tokens, {"truncated": 0, "dropped": 0}
    context = found.get("context")
    most = min(settings.max_length, context or settings.max_length)
    samples = read_tokens(Path(stats).with_name(Path(layout.TRAIN_TOKENS).name))
    kept, cut = truncate(with_virtual_tokens(samples, virtual), most, apart)
    lengths = [len(sample) for sample in kept]
    return len(pack(lengths, settings.capacity)), sum(lengths), cut
