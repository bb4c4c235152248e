"""What a training prints."""

import time
from typing import Any

from transformers import TrainerCallback

from codetune.base.progress import duration
from codetune.training.history import log_rows

SHARE = 0.5  # of the rate of large matrices that a training step reaches on a CPU


class Progress(TrainerCallback):  # type: ignore[misc]
    """Prints each row of the training log, with the time that has passed and the time that is left at most."""

    def __init__(self) -> None:
        self.start, self.first = time.monotonic(), 0

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Notes where this attempt begins."""
        self.start, self.first = time.monotonic(), state.global_step

    def on_log(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Prints the newest row, if it holds anything to print."""
        for row in log_rows(state.log_history[-1:]):
            shown = ", ".join(f"{key} {_shown(value)}" for key, value in row.items() if key != "step")
            print(f"step {row['step']}/{state.max_steps}: {shown} [{self._times(state)}]", flush=True)

    def _times(self, state: Any) -> str:
        elapsed, done = time.monotonic() - self.start, state.global_step - self.first
        passed = f"{duration(elapsed)} so far"
        if done == 0:
            return passed
        return f"{passed}, at most {duration(elapsed / done * (state.max_steps - state.global_step))} left"


def expected_time(parameters: int, tokens: float, rate: float) -> str:
    """Says how long a training takes on a CPU, roughly.

    Args:
        parameters: Of the frozen model, through which each token goes forward and its gradient back: 4 operations each.
        tokens: Of all epochs.
        rate: Floating-point operations per second at which the CPU multiplies matrices.
    """
    expected = duration(4 * parameters * tokens / (SHARE * rate))
    return (
        f"all epochs: {tokens:,.0f} tokens through {parameters / 1e6:,.1f} million parameters, about {expected} of "
        "training on this CPU, validations not counted"
    )


def _shown(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4g}"
