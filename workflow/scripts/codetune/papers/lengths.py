"""Whether one length of packed sequences gives the steps of the paper's Table 1."""

from collections import Counter
from collections.abc import Mapping, Sequence

from codetune.base.files import Row, read_json, reading
from codetune.papers.evidence import ModelEvidence
from codetune.papers.steps import sequences_of

LENGTHS = range(256, 2049)  # of a sequence, in tokens
MOST_EMPTY = 0.05  # share of the sequences' room that packing leaves empty; best-fit leaves 0.01 of it, cutting none

Counts = Mapping[int, int]  # number of samples by their length in tokens


def counts_of(model: ModelEvidence, template: str) -> Sequence[Counts]:
    """Of the training samples, of these and the validation samples, and of all."""
    training, prompts = (read_json(one[template]) for one in (model.tokens, model.prompts))
    counts, so_far = [], Counter[int]()
    for path, found, part in (
        (model.tokens[template], training, "train"),
        (model.tokens[template], training, "validation"),
        (model.prompts[template], prompts, "prompts"),
    ):
        with reading(path):
            so_far = so_far + Counter({int(length): int(count) for length, count in found["lengths"][part].items()})
        counts.append(so_far)
    return counts


def lengths_that_fit(table1: Sequence[Row], counts: Sequence[Counts]) -> list[int]:
    """The lengths of sequences at which every model can have its steps.

    However samples are packed, they need as many sequences as their tokens fill, and more where room is left empty.
    Samples that are longer than a sequence may be cut off or go on in the next one.

    Args:
        table1: The paper's rows.
        counts: For each row the number of its model's samples, by their length in tokens.
    """
    kept = [_tokens_up_to(one) for one in counts]

    def fits(place: int, row: Row, length: int, whole_batches: bool) -> bool:
        possible, tokens = sequences_of(row, whole_batches), kept[place]
        fewest, most = tokens[length] // length, tokens[-1] / (length * (1 - MOST_EMPTY))
        return fewest <= possible[-1] and most >= possible[0]

    return [
        length
        for length in LENGTHS
        if any(all(fits(*one, length, whole) for one in enumerate(table1)) for whole in (True, False))
    ]


def _tokens_up_to(counts: Counts) -> list[int]:
    """For each length from 0 on the tokens of all samples where longer ones are cut off; the last are all tokens."""
    longest, longer = max(counts, default=0), sum(counts.values())
    tokens = [0]
    for length in range(1, max(longest, LENGTHS[-1]) + 1):
        tokens.append(tokens[-1] + longer)
        longer -= counts.get(length, 0)
    return tokens
