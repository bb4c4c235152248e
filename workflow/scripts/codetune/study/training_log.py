"""training_log.jsonl: the losses of a training."""

import math
from dataclasses import dataclass
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import MADE_AGAIN, Row, read_jsonl
from codetune.base.plain import from_plain


@dataclass(frozen=True)
class LogRow:
    """A row of a training log, which holds a training loss or a validation loss.

    Attributes:
        step: Optimizer steps done.
        loss: In nats per token; None where it was no finite number.
        eval_loss: In nats per token; None where it was no finite number.
        learning_rate: With which the step was made.
    """

    step: int
    loss: float | None = math.nan
    eval_loss: float | None = math.nan
    learning_rate: float | None = math.nan


def read_training_log(path: str | Path) -> list[Row]:
    """Reads the rows of a training log; a value that was no finite number, null in the file, is NaN.

    Raises:
        StudyError: The file is no such log, or no validation loss after a step is a number.
    """
    rows = read_jsonl(path)
    for number, row in enumerate(rows, start=1):
        from_plain(row, LogRow, f"{path}: line {number}")
    rows = [{key: math.nan if value is None else value for key, value in row.items()} for row in rows]
    if not any(math.isfinite(row.get("eval_loss", math.nan)) and row["step"] > 0 for row in rows):
        raise StudyError(f"{path}: holds no validation loss of a training. {MADE_AGAIN}")
    return rows
