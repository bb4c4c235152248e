"""What a training prints."""

import time
from typing import Any

from transformers import TrainerCallback

from codetune.base.machine import memory_in_words
from codetune.base.progress import duration
from codetune.training.cost import CostMeter
from codetune.training.history import evaluated_steps, log_rows
from codetune.training.validation import Validation

SHARE = 0.5  # of the rate of large matrices that a training step reaches on a CPU


class Progress(TrainerCallback):  # type: ignore[misc]
    """Prints each row of the training log, with time passed, most time left, tokens per second and peak memory."""

    def __init__(self, validation: Validation, meter: CostMeter) -> None:
        """Takes what says how many validations are left, and what knows how long those so far took."""
        self._validation, self._meter = validation, meter
        self._start, self._first, self._evaluated = time.monotonic(), 0, 0.0
        self._counted: tuple[float, float] | None = None

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Notes where this attempt begins."""
        self._start, self._first, self._evaluated = time.monotonic(), state.global_step, self._meter.evaluation_seconds
        self._counted = None

    def on_log(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Prints the newest row, if it holds anything to print."""
        for row in log_rows(state.log_history[-1:]):
            shown = ", ".join(f"{key} {_shown(value)}" for key, value in row.items() if key != "step")
            parts = [self._times(state), *self._speed(state), memory_in_words()]
            print(f"step {row['step']}/{state.max_steps}: {shown} [{', '.join(parts)}]", flush=True)

    def _speed(self, state: Any) -> list[str]:
        """Tokens per second of training since this attempt's first row that counts them, evaluations left out."""
        tokens = state.log_history[-1].get("num_tokens")
        if tokens is None:
            return []
        now = time.monotonic() - self._meter.evaluation_seconds
        if self._counted is None:
            self._counted = tokens, now
        before, then = self._counted
        return [f"{(tokens - before) / (now - then):,.0f} tokens/s"] if now > then else []

    def _times(self, state: Any) -> str:
        elapsed, done = time.monotonic() - self._start, state.global_step - self._first
        passed = f"{duration(elapsed)} so far"
        if done == 0:
            return passed
        evaluated, evaluation_seconds = evaluated_steps(state.log_history), self._meter.evaluation_seconds
        steps = (elapsed - (evaluation_seconds - self._evaluated)) / done * (state.max_steps - state.global_step)
        due = self._validation.steps_left(state.max_steps, evaluated)
        left = steps + due * evaluation_seconds / max(len(evaluated), 1)
        return f"{passed}, at most {duration(left)} left"


def expected_time(parameters: int, tokens: float, rate: float, recomputed: bool = False, trained: int = 0) -> str:
    """Says how long a training takes on a CPU, roughly.

    Args:
        parameters: Of the model, through which each token goes forward and its gradient back: 4 operations each.
        tokens: Of all epochs.
        rate: Floating-point operations per second at which the CPU multiplies matrices.
        recomputed: Whether each token goes forward twice (gradient checkpointing).
        trained: How many parameters are trained: 2 operations more per token for the gradient of each.
    """
    operations = ((6 if recomputed else 4) * parameters + 2 * trained) * tokens
    expected = duration(operations / (SHARE * rate))
    return (
        f"all epochs: {tokens:,.0f} tokens through {parameters / 1e6:,.1f} million parameters, about {expected} of "
        "training on this CPU, validations not counted"
    )


def _shown(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4g}"
