"""pass@k: the share of problems of which one of k candidates passes all unit tests; and the average accuracy.

A row of scores has which of its candidates pass. Of candidates that are drawn, pass@k is the unbiased estimate of Chen
et al. 2021 (arXiv 2107.03374, equation 1) from all of them; of beams, which are no draws, it is about the first k.

Where unit tests are test cases, the average accuracy is the mean over problems of the share of cases that the first
candidate passes, and pass@1 of one greedy candidate is the strict accuracy (Hendrycks et al. 2021, arXiv 2105.09938).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from codetune.base.errors import StudyError
from codetune.base.files import Row, read_json
from codetune.base.plain import read_lines_as
from codetune.evaluation.bootstrap import Array
from codetune.evaluation.metric import Metric, average_metric
from codetune.study.execution import JUDGED_BY, JUDGED_BY_CASES

EXECUTION = "execution"  # key of a row of scores, on test sets with unit tests
LISTED = (1, 2, 5, 10, 20, 50, 100)  # the k of which there is a pass@k, as far as there are candidates
PASS_AT = "pass_at_"  # noqa: S105 (no password)  # begins the name of a pass@k
AVERAGE, AVERAGE_LABEL = "average_accuracy", "Average accuracy"


@dataclass(frozen=True)
class _Verdict:
    passed: bool
    error: str = ""
    call: str = ""
    cases: int = 1
    passed_cases: int = 0


@dataclass(frozen=True)
class _Row:
    """A row of verdicts.jsonl; null where the answers to a problem cannot be judged."""

    id: int
    verdicts: list[_Verdict] | None


@dataclass(frozen=True)
class Executed:
    """What the unit tests of a problem say of its candidates.

    Attributes:
        passed: Whether each candidate passes; empty where none can be judged. A retrieval has one, which stands for as
            many as the study has of others.
        drawn: Whether they were drawn; else they are one of greedy decoding, or beams.
        error: What is wrong with the first one; empty if it passes, or none can be judged.
        call: The call at which its tests failed.
        cases: Of test cases the number of those that the first one passes, and of all; empty where none can be judged,
            None where there are no test cases.
    """

    passed: list[bool] = field(default_factory=list)
    drawn: bool = False
    error: str = ""
    call: str = ""
    cases: list[int] | None = None


def are_drawn(origin: str) -> bool:
    """Whether predictions were drawn at random.

    Args:
        origin: Path of the facts of how they were made.
    """
    return bool(read_json(origin).get("decoding", {}).get("kind") == "sample")


def read_executed(
    path: str, ids: Sequence[int], candidates: int, drawn: bool, by_cases: bool = False
) -> list[Executed]:
    """Reads the verdicts of predictions.

    Args:
        path: Path of the verdicts, JSON lines.
        ids: Ids of the samples.
        candidates: Number of candidates per prompt.
        drawn: Whether they were drawn.
        by_cases: Whether unit tests are test cases.

    Raises:
        StudyError: They are of other samples, or not of as many candidates.
    """
    rows = read_lines_as(path, _Row)
    if [row.id for row in rows] != list(ids) or any(
        len(row.verdicts or [None] * candidates) != candidates for row in rows
    ):
        raise StudyError(f"{path}: not the verdicts of these predictions. Delete the file and run again.")
    found = []
    for row in rows:
        if row.verdicts is None:
            found.append(Executed(drawn=drawn, cases=[] if by_cases else None))
        else:
            first = row.verdicts[0]
            cases = [first.passed_cases, first.cases] if by_cases else None
            found.append(Executed([one.passed for one in row.verdicts], drawn, first.error, first.call, cases))
    return found


def estimate_pass_at(k: int, passed: Sequence[bool], drawn: bool) -> float:
    """Estimates the probability that one of k candidates of a problem passes.

    Args:
        k: How many, at most as many as there are.
        passed: Whether each candidate passes.
        drawn: Whether they were drawn; else it is 1 if one of the first k passes, and 0 if none does.
    """
    if not drawn:
        return float(any(passed[:k]))
    wrong, of = len(passed) - sum(passed), len(passed)
    return 1.0 - prod((wrong - i) / (of - i) for i in range(k))


def counts_of(candidates: int) -> list[int]:
    """Returns the k of which there is a pass@k."""
    return [*(k for k in LISTED if k < candidates), candidates]


def pass_metrics(candidates: int, drawn: bool, by_cases: bool = False) -> dict[str, Metric]:
    """Returns each pass@k by its name, and the average accuracy; what a text has is known from its row alone.

    Args:
        candidates: Number of candidates per prompt.
        drawn: Whether they were drawn.
        by_cases: Whether unit tests are test cases.
    """
    how = f"{candidates} draws, unbiased" if drawn else f"first k of {candidates} beams" if candidates > 1 else "greedy"
    judged_by = f"all test cases|{JUDGED_BY_CASES}" if by_cases else JUDGED_BY
    found = {f"{PASS_AT}{k}": _metric(f"pass@{k}", f"{how}|{judged_by}") for k in counts_of(candidates)}
    if by_cases:
        found[AVERAGE] = _metric(AVERAGE_LABEL, f"first candidate, share of test cases|{JUDGED_BY_CASES}")
    return found


def _metric(label: str, signature: str) -> Metric:
    return average_metric(label, signature, lambda _sample, _text, _language: None)


def pass_statistics(rows: Sequence[Row], name: str) -> Array:
    """Returns the statistics of scored samples by one of these, of shape (samples, 2): none of what was not judged."""
    found = [row[EXECUTION] for row in rows]
    if name == AVERAGE:
        shares = [one["cases"][0] / one["cases"][1] if one["cases"] else None for one in found]
        return np.array([[0.0, 0.0] if share is None else [share, 1.0] for share in shares])
    k = int(name.removeprefix(PASS_AT))
    return np.array(
        [[estimate_pass_at(k, one["passed"], one["drawn"]), 1.0] if one["passed"] else [0.0, 0.0] for one in found]
    )
