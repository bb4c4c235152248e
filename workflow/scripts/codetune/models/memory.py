"""Batches that shrink when the GPU's memory runs out."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

from codetune.base.errors import StudyError

Result = TypeVar("Result")


@dataclass
class RowLimit:
    """How many rows of a batch are computed at once. Halved for good whenever memory runs out.

    Attributes:
        rows: The limit; it only falls.
        what: What a row is, for the log: "sequences", "prompts".
        remedy: What to change if even one row is too much.
    """

    rows: int
    what: str
    remedy: str

    def map(self, compute: Callable[[slice], Result], count: int, undo: Callable[[], None]) -> list[Result]:
        """Computes `count` rows in parts.

        Args:
            compute: Computes the rows of a slice.
            count: Number of rows.
            undo: Takes back what `compute` has done to anything but its result; called before the rows are tried again.

        Returns:
            The result of each part.

        Raises:
            StudyError: One row alone does not fit.
        """
        while True:
            try:
                return [compute(slice(start, start + self.rows)) for start in range(0, count, self.rows)]
            except torch.OutOfMemoryError as error:
                problem = str(error).split(". ")[0]
            # Here, outside the handler, nothing holds the tensors of the failed attempt any more.
            undo()
            self._halve(min(self.rows, count), problem)

    def _halve(self, rows: int, problem: str) -> None:
        if rows == 1:
            raise StudyError(f"one of the {self.what} alone does not fit into memory ({problem}). {self.remedy}")
        gc.collect()
        torch.cuda.empty_cache()
        self.rows = rows // 2
        print(f"out of memory with {rows} {self.what} at once: going on with {self.rows} ({problem})", flush=True)
