"""All metrics by which predictions on a test set are scored: those of the first candidate, EM@k and pass@k."""

from collections.abc import Sequence
from typing import NamedTuple

from codetune.base.files import Row
from codetune.evaluation.bootstrap import Array
from codetune.evaluation.matches import COUNT, match_metrics, match_statistics
from codetune.evaluation.metric import Metric, statistics_of
from codetune.evaluation.passes import EXECUTION, pass_metrics, pass_statistics
from codetune.evaluation.registry import metrics


class Measures(NamedTuple):
    """What decides by which metrics the predictions of a run are scored.

    Attributes:
        candidates: Up to which k there is a pass@k, and an EM@k if it is more than 1.
        executed: Whether there are unit tests.
        drawn: Whether candidates were drawn, as far as unit tests say something of them.
        by_cases: Whether unit tests are test cases, so that there is an average accuracy.
    """

    candidates: int = 1
    executed: bool = False
    drawn: bool = False
    by_cases: bool = False


def measures_of(rows: Sequence[Row]) -> Measures:
    """Finds out by which metrics samples were scored.

    Args:
        rows: The rows of scores.

    Raises:
        ValueError: They differ in it.
    """
    found = {_measures_of(row) for row in rows}
    if len(found) > 1:
        raise ValueError("rows that were not scored by the same metrics")
    return found.pop() if found else Measures()


def _measures_of(row: Row) -> Measures:
    executed = row.get(EXECUTION)
    count = int(row.get(COUNT, 1))
    return Measures(count, True, executed["drawn"], executed.get("cases") is not None) if executed else Measures(count)


def metrics_of(measures: Measures) -> dict[str, Metric]:
    """Returns all metrics by name."""
    return metrics() | match_metrics(measures.candidates) | _pass_metrics(measures)


def _pass_metrics(measures: Measures) -> dict[str, Metric]:
    """Those that unit tests decide."""
    return pass_metrics(measures.candidates, measures.drawn, measures.by_cases) if measures.executed else {}


def pass_metrics_of(rows: Sequence[Row]) -> list[str]:
    """Returns the names of those metrics of scored samples that unit tests decide."""
    return list(_pass_metrics(measures_of(rows)))


def all_statistics(rows: Sequence[Row]) -> dict[str, Array]:
    """Returns the statistics of scored samples by each metric; shape (samples, statistics)."""
    measures = measures_of(rows)
    return (
        statistics_of(rows, metrics())
        | {name: match_statistics(rows, name) for name in match_metrics(measures.candidates)}
        | {name: pass_statistics(rows, name) for name in _pass_metrics(measures)}
    )
