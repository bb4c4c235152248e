"""The noun DeclaredTable: a table of a paper, whose numbers stand beside those of a study."""

from dataclasses import dataclass

PREFIX = "declared-"  # of the name of a table in a paper's own layout
MAIN = "slm-qlora"  # the paper that this project replicates, where the config names none

Value = float | int | str | None  # a number as it is printed; None for what the paper prints a dash for


@dataclass(frozen=True)
class Column:
    """A column of a paper's table.

    Attributes:
        label: As the paper heads it.
        scale: Of a score, what the best one is in the paper's units: 1, or 100; None for all that is no score.
    """

    label: str
    scale: float | None = None


@dataclass(frozen=True)
class DeclaredTable:
    """A table of a paper, in its own layout and units.

    Attributes:
        name: The paper's number of the table, or another name.
        title: What it shows.
        tests: Names of the test sets in their order; `none` alone where its numbers are about none.
        columns: The columns of each test set, by the name of the metric or of what else they hold, in their order.
        rows: Model, then method: the values, test set by test set column by column; None where the paper has none.
        data: Name of the training data; None where each test set stands for its own training part.
        missing: Why values are missing; empty where none are.
    """

    name: str
    title: str
    tests: list[str]
    columns: dict[str, Column]
    rows: dict[tuple[str, str], list[Value] | None]
    data: str | None = None
    missing: str = ""

    @property
    def models(self) -> list[str]:
        """Names of its models in their order."""
        return list(dict.fromkeys(model for model, _ in self.rows))

    def column(self, test: str, column: str) -> list[float | int | str]:
        """What the paper prints in a column for a test set, without dashes."""
        values = (self.value_of(*row, test, column) for row in self.rows)
        return [value for value in values if value is not None]

    def value_of(self, model: str, method: str, test: str, column: str) -> Value:
        """What the paper prints in one place; None where it has no such place, or a dash."""
        row = self.rows.get((model, method))
        if row is None or test not in self.tests or column not in self.columns:
            return None
        return row[self.tests.index(test) * len(self.columns) + list(self.columns).index(column)]
