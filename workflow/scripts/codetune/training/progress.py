"""What a training prints."""

import time
from typing import Any

from transformers import TrainerCallback

from codetune.training.history import log_row
from codetune.training.trainer import QLoraTrainer


class Progress(TrainerCallback):  # type: ignore[misc]
    """Tells the trainer when training begins, and people how it goes."""

    def __init__(self, trainer: QLoraTrainer) -> None:
        self.trainer = trainer
        self.start, self.first = time.monotonic(), 0

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        self.start, self.first = time.monotonic(), state.global_step
        self.trainer.begin()

    def on_log(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        row = log_row(state.log_history[-1])
        if len(row) == 2:
            return
        done = state.global_step - self.first
        elapsed = time.monotonic() - self.start
        left = f", at most {elapsed / done * (state.max_steps - state.global_step) / 60:.1f} min left" if done else ""
        shown = ", ".join(f"{key} {value:.4g}" for key, value in row.items() if key != "step")
        print(f"step {row['step']}/{state.max_steps}: {shown} [{elapsed / 60:.1f} min{left}]", flush=True)
