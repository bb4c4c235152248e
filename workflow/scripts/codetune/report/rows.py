"""The rows of tables and figures: every system on every test set."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from codetune.evaluation.comparisons import Comparison, Comparisons, Score
from codetune.study.facts import Summary
from codetune.study.model import Model
from codetune.study.record import Record, by_system
from codetune.study.runs import NONE, System


@dataclass(frozen=True)
class EvaluatedSystem:
    """A system on a test set.

    Attributes:
        system: The system.
        records: Of its runs, one per seed.
        comparisons: What the bootstrap says of the test set.
    """

    system: System
    records: list[Record]
    comparisons: Comparisons

    @property
    def test(self) -> str:
        """Name of the test set."""
        return self.comparisons.test

    @property
    def model(self) -> Model:
        """The system's model."""
        return self.records[0].model

    @property
    def is_tuned(self) -> bool:
        """Whether its runs train."""
        return self.records[0].training is not None

    @property
    def summaries(self) -> list[Summary]:
        """The scores of each seed."""
        return [record.tests[self.test].summary for record in self.records]

    def score(self, metric: str) -> Score:
        """Its score over all seeds."""
        return self.comparisons.score_of(self.system, metric)

    def gain(self, metric: str) -> Comparison | None:
        """Its gain over the better of the baselines of its method."""
        return self.comparisons.gain_of(self.system, metric)


def evaluated_systems(records: Sequence[Record], comparisons: Iterable[Comparisons]) -> list[EvaluatedSystem]:
    """Test set by test set the systems that were evaluated on it, in the order of the records."""
    return [
        EvaluatedSystem(system, seeds, of_test)
        for of_test in comparisons
        for system, seeds in by_system(record for record in records if of_test.test in record.tests).items()
    ]


def place_in_paper(
    evaluated: Sequence[EvaluatedSystem], order: Sequence[tuple[str, str]]
) -> Callable[[EvaluatedSystem], tuple[int, bool, int]]:
    """Gives each system its place: its model's in the paper, then the untuned rows before the tuned ones.

    Models and methods that the paper does not have come last, as they came.
    """
    models = [model for model, _ in order] + [one.system.model for one in evaluated]
    return lambda one: (
        models.index(one.system.model),
        one.is_tuned,
        order.index(key) if (key := (one.system.model, one.system.method)) in order else len(order),
    )


def gains_are_by_tuning(evaluated: Iterable[EvaluatedSystem]) -> bool:
    """Whether every gain is one over an untuned model: what it is measured over has seen no data."""
    gains = [gain for one in evaluated for gain in one.comparisons.comparisons if gain.family != "pair"]
    return all(gain.over.data == NONE for gain in gains)


def cut_by_context(evaluated: Iterable[EvaluatedSystem]) -> str:
    """Says whose completions the context of the model cut off, in a sentence; nothing where there are none."""
    named = []
    for one in evaluated:
        generations = [record.tests[one.test].generation for record in one.records]
        if count := sum(generation.cut_by_context for generation in generations if generation):
            named.append(f"{one.model.label} ({one.system.method}) {count}")
    return f" Completions cut off at the end of the model's context: {', '.join(named)}." if named else ""
