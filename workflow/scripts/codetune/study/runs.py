"""The nouns System, Run and Evaluation: what a study computes."""

from dataclasses import dataclass
from typing import NamedTuple

NONE = "none"  # name that stands for no training data, and for no model
VALIDATION_PART = "@validation"  # ends the name of a data set's validation part as a test set; no name in a config does


def validation_of(data: str) -> str:
    """Returns the name of a data set's validation part as a test set, on which trials are evaluated."""
    return data + VALIDATION_PART


def dataset_of(test: str) -> str:
    """Returns the name of the data set that a test set is a part of."""
    return test.removesuffix(VALIDATION_PART)


def part_of(test: str) -> str:
    """Returns which part of its data set a test set is."""
    return "validation" if test.endswith(VALIDATION_PART) else "test"


class System(NamedTuple):
    """Training data, model and method: a row of a table. Its runs differ only in their seeds and are its repetitions.

    Attributes:
        data: Name of the data that its runs are trained on, or take examples from; `none` if there are none.
        model: Name of the model; `none` for a method that has none.
        method: Name of the method.
    """

    data: str
    model: str
    method: str


@dataclass(frozen=True)
class Run:
    """One repetition of a system: a model after one method with one seed.

    Attributes:
        data: Name of the data that it is trained on, or takes examples from; `none` if there are none.
        model: Name of the model; `none` for a method that has none.
        method: Name of the method.
        seed: Seed of all that is random: of the initial values of what is trained, of dropout and of the order of the
            samples; or of the choice of examples.
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
    def retrieves(self) -> bool:
        """Whether the run has no model, and answers with training samples."""
        return self.model == NONE


@dataclass(frozen=True)
class Evaluation:
    """One run on one test set.

    Attributes:
        run: The run.
        test: Name of the test set: that of the data set whose test part it is, or what `validation_of` returns.
    """

    run: Run
    test: str
