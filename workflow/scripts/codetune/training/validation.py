"""The validation loss: measured per token and per byte, and when it ends a training."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from codetune.models.device import evaluating
from codetune.models.memory import RowLimit
from codetune.training.batches import select_sequences
from codetune.training.history import evaluated_steps


@dataclass(frozen=True)
class Validation:
    """Validation during training, and early stopping.

    Attributes:
        completion_bytes: Bytes of the text of all validation completions, as far as their loss is measured.
        interval: Optimizer steps between validations.
        patience: Validations without a lower loss after which training stops; None if it never stops early.
    """

    completion_bytes: int
    interval: int
    patience: int | None

    def measure(self, model: Any, batches: Iterable[dict[str, Any]], limit: RowLimit) -> dict[str, float]:
        """Mean negative log-likelihood of the completions, in nats per token and in bits per byte.

        Both are of the same tokens: those that truncation left, and the EOS token where it is among them.

        The Trainer averages batch means, so its value depends on packing; this one does not. No random number is drawn,
        so it makes no difference to the training when this runs.

        Args:
            model: Gives `log_probs` and `label_mask` of sequences (TRL's fused output layer, or what `score_targets`
                puts in its place).
            batches: Batches of sequences, as `collate` or `collate_apart` makes them.
            limit: Lowered if memory runs out.
        """
        with torch.random.fork_rng(), evaluating(model), torch.no_grad():
            parts = [part for batch in batches for part in _sums(model, batch, limit)]
        loss, tokens = (float(sum(column)) for column in zip(*parts, strict=True))
        bits = loss / math.log(2)
        per_byte = bits / self.completion_bytes if self.completion_bytes else math.nan  # of tokens without text
        return {"eval_loss": loss / tokens, "eval_bits_per_byte": per_byte}

    def is_due(self, step: int, last: int, history: list[dict[str, Any]]) -> bool:
        """Whether a validation is to be made after a step, and has not been made yet.

        Args:
            step: Optimizer steps done.
            last: Optimizer steps of the whole training.
            history: The library's log.
        """
        return (step % self.interval == 0 or step == last) and step not in evaluated_steps(history)

    def steps_left(self, last: int, evaluated: list[int]) -> int:
        """Counts the steps after which a validation is still to be made, if no patience ends the training.

        Args:
            last: Optimizer steps of the whole training.
            evaluated: Those after which one was made.
        """
        return len({*range(self.interval, last, self.interval), last}.difference(evaluated))

    def is_better(self, loss: float, best: float | None) -> bool:
        """Whether a loss is a number, and lower than the best so far."""
        return math.isfinite(loss) and (best is None or loss < best)

    def ends_training(self, history: list[dict[str, Any]], best_step: int | None) -> bool:
        """Whether the patience is over: so many validations since the best one, or since the start, were no better."""
        since = [step for step in evaluated_steps(history) if step > (best_step or 0)]
        return self.patience is not None and len(since) >= self.patience


def _sums(model: Any, batch: dict[str, Any], limit: RowLimit) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Negative log-likelihood and number of tokens of each part of a batch."""

    def part(sequences: slice) -> tuple[torch.Tensor, torch.Tensor]:
        output = model(**select_sequences(batch, sequences), use_cache=False, fused_lm_head=True)
        return -output.log_probs.sum(dtype=torch.float64), output.label_mask.sum()

    return limit.map(part, len(batch["seq_lengths"]), undo=lambda: None)
