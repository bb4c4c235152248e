"""Where the base and the data of a run are published, and under which licences, for its model card."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from codetune.study.joint import KEY as JOINT
from codetune.study.runs import Run


@dataclass(frozen=True)
class Publication:
    """What the config says of a data set's or a model's publication.

    Attributes:
        repo: Repository of the hub; None for a local path, which may hold anything, and for GitHub.
        revision: Commit in that repository.
        license: The licence in the config's words; None if it names none.
    """

    repo: str | None = None
    revision: str | None = None
    license: str | None = None


@dataclass(frozen=True)
class Publications:
    """Publications of all that a trained run was made from or tested on.

    Attributes:
        model: The base model.
        datasets: The data sets, by name.
        trained_on: Names of those that the training data are from.
    """

    model: Publication
    datasets: dict[str, Publication]
    trained_on: list[str]

    @property
    def training(self) -> list[Publication]:
        """Where the training data are from."""
        return [self.datasets[name] for name in self.trained_on]


def publications_of(config: Mapping[str, Any], run: Run, tests: Iterable[str]) -> Publications:
    """Reads from the config what a run was made from.

    Args:
        config: The configuration.
        run: The run.
        tests: Names of the test sets on which it is evaluated.
    """
    trained_on = config["datasets"][run.data].get(JOINT, [run.data])
    datasets = {name: _publication(config["datasets"][name]) for name in dict.fromkeys([*trained_on, *tests])}
    return Publications(_publication(config["models"][run.model]), datasets, trained_on)


def _publication(entry: Mapping[str, Any]) -> Publication:
    if "repo" not in entry or "path" in entry:
        return Publication(license=entry.get("license"))
    return Publication(entry["repo"], entry["revision"], entry.get("license"))
