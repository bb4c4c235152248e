"""What a training prints."""

import time
from typing import Any

from transformers import TrainerCallback

from codetune.base.progress import duration
from codetune.training.cost import CostMeter
from codetune.training.history import evaluated_steps, log_rows
from codetune.training.validation import Validation

SHARE = 0.5  # of the rate of large matrices that a training step reaches on a CPU


class Progress(TrainerCallback):  # type: ignore[misc]
    """Prints each row of the training log, with the time that has passed and the time that is left at most."""

    def __init__(self, validation: Validation, meter: CostMeter) -> None:
        """Takes what says how many validations are left, and what knows how long those so far took."""
        self._validation, self._meter = validation, meter
        self._start, self._first, self._evaluated = time.monotonic(), 0, 0.0

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Notes where this attempt begins."""
        self._start, self._first, self._evaluated = time.monotonic(), state.global_step, self._meter.evaluation_seconds

    def on_log(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Prints the newest row, if it holds anything to print."""
        for row in log_rows(state.log_history[-1:]):
            shown = ", ".join(f"{key} {_shown(value)}" for key, value in row.items() if key != "step")
            print(f"step {row['step']}/{state.max_steps}: {shown} [{self._times(state)}]", flush=True)

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
