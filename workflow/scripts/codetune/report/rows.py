"""The rows of tables and figures: every system on every test set."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from codetune.evaluation.comparisons import Comparison, Comparisons, Score
from codetune.report.format import digits_of, digits_of_mean
from codetune.study.facts import Summary
from codetune.study.model import Model
from codetune.study.record import Record
from codetune.study.records import by_system
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
    def is_random(self) -> bool:
        """Whether its runs differ by their seeds."""
        generation = self.records[0].tests[self.test].generation
        return self.records[0].method.differs_by_seed(generation is not None and generation.decoding.is_random)

    @property
    def has_examples(self) -> bool:
        """Whether there are training samples as examples in its prompts."""
        return self.records[0].examples is not None

    @property
    def is_adapted(self) -> bool:
        """Whether data make its model another one: by training, or as examples in the prompts."""
        return self.is_tuned or self.has_examples

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
    """Test set by test set the systems that were evaluated on it, in the order of `in_reading_order`."""
    return [
        EvaluatedSystem(seeds[0].run.system, seeds, of_test)
        for of_test in comparisons
        for seeds in in_reading_order(record for record in records if of_test.test in record.tests)
    ]


def in_reading_order(records: Iterable[Record]) -> list[list[Record]]:
    """The records of each system, model by model, each tuned system below the untuned ones that it is compared with.

    Models come in the order of the records. Of a model, untuned systems that nothing is compared with come first; then
    follow its tuned systems, with those that have the same baselines side by side below these.
    """
    models: dict[str, list[list[Record]]] = {}
    for seeds in by_system(records).values():
        models.setdefault(seeds[0].run.model, []).append(seeds)
    return [seeds for systems in models.values() for seeds in _with_baselines_above(systems)]


def _with_baselines_above(systems: Sequence[list[Record]]) -> list[list[Record]]:
    """The systems of one model in the order of `in_reading_order`."""
    groups: dict[tuple[str, ...], list[list[Record]]] = {}
    for seeds in systems:
        if seeds[0].method.baselines:
            groups.setdefault(tuple(seeds[0].method.baselines), []).append(seeds)
    others = [seeds for seeds in systems if not seeds[0].method.baselines]
    named = {name for names in groups for name in names}
    ordered = [seeds for seeds in others if seeds[0].run.method not in named]
    waiting = [seeds for seeds in others if seeds[0].run.method in named]
    for names, compared in groups.items():
        ordered += [seeds for seeds in waiting if seeds[0].run.method in names]
        waiting = [seeds for seeds in waiting if seeds[0].run.method not in names]
        ordered += compared
    return ordered


def digits_of_scores(evaluated: Sequence[EvaluatedSystem], metric: str) -> tuple[int, int]:
    """Decimals of a metric's scores and gains, and of the ends of their intervals.

    The ends have one decimal less than a table has at most: the next one changes with the seed of the bootstrap.
    """
    highest = evaluated[0].comparisons.metrics[metric].highest
    digits = digits_of_mean(highest, min(summary.samples for one in evaluated for summary in one.summaries))
    return digits, min(digits, digits_of(highest) - 1)


def gains_are_by_tuning(evaluated: Iterable[EvaluatedSystem]) -> bool:
    """Whether every gain is one over an untuned model: what it is measured over has seen no data."""
    gains = [gain for one in evaluated for gain in one.comparisons.comparisons if gain.family != "pair"]
    return all(gain.over.data == NONE for gain in gains)


def gains_are_by_examples(evaluated: Iterable[EvaluatedSystem]) -> bool:
    """Whether some gain is one of a system with examples in its prompts."""
    shown = {one.system for one in evaluated if one.has_examples}
    return any(
        gain.system in shown for one in evaluated for gain in one.comparisons.comparisons if gain.family == "gain"
    )


def cut_by_context(evaluated: Iterable[EvaluatedSystem]) -> str:
    """Says whose completions the context of the model cut off, in a sentence; nothing where there are none."""
    named = []
    for one in evaluated:
        generations = [record.tests[one.test].generation for record in one.records]
        if count := sum(generation.cut_by_context for generation in generations if generation):
            named.append(f"{one.model.label} ({one.system.method}) {count}")
    return f" Completions cut off at the end of the model's context: {', '.join(named)}." if named else ""
