"""What a study computes: runs, and the test sets that each is evaluated on."""

from dataclasses import dataclass
from typing import NamedTuple

NONE = "none"  # training data of a run that sees none


class System(NamedTuple):
    """A row of a table. Its runs differ in the seed alone: they are its repetitions.

    Attributes:
        data: Name of the training data; `none` where there are none.
        model: Name of the model.
        method: Name of the method.
    """

    data: str
    model: str
    method: str


@dataclass(frozen=True)
class Run:
    """A model, as one method leaves it with one seed.

    Attributes:
        data: Name of the training data; `none` for an untuned model, which stands for all of them.
        model: Name of the model.
        method: Name of the method.
        seed: Of all random choices.
    """

    data: str
    model: str
    method: str
    seed: int

    @property
    def system(self) -> System:
        """The run without its seed."""
        return System(self.data, self.model, self.method)

    @property
    def trains(self) -> bool:
        """Whether the run sees training data."""
        return self.data != NONE


@dataclass(frozen=True)
class Evaluation:
    """One run on one test set.

    Attributes:
        run: The run.
        test: Name of the test set; a data set's test part has the data set's name.
    """

    run: Run
    test: str
