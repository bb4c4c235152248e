"""What a claim is measured on, and what a measure gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from codetune.base.files import Row
from codetune.papers.counts import Shape
from codetune.papers.evidence import Evidence
from codetune.papers.printed import parse_printed
from codetune.study.declared_tables import DeclaredTable, Value

NOT_PRINTED = "numbers that the paper does not print"  # why a claim is not checkable


@dataclass(frozen=True)
class Declared:
    """A paper's file, and the runs of this study.

    Attributes:
        paper: What the file holds.
        tables: Its tables by name.
        evidence: What this study has of the paper's models.
    """

    paper: Row
    tables: dict[str, DeclaredTable]
    evidence: Evidence

    def name_of(self, key: str) -> str:
        """What the paper calls a model or a column; any other key is its own name."""
        columns = {name: one.label for table in self.tables.values() for name, one in table.columns.items()}
        return str(self.paper.get("models", {}).get(key, {}).get("name") or columns.get(key, key))

    def table(self, name: str) -> DeclaredTable:
        """A table by its name.

        Raises:
            ValueError: The paper has none of that name.
        """
        if name not in self.tables:
            raise ValueError(f"no table '{name}'; known: {', '.join(self.tables)}")
        return self.tables[name]

    def cell(self, table: str, model: str, method: str, column: str | None = None, test: str | None = None) -> Value:
        """What the paper prints in a place of a table, by default in its first column and for its first test set.

        Raises:
            ValueError: There is no such place.
        """
        found = self.table(table)
        place = (test or found.tests[0], column or next(iter(found.columns)))
        if (model, method) not in found.rows or place[0] not in found.tests or place[1] not in found.columns:
            raise ValueError(f"table {table} has no place {model}, {method}, {', '.join(place)}")
        return found.value_of(model, method, *place)

    def number(self, **place: Any) -> float | None:
        """The same as a number; None for a dash."""
        value = self.cell(**place)
        return None if value is None else parse_printed(value)[0]

    def shape(self, model: str) -> Shape:
        """The shape of a model.

        Raises:
            ValueError: The paper's file does not give it.
        """
        if model not in self.paper.get("shapes", {}):
            raise ValueError(f"no shape of '{model}'; add it to 'shapes'")
        return Shape(**self.paper["shapes"][model])

    def parameters(self, model: str) -> float:
        """Number of parameters of a model."""
        return parse_printed(self.paper["models"][model]["parameters"])[0]

    def way(self, method: str, **changes: Any) -> Row:
        """How a method tunes, by the entry in the paper's `methods`, with changes.

        Raises:
            ValueError: There is no such entry.
        """
        if method not in self.paper.get("methods", {}):
            raise ValueError(f"no way of tuning '{method}'; add it to 'methods'")
        return {**self.paper["methods"][method], **changes}


@dataclass(frozen=True)
class Measured:
    """What a measure gives.

    Attributes:
        values: What is decided on: numbers, names, or whether the claim holds in each of several places.
        shown: The same for readers.
        how: How it was computed.
        files: What it comes from, if that is not the paper's file.
        because: Why it decides nothing; empty where it does.
        words: What names in the claim's text stand for, beside those of the entry.
        interval: Of a score or gain of this study, where another sample has it.
        samples: Number of test samples of what rests on scores.
        widest: Length from which on the interval says too little.
    """

    values: Sequence[Any]
    shown: str
    how: str
    files: Sequence[str] = field(default_factory=list)
    because: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    samples: int = 0
    widest: float = 0.0


def measure_each(holds: Mapping[str, bool], how: str) -> Measured:
    """What is measured where a claim is about several places: in how many of them it holds, and where it does not.

    Args:
        holds: Whether it holds, by the place in words.
        how: How it was computed.
    """
    exceptions = [place for place, one in holds.items() if not one]
    shown = f"{len(holds) - len(exceptions)} of {len(holds)}"
    return Measured(list(holds.values()), f"{shown}; not {', '.join(exceptions)}" if exceptions else shown, how)
