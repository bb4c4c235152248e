"""What rows of scores say of all candidates of a prompt: which is the reference, and which pass unit tests."""

from typing import NamedTuple

from codetune.base.files import Row
from codetune.base.plain import declared
from codetune.data.predictions import Prediction
from codetune.data.samples import Sample
from codetune.evaluation.matches import COUNT, FIRST_MATCH, find_matches
from codetune.evaluation.passes import EXECUTION, read_executed


class Several(NamedTuple):
    """What is known of the candidates of a prompt beside the first, which metrics measure.

    Attributes:
        candidates: Most of them per prompt in the study.
        verdicts: Path of what unit tests say of each; None on a test set without any.
        drawn: Whether they were drawn.
    """

    candidates: int = 1
    verdicts: str | None = None
    drawn: bool = False


def with_candidates(
    scored: list[Row], samples: list[Sample], completed: list[Prediction], several: Several
) -> list[Row]:
    """Adds to rows what is known of all candidates; nothing where prompts have one, and samples no unit tests.

    Args:
        scored: A row per sample.
        samples: The samples.
        completed: The prediction for each.
        several: What is known.

    Raises:
        StudyError: Verdicts are not of these predictions.
    """
    rows, count = scored, several.candidates
    if count > 1:
        found = [[one.text for one in prediction.candidates] for prediction in completed]
        rows = [
            row | {COUNT: count, FIRST_MATCH: find_matches(sample.output, texts)}
            for row, sample, texts in zip(rows, samples, found, strict=True)
        ]
    if several.verdicts is not None:
        ids = [sample.id for sample in samples]
        by_cases = any(sample.problem and sample.problem.cases is not None for sample in samples)
        executed = read_executed(several.verdicts, ids, len(completed[0].candidates), several.drawn, by_cases)
        rows = [row | {EXECUTION: declared(one)} for row, one in zip(rows, executed, strict=True)]
    return rows
