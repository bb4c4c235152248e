"""What this study has in the places of a paper's tables."""

from collections.abc import Iterable

from codetune.evaluation.comparisons import Comparisons
from codetune.study.declared_tables import Column
from codetune.study.record import Record
from codetune.study.records import by_system
from codetune.study.runs import NONE


def runs_of(records: Iterable[Record], model: str, method: str, test: str, data: str | None) -> list[Record]:
    """Returns the runs of one place of a table, one per seed; none where nothing of it was run.

    Args:
        records: Of all runs.
        model: Name of the model.
        method: Name of the method.
        test: Name of the test set; `none` where the number is about none.
        data: Name of the training data; None for the test set's own, or none at all.
    """
    found = by_system(
        record
        for record in records
        if (record.run.model, record.run.method) == (model, method) and test in (NONE, *record.tests)
    )
    allowed = (data,) if data else (test, NONE)
    return next((seeds for system, seeds in found.items() if test == NONE or system.data in allowed), [])


def in_units_of(column: Column, name: str, of_test: Comparisons) -> float | None:
    """Returns what a score is multiplied by to be in a paper's units; None where the column has no score of this test.

    Args:
        column: Of the paper's table.
        name: Name of the column, which is that of the metric.
        of_test: The comparisons on the test set.
    """
    if column.scale is None or name not in of_test.metrics:
        return None
    return column.scale / of_test.metrics[name].highest
