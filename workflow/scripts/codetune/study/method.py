"""The noun Method: what is done to a model before it is evaluated."""

from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Literal

from codetune.study.prompt import Examples, Prompt

Kind = Literal["untuned", "peft", "full", "retrieval"]
UNQUANTISED = "none"  # as the config says that weights stay in the compute type
TRIAL = "@"  # stands between the names of a method and its trials; no name in a config has it


@dataclass(frozen=True)
class Quantization:
    """How frozen weights are held (QLoRA: Dettmers et al. 2023, section 3; the paper's section 3.3.3).

    Attributes:
        type: none: in the compute type; int8: LLM.int8 (Dettmers et al. 2022); nf4 or fp4: in 4 bits.
        double: Whether the constants of 4-bit weights are quantised, too (double quantisation).
        compute_dtype: Type in which matrices are multiplied: bfloat16 or float32.
    """

    type: str
    double: bool
    compute_dtype: str

    @property
    def weights(self) -> str:
        """Type in which weights are held: that of the quantisation, or the compute type."""
        return self.compute_dtype if self.type == UNQUANTISED else self.type

    def of_type(self, kind: str | None) -> "Quantization":
        """This quantisation with another type of weights; the same one for None."""
        return replace(self, type=kind) if kind else self


@dataclass(frozen=True)
class TuningSettings:
    """What of a model is trained.

    Attributes:
        kind: `peft`: parameters that PEFT adds to a frozen model; `full`: every parameter.
        peft: PEFT's own keys, of which `type` is the PEFT type; empty for `full`.
    """

    kind: Literal["peft", "full"]
    peft: dict[str, Any] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """Name of the PEFT type, such as LORA; `full` where every parameter is trained."""
        return str(self.peft.get("type", self.kind))


@dataclass(frozen=True)
class Method:
    """An entry of the config's `methods`.

    Attributes:
        name: Its name in the config and in paths.
        kind: `untuned`: the checkpoint as published; `peft` and `full`: trained (see `TuningSettings`); `retrieval`:
            no model, but the output of the most similar training sample.
        quantization: How the frozen weights are held; None for a retrieval.
        tuning: What is trained; None where nothing is.
        training: Training settings that override the study's and the model's. A list of values stands for a search:
            one training per value, or per combination where there are several lists.
        baselines: Methods over which the gain of this one is measured; the verdict is on that over the better one. Only
            methods that train or have examples in their prompts have any.
        prompt: How samples are put to the model; None for the way of the model, or else of the study.
    """

    name: str
    kind: Kind
    quantization: Quantization | None = None
    tuning: TuningSettings | None = None
    training: dict[str, Any] = field(default_factory=dict)
    baselines: list[str] = field(default_factory=list)
    prompt: Prompt | None = None

    @property
    def trains(self) -> bool:
        """Whether the method trains a model."""
        return self.tuning is not None

    @property
    def examples(self) -> Examples | None:
        """The examples in its prompts; None where there are none."""
        return self.prompt.examples if self.prompt else None

    @property
    def uses_data(self) -> bool:
        """Whether its runs see a training part: to train on, to answer with, or to take examples from."""
        return self.kind != "untuned" or self.examples is not None

    @property
    def is_random(self) -> bool:
        """Whether its runs differ by their seeds: by a training, or by a random choice of examples."""
        return self.trains or (self.examples is not None and self.examples.choose == "random")

    def differs_by_seed(self, draws: bool) -> bool:
        """Whether its predictions differ by their seeds.

        Args:
            draws: Whether a model's completions are drawn.
        """
        return self.is_random or (draws and self.kind != "retrieval")

    @property
    def searched(self) -> dict[str, list[Any]]:
        """The training settings that are searched, each with its values; empty if none is."""
        return {key: value for key, value in self.training.items() if isinstance(value, list)}

    @property
    def counts(self) -> list[int]:
        """The numbers of examples of which each run has the best on the validation part; empty where it is fixed."""
        return self.examples.counts if self.examples else []

    def trials(self) -> "dict[str, Method]":
        """The methods that stand for the trainings of a search, by name, numbered in the order of the config.

        Returns:
            One for each combination of the searched values; none for a method that searches nothing.
        """
        found = {}
        for number, values in enumerate(product(*self.searched.values()) if self.searched else (), start=1):
            name, training = f"{self.name}{TRIAL}{number}", dict(zip(self.searched, values, strict=True))
            found[name] = replace(self, name=name, training=self.training | training)
        return found

    def count_trials(self) -> "dict[str, Method]":
        """The methods that stand for the trials of a number of examples, by name, each with its prompt of that number.

        Returns:
            One for each number; none for a method whose number is fixed.
        """
        found = {}
        for count in self.counts:
            assert self.prompt is not None and self.prompt.examples is not None  # of which there are `counts`
            name, examples = f"{self.name}{TRIAL}{count}", self.prompt.examples.of_count(count)
            prompt = replace(self.prompt, name=f"{self.prompt.name}{TRIAL}{count}", examples=examples)
            found[name] = replace(self, name=name, prompt=prompt)
        return found
