"""What is known of a search: one training per value of a setting, of which the one with the lowest loss is taken."""

from dataclasses import dataclass
from typing import Any

from codetune.study.training import TrainingPlan


@dataclass(frozen=True)
class DivergedFacts:
    """training.json of a trial in which no validation loss was a number: there is nothing to take of it.

    Attributes:
        plan: All settings.
        inputs_sha256: SHA-256 of each token set, and of the samples that each was made from.
        diverged: What went wrong, in words.
        steps: Number of optimizer steps that were done.
        seconds: Duration of the training, with evaluations.
    """

    plan: TrainingPlan
    inputs_sha256: dict[str, str]
    diverged: str
    steps: int
    seconds: float


@dataclass(frozen=True)
class Trial:
    """One training of a search.

    Attributes:
        method: Its name, `<method>@<n>`, under which its files lie.
        values: The searched settings with their values in this trial.
        best_validation_loss: Lowest validation loss after a step, in nats per token; None if it diverged.
        best_step: Step with that loss; None if it diverged.
        steps: Number of optimizer steps that were done.
        seconds: Duration of the training, with evaluations.
        problem: Why its result may be worth nothing, in words; None if there is nothing to say.
        training_sha256: SHA-256 of its training.json.
    """

    method: str
    values: dict[str, Any]
    best_validation_loss: float | None
    best_step: int | None
    steps: int
    seconds: float
    problem: str | None
    training_sha256: str


@dataclass(frozen=True)
class SearchFacts:
    """search.json: the trials of a search, and which of them is the run's training.

    Attributes:
        searched: The searched settings, each with all its values.
        trials: The trials, in the order of the config.
        chosen: Name of the trial with the lowest validation loss, the first of them if several have it.
        seconds: Duration of all trials together.
    """

    searched: dict[str, list[Any]]
    trials: list[Trial]
    chosen: str
    seconds: float
