"""How much of each model is trained: facts that rule size writes, and tables read."""

from dataclasses import dataclass

from codetune.base.errors import StudyError
from codetune.base.files import MADE_AGAIN
from codetune.study import layout
from codetune.study.method import TuningSettings


@dataclass(frozen=True)
class Size:
    """How many parameters a tuning trains of a model.

    Attributes:
        tuning: What is trained.
        trainable: Number of parameters that are trained.
        total: Number of all parameters, with those that the tuning adds. Each tensor counts once, wherever it is used.
    """

    tuning: TuningSettings
    trainable: int
    total: int

    @property
    def percent(self) -> float:
        """Of all parameters, those that are trained."""
        return 100 * self.trainable / self.total


@dataclass(frozen=True)
class SizeFacts:
    """sizes/{model}.json: what each method of a study trains of a model, counted without its weights.

    Attributes:
        model: Name of the model in the config.
        methods: The size of each method that trains it, by the method's name.
    """

    model: str
    methods: dict[str, Size]

    def size_of(self, tuning: TuningSettings) -> Size:
        """Returns the size of a tuning, which the trials of a method share.

        Raises:
            StudyError: It was not counted.
        """
        found = next((size for size in self.methods.values() if size.tuning == tuning), None)
        if found is None:
            raise StudyError(f"{layout.SIZES.format(model=self.model)}: lacks a tuning ({tuning.type}). {MADE_AGAIN}")
        return found
