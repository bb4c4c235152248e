"""Whether one length of packed sequences gives the steps of the paper's Table 1."""

from collections import Counter
from collections.abc import Mapping, Sequence

from codetune.base.files import Row, read_json, reading
from codetune.papers.evidence import Evidence, ModelEvidence
from codetune.papers.steps import sequences_of
from codetune.papers.verdicts import Claim, Verdict, exact

LENGTHS = range(256, 2049)  # of a sequence, in tokens
MOST_EMPTY = 0.05  # share of the sequences' room that packing leaves empty; best-fit leaves 0.01 of it, cutting none

Counts = Mapping[int, int]  # number of samples by their length in tokens


def check_lengths(evidence: Evidence) -> list[Verdict]:
    """Whether one length of sequences gives all of Table 1's steps, with each template that its models have here."""
    table1, models = evidence.paper["table1"], list(evidence.trained.values())
    if len(models) < len(table1):
        return []
    printed = ", ".join(str(row["steps"]) for row in table1) + " steps"
    verdicts = []
    for template in models[0].tokens:
        if not all(template in model.tokens and template in model.prompts for model in models):
            continue
        shares = list(zip(*(_counts_of(model, template) for model in models), strict=True))
        samples = [sum(share[0].values()) for share in shares]
        fitting = sorted({length for share in shares for length in lengths_that_fit(table1, share)})
        claim = (
            f"One length of packed sequences, from {LENGTHS[0]:,} to {LENGTHS[-1]:,} tokens, gives all of Table 1's "
            f"steps, with the template '{template}'"
        )
        tried = ", ".join(f"{100 * count / samples[-1]:.0f} %" for count in samples)
        verdicts.append(
            Claim(claim, "Table 1", printed).against(
                ", ".join(f"{length:,}" for length in fitting) or "none",
                exact(bool(fitting)),
                how=f"tokens of every sample, on {tried} of the samples, with and without the last, smaller batch, and "
                f"with up to {100 * MOST_EMPTY:.0f} % of the sequences' room left empty",
                files=[path for model in models for path in (model.tokens[template], model.prompts[template])],
                because=evidence.obstacle([row["model"] for row in table1], data=True),
            )
        )
    return verdicts


def _counts_of(model: ModelEvidence, template: str) -> Sequence[Counts]:
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
