"""The noun Method: what is done to a model before it is evaluated."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal

from codetune.base.errors import StudyError
from codetune.study.prompt import Prompt

Kind = Literal["untuned", "peft", "retrieval"]


@dataclass(frozen=True)
class Quantization:
    """How frozen weights are quantised (QLoRA: Dettmers et al. 2023, section 3; the paper's section 3.3.3).

    Attributes:
        type: 4-bit data type of the weights: nf4 or fp4.
        double: Whether the quantisation constants are quantised, too (double quantisation).
        compute_dtype: Type in which matrices are multiplied: bfloat16 or float32.
    """

    type: str
    double: bool
    compute_dtype: str


@dataclass(frozen=True)
class Lora:
    """Settings of LoRA (Hu et al. 2022; the paper's section 3.5).

    Attributes:
        r: Rank of the update.
        alpha: Scale of the update: it is multiplied by alpha / r.
        dropout: Probability with which an input of the adapter is dropped in training.
        target_modules: Names of the projections that get an adapter.
    """

    r: int
    alpha: float
    dropout: float
    target_modules: list[str]

    def check_targets(self, layers: Collection[str], model: str) -> None:
        """Checks that a model has what is to be adapted: what it lacks would be passed over without a word.

        Args:
            layers: Names of the model's linear layers.
            model: Name of the model, for the message.

        Raises:
            StudyError: It lacks some of the target modules.
        """
        missing = [name for name in self.target_modules if name not in layers]
        if missing:
            raise StudyError(
                f"{model} has no {', '.join(missing)} to adapt (target_modules of the method's lora). Its linear "
                f"layers are {', '.join(layers)}. Give it a method of its own that names some of these, or take it out "
                "of the runs that fine-tune."
            )


@dataclass(frozen=True)
class Method:
    """An entry of the config's `methods`.

    Attributes:
        name: Its name in the config and in paths.
        kind: `untuned`: the checkpoint as published; `peft`: with a trained adapter; `retrieval`: no model, but the
            output of the most similar training sample.
        lora: Settings of the adapter; None where nothing is trained.
        training: Training settings that override the study's and the model's.
        baselines: Methods over which the gain of this one is measured; the verdict is on that over the better one.
        prompt: How samples are put to the model; None for the way of the model, or else of the study.
    """

    name: str
    kind: Kind
    lora: Lora | None = None
    training: dict[str, Any] = field(default_factory=dict)
    baselines: list[str] = field(default_factory=list)
    prompt: Prompt | None = None

    @property
    def trains(self) -> bool:
        """Whether the method trains a model."""
        return self.kind == "peft"
