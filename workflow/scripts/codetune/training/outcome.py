"""Whether a training that came to its end has diverged, or did not lower the validation loss."""

import math
from collections.abc import Sequence

from codetune.base.errors import StudyError
from codetune.base.files import Row, finite_or_none

MEASURED = {"loss": "training loss", "grad_norm": "gradient norm", "eval_loss": "validation loss"}


class Diverged(StudyError):  # noqa: N818
    """No validation loss of a training is a number. It ends the study, unless other trials of a search go well."""


def untrained_loss(history: Sequence[Row]) -> float | None:
    """The validation loss before the first step; None if it is no finite number."""
    found = [row["eval_loss"] for row in history if "eval_loss" in row and row["step"] == 0]
    return finite_or_none(found[0]) if found else None


def learning_rate_of(history: Sequence[Row], step: int) -> float | None:
    """The learning rate with which a step was made; None if the log does not have it."""
    return next((row["learning_rate"] for row in history if "learning_rate" in row and row["step"] == step), None)


def problem_of(history: Sequence[Row], best_loss: float) -> str | None:
    """What a reader of a training's scores has to be told; None if it went as a training should.

    Args:
        history: The library's log: its rows hold losses and gradient norms, after which step each was measured.
        best_loss: The lowest validation loss after a step.
    """
    untrained = untrained_loss(history)
    found = [_not_finite(history, key) for key in MEASURED]
    if untrained is not None and best_loss >= untrained:
        found.insert(0, f"best validation loss {best_loss:.5g}, not below the untrained model's {untrained:.5g}")
    return "; ".join(part for part in found if part) or None


def _not_finite(history: Sequence[Row], key: str) -> str:
    """Says how often a value of the log is NaN or infinite, and when first; nothing if it never is."""
    measured = {row["step"]: row[key] for row in history if key in row}
    steps = [step for step, value in measured.items() if not math.isfinite(value)]
    return (
        f"{MEASURED[key]} not finite {len(steps)} of {len(measured)} times, first at step {steps[0]}" if steps else ""
    )
