"""The training log."""

from typing import Any

from codetune.base.files import finite_or_none

LOGGED = ("loss", "grad_norm", "learning_rate", "mean_token_accuracy", "eval_loss", "eval_bits_per_byte")


def evaluated_steps(history: list[dict[str, Any]]) -> list[int]:
    """The steps after which the validation loss was measured, 0 for the model before training."""
    return [row["step"] for row in history if "eval_loss" in row]


def log_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the training log: step, epoch, and those of the library's values that do not depend on the clock.

    None stands for a value that is no finite number: once a training has diverged, losses are NaN.
    """
    kept = {key: finite_or_none(row[key]) for key in LOGGED if key in row}
    return {"step": row["step"], "epoch": round(row.get("epoch", 0.0), 4), **kept}


def log_rows(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the training log: those of the library's rows that hold a value to log."""
    return [log_row(row) for row in history if not row.keys().isdisjoint(LOGGED)]
