"""What a page of a figure is drawn from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from codetune.base.files import Row
from codetune.evaluation.comparisons import Comparisons
from codetune.report.looks import Looks
from codetune.study.figures import Page, ShownTests, pages_of
from codetune.study.record import Record
from codetune.study.records import by_system
from codetune.study.runs import System


@dataclass(frozen=True)
class Shown:
    """A study, and which of its systems a page shows.

    Attributes:
        study: Records of all runs of the study, in its order: looks and limits of axes follow from them.
        comparisons: What the bootstrap says of each test set; none for a figure without scores.
        metric: Name of the metric that figures with scores show.
        page: The page.
        paper: What the paper declares, for figures that show its values.
    """

    study: Sequence[Record]
    comparisons: Sequence[Comparisons]
    metric: str
    page: Page
    paper: Row = field(default_factory=dict)

    @cached_property
    def looks(self) -> Looks:
        """How systems look, and what they are called."""
        return Looks.of_study(self.study)

    @cached_property
    def pages(self) -> list[Page]:
        """All pages of the page's figure."""
        return _pages(self.page.figure, self.study, self.comparisons)

    @property
    def systems(self) -> Sequence[System]:
        """The systems of the page."""
        return self.page.systems

    @cached_property
    def seeds(self) -> dict[System, list[Record]]:
        """The records of each system of the study, one per seed."""
        return by_system(self.study)

    @property
    def records(self) -> list[Record]:
        """Of the systems of the page."""
        return [record for record in self.study if record.run.system in self.page.systems]

    @property
    def label(self) -> str:
        """The metric's label."""
        return self.comparisons[0].metrics[self.metric].label


def shown_tests(records: Iterable[Record], comparisons: Iterable[Comparisons]) -> ShownTests:
    """Returns the test sets of a study, for its pages."""
    names, found = [one.test for one in comparisons], list(records)
    executed = [name for name in names if any(record.executes(name) for record in found)]
    compared = [name for name in names if name not in executed] or names
    together = [len(set(record.tests) & set(compared)) for record in found if record.trains or record.method.examples]
    return ShownTests(compared, max(together, default=1), executed)


def show(figure: str, records: Sequence[Record], comparisons: Sequence[Comparisons], metric: str) -> dict[str, Shown]:
    """Returns what each page of a figure is drawn from, by the page's name.

    Args:
        figure: Name of the figure.
        records: Of all runs of the study.
        comparisons: What the bootstrap says of each test set.
        metric: Name of the metric.
    """
    pages = _pages(figure, records, comparisons)
    return {page.name: Shown(records, comparisons, metric, page) for page in pages}


def _pages(figure: str, records: Sequence[Record], comparisons: Sequence[Comparisons]) -> list[Page]:
    """The pages of a figure."""
    trained = [record.run.system for record in records if record.trains]
    examples = [record.run.system for record in records if record.method.examples]
    return pages_of(figure, trained, shown_tests(records, comparisons), examples)
