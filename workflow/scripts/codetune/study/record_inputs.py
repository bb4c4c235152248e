"""The files that the record of a run is gathered from."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class RecordInputs:
    """The files that a record gathers.

    Attributes:
        splits: Path of split.json of the training data and of each test set, by name of the data set.
        training: Path of training.json; None for a run that trains nothing.
        files: Path of the `training_log` of a training; empty for a run that trains nothing.
        tests: For each test set the paths of `summary`, `predictions` and `scores`, and of the facts of the generation
            or the retrieval, `origin`; of a set with unit tests also of the facts of their `execution`.
        search: Path of search.json; None for a run that searches nothing.
        count: Path of count.json; None for a run whose number of examples was not chosen.
    """

    splits: Mapping[str, str]
    training: str | None
    files: Mapping[str, str]
    tests: Mapping[str, Mapping[str, str]]
    search: str | None = None
    count: str | None = None
