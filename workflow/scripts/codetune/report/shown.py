"""What figures are drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass

from codetune.evaluation.comparisons import Comparisons
from codetune.study.facts import TrainingCost
from codetune.study.record import Record


@dataclass(frozen=True)
class Shown:
    """Tuned runs and their scores.

    Attributes:
        records: Of the tuned runs.
        comparisons: What the bootstrap says of each test set; none for a figure without scores.
        metric: Name of the metric that figures with scores show.
    """

    records: Sequence[Record]
    comparisons: Sequence[Comparisons]
    metric: str

    @property
    def label(self) -> str:
        """The metric's label."""
        return self.comparisons[0].metrics[self.metric].label

    @property
    def costs(self) -> list[TrainingCost]:
        """What each training used."""
        return [record.training.cost for record in self.records if record.training is not None]
