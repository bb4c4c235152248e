"""The noun Method: what is done to a model before it is evaluated."""

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["untuned", "peft"]


@dataclass(frozen=True)
class Quantization:
    """How frozen weights are held (QLoRA: Dettmers et al. 2023, section 3; the paper's section 3.3.3).

    Attributes:
        type: Levels of the 4-bit weights: nf4 or fp4.
        double: Whether the quantisation constants are quantised, too.
        compute_dtype: Type of the arithmetic: bfloat16 or float32.
    """

    type: str
    double: bool
    compute_dtype: str


@dataclass(frozen=True)
class Lora:
    """LoRA's settings (Hu et al. 2022; the paper's section 3.5).

    Attributes:
        r: Rank.
        alpha: The update is scaled by alpha / r.
        dropout: Probability that an input of the adapter is dropped in training.
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
        kind: `untuned`: the checkpoint as published; `peft`: an adapter is trained.
        lora: The adapter; None for an untuned model.
        training: Training settings that differ from the study's and the model's.
        baselines: Methods that this one's gains are measured over; the first is Table 2's.
    """

    name: str
    kind: Kind
    lora: Lora | None
    training: dict[str, Any] = field(default_factory=dict)
    baselines: list[str] = field(default_factory=list)

    @property
    def trains(self) -> bool:
        """Whether it sees training data."""
        return self.kind != "untuned"
