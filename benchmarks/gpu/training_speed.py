"""Useful tokens per second of optimizer steps: by the study's trainer, and by TRL's as a user calls it."""

import json
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from common import RESULTS
from gpu.limits import synchronize
from gpu.weights import checkpoint, free, shape_of
from subjects import LORA, SETTINGS, draw_samples, make_tokenizer, peer, quantization
from training import LENGTH, SAMPLES_PER_SEQUENCE
from transformers import TrainerCallback

# isort: split

from codetune.models.device import set_determinism
from codetune.models.shapes import lora_parameters, parameters
from codetune.prompts.packing import pack
from codetune.prompts.tokensets import TokenSample
from codetune.study.model import Memory, Source
from codetune.study.training import TrainingPlan
from codetune.training.build import TrainingTokens, make_trainer

PASSES = 4  # over the samples at most; the first is not counted, since it compiles kernels
ENOUGH_SECONDS = 5.0  # of counted passes
SEQUENCES = 8  # of a pass, about
PEER_BATCH = 8  # samples in TRL's default batch


class Enough(Exception):  # noqa: N818
    """Enough was measured, and the training need not end."""


class Passes(TrainerCallback):  # type: ignore[misc]
    """Times the optimizer steps of each pass over the samples; evaluation and saving lie between steps.

    Attributes:
        seconds: Of the steps of each pass.
    """

    def __init__(self, enough: float) -> None:
        self.seconds: list[float] = []
        self._enough, self._began, self._of_pass = enough, 0.0, 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Starts the clock."""
        synchronize()
        self._began = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Stops it."""
        synchronize()
        self._of_pass += time.perf_counter() - self._began

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        """Ends a pass.

        Raises:
            Enough: Enough was measured.
        """
        self.seconds.append(self._of_pass)
        self._of_pass = 0.0
        if len(self.seconds) > 1 and sum(self.seconds[1:]) >= self._enough:
            raise Enough


class Trainings:
    """The trainings of one model, on the same samples, of which one pass is about one optimizer step.

    Attributes:
        samples: Random tokens, as long as CodeAlpaca's samples.
    """

    def __init__(self, name: str, small: bool) -> None:
        """Draws the samples of a model.

        Args:
            name: Of the model.
            small: Whether its architecture is made small.
        """
        found = json.loads(RESULTS.read_text(encoding="utf-8"))["parts"]["memory"]["training"][name]
        self._rows = 1 if small else found["micro_batch"]
        self._sequences = self._rows * (2 if small else max(1, round(SEQUENCES / self._rows)))
        self._shape, self._enough = shape_of(name, small), 0.0 if small else ENOUGH_SECONDS
        self.samples = samples_that_fill(self._sequences, self._shape["vocab_size"])

    def rate_of_ours(self) -> float:
        """Useful tokens per second of the study's trainer."""
        settings = replace(SETTINGS, batch_size=self._sequences, epochs=PASSES, max_length=LENGTH)
        plan = TrainingPlan(Source(path="random"), Memory(self._rows), LORA, quantization(), settings, seed=0)
        set_determinism(plan.seed)
        with tempfile.TemporaryDirectory() as folder:
            tokens = TrainingTokens(self.samples, sorted(self.samples, key=len)[:2], completion_bytes=1000)
            base = checkpoint(self._shape, plan.quantization).load()
            trainer = make_trainer(base, make_tokenizer(), tokens, Path(folder), plan)
            rate = self._rate(trainer, trainer.run)
            if trainer.limit.rows < self._rows:
                raise RuntimeError(f"out of memory with {self._rows} sequences at once: {trainer.limit.rows} fitted")
        return rate

    def rate_of_trl(self, settings: dict[str, Any]) -> float:
        """Useful tokens per second of TRL's trainer, which need not be deterministic.

        Args:
            settings: Beside TRL's defaults.
        """
        torch.use_deterministic_algorithms(False)
        per_step = self._sequences if settings.get("packing") else len(self.samples)
        with tempfile.TemporaryDirectory() as folder:
            trainer = peer(
                checkpoint(self._shape, quantization()).load(),
                make_tokenizer(),
                self.samples,
                output_dir=folder,
                gradient_accumulation_steps=max(1, per_step // settings["per_device_train_batch_size"]),
                num_train_epochs=PASSES,
                max_length=LENGTH,
                learning_rate=SETTINGS.learning_rate,
                bf16=quantization().compute_dtype == "bfloat16",
                seed=0,
                **settings,
            )
            return self._rate(trainer, trainer.train)

    def _rate(self, trainer: Any, run: Callable[[], object]) -> float:
        passes = Passes(self._enough)
        trainer.add_callback(passes)
        free()
        with suppress(Enough):
            run()
        counted = passes.seconds[1:]
        return sum(map(len, self.samples)) * len(counted) / sum(counted)

    def operations_per_token(self) -> float:
        """Floating-point operations per useful token.

        4 per parameter of the frozen layers, whose gradients nobody needs; 6 per parameter of the adapter; and 4 per
        parameter of the output layer, for tokens of completions alone. Attention itself is not counted.
        """
        completions = sum(len(sample.completion) for sample in self.samples) / sum(map(len, self.samples))
        adapter = lora_parameters(self._shape, LORA.peft["r"], LORA.peft["target_modules"]) or 0
        output = self._shape["vocab_size"] * self._shape["hidden_size"]
        return 4 * parameters(self._shape)["layers"] + 6 * adapter + 4 * completions * output


def samples_that_fill(sequences: int, vocabulary: int) -> list[TokenSample]:
    """As many samples as are packed into so many sequences, and as TRL's default batch divides."""
    drawn = draw_samples(round(2 * SAMPLES_PER_SEQUENCE * sequences), vocabulary)
    count = PEER_BATCH
    while len(pack([len(sample) for sample in drawn[: count + PEER_BATCH]], LENGTH)) <= sequences:
        count += PEER_BATCH
    return drawn[:count]
