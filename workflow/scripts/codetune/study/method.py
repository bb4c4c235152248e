"""The noun Method: what is done to a model before it is evaluated."""

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["untuned", "peft"]


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


@dataclass(frozen=True)
class Method:
    """An entry of the config's `methods`.

    Attributes:
        name: Its name in the config and in paths.
        kind: `untuned`: the checkpoint as published; `peft`: with a trained adapter.
        lora: Settings of the adapter; None for an untuned model.
        training: Training settings that override the study's and the model's.
        baselines: Methods over which the gain of this one is measured; Table 2 shows the gain over the first.
    """

    name: str
    kind: Kind
    lora: Lora | None
    training: dict[str, Any] = field(default_factory=dict)
    baselines: list[str] = field(default_factory=list)

    @property
    def trains(self) -> bool:
        """Whether the method uses training data."""
        return self.kind != "untuned"
