"""What a training loop and a decoder ask of a tuning, and how they come by the one of a run."""

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import torch

from codetune.study.method import Quantization, TuningSettings
from codetune.study.model import Source
from codetune.study.tunings import implementation_of


class Tuning(Protocol):
    """What is trained of a model: added to it, saved, and loaded again.

    A training loop asks this, and knows no type of tuning. The model is one of transformers until `attach`, then
    whatever that returns, which is called in the same way.
    """

    def __init__(self, settings: TuningSettings) -> None:
        """Takes the settings of the run's method."""

    def virtual_tokens(self, model: Any) -> int:
        """Counts the trained tokens in front of each sample, which take room in its sequence.

        Args:
            model: The model as loaded. An encoder-decoder's sequences have none: PEFT puts them there itself.
        """

    @property
    def uses_dropout(self) -> bool:
        """Whether training draws random numbers, so that other micro-batches give another result."""

    def load_base(self, folder: Path, quantization: Quantization, precision: str) -> Any:
        """Loads the checkpoint that is trained.

        Args:
            folder: Folder of the checkpoint.
            quantization: Of its frozen weights.
            precision: Type of the trained parameters.
        """

    def attach(self, model: Any, source: Source, steps: int) -> Any:
        """Makes trainable what is to be trained, and freezes the rest.

        Args:
            model: The model as loaded.
            source: Where its checkpoint comes from, which is noted in what is saved.
            steps: Optimizer steps in all epochs.

        Raises:
            StudyError: The model lacks what is to be trained.
        """

    def after_step(self, model: Any, step: int) -> None:
        """Called after each step of the optimizer, while the gradients are still there.

        Args:
            model: The model in training.
            step: Optimizer steps done, this one included.
        """

    def penalty(self, model: Any) -> torch.Tensor | None:
        """What is added to the mean loss of each step of the optimizer, None if nothing is.

        Args:
            model: The model in training.
        """

    def layers(self, model: Any) -> dict[str, int]:
        """Counts the layers in which something is trained, by the last part of their names."""

    def save(self, model: Any, folder: Path) -> None:
        """Saves what was trained as transformers or PEFT load it: files in an existing folder."""

    def save_state(self, model: Any, folder: Path) -> None:
        """Saves all that a later attempt needs of the model to resume to the same bytes."""

    def load_state(self, model: Any, folder: Path) -> None:
        """Puts the model in training into a saved state."""

    def load(self, model: Any, folder: Path) -> Any:
        """Puts what was saved into a base model, to decode with it.

        Raises:
            StudyError: The folder does not hold what its settings say.
        """

    def swap(self, model: Any, folder: Path) -> Any:
        """Puts another checkpoint of the same training in the place of the one that `load` put there.

        Raises:
            StudyError: The folder does not hold what its settings say.
        """


def make_tuning(settings: TuningSettings) -> Tuning:
    """Makes the tuning of a run; only the module that implements it is imported."""
    implementation = implementation_of(settings)
    tuning: Tuning = getattr(import_module(implementation.module), implementation.name)(settings)
    return tuning
