"""The training log."""

from typing import Any


def evaluated_steps(history: list[dict[str, Any]]) -> list[int]:
    """The steps after which the validation loss was measured, 0 for the untrained adapter."""
    return [row["step"] for row in history if "eval_loss" in row]


LOGGED = ("loss", "grad_norm", "learning_rate", "mean_token_accuracy", "eval_loss", "eval_bits_per_byte")


def log_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the training log: step and epoch, and what the library logs, less what depends on the clock."""
    kept = {key: row[key] for key in LOGGED if key in row}
    return {"step": row["step"], "epoch": round(row.get("epoch", 0.0), 4), **kept}
