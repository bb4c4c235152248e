"""What is made anew of a finished study, and where the study lies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from codetune.base.plain import read_as
from codetune.study import layout
from codetune.study.runs import Evaluation, Run
from codetune.study.search import SearchFacts
from codetune.study.study import Study

Outputs = Mapping[str, str]  # where to write each file, by its role


@dataclass(frozen=True)
class Remake:
    """Files that are made anew together.

    Attributes:
        make: Writes them where it is told.
        files: The files as they lie in the results, by their roles.
        needs: What they are made from.
        long: Whether this takes long, so that it should start first.
    """

    make: Callable[[Outputs], None]
    files: Mapping[str, str]
    needs: list[str]
    long: bool = False


@dataclass(frozen=True)
class Results:
    """Where a study lies.

    Attributes:
        study: The study.
        config: Its configuration.
        results: Folder of the results.
        resources: Folder of the downloads.
        drawn: Whether some predictions are measured anew, which are drawn, and not all.
    """

    study: Study
    config: Mapping[str, Any]
    results: str
    resources: str
    drawn: bool = False

    def path(self, pattern: str, **values: str) -> str:
        """A path within the results."""
        return f"{self.results}/{pattern.format(**values) if values else pattern}"

    def of(self, pattern: str, what: Run | Evaluation) -> str:
        """A path of a run or an evaluation."""
        return self.path(layout.fill(pattern, what))

    def download(self, pattern: str, **values: str) -> str:
        """A path within the downloads."""
        return f"{self.resources}/{pattern.format(**values)}"

    def made_by_search(self, run: Run) -> list[str]:
        """The pattern of search.json for a run that searches; none for others."""
        return [layout.SEARCH] if run.method in self.study.trials else []

    def training_of(self, run: Run) -> Run:
        """The training that is a run's: the trial that was chosen, where settings were searched."""
        if not self.made_by_search(run):
            return run
        return replace(run, method=read_as(self.of(layout.SEARCH, run), SearchFacts).chosen)

    @property
    def metric(self) -> str:
        """Name of the study's metric."""
        return str(self.config["evaluation"]["metric"])
