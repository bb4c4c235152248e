"""Batches that are divided when the GPU runs out of memory."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

from codetune.base.errors import StudyError
from codetune.base.machine import is_out_of_memory

Result = TypeVar("Result")


@dataclass
class RowLimit:
    """The number of rows of a batch that are computed at once, halved for good whenever memory runs out.

    Attributes:
        rows: The limit, which never rises.
        what: What the rows are, for messages: "sequences", "prompts".
        remedy: What to change if even one row does not fit, for the error message.
        effect: A sentence on what else is different once the limit is lower, for the message that says so.
    """

    rows: int
    what: str
    remedy: str
    effect: str = ""

    def map(self, compute: Callable[[slice], Result], count: int, undo: Callable[[], None]) -> list[Result]:
        """Computes `count` rows in parts of at most `rows`; starts again with smaller parts if memory runs out.

        Args:
            compute: Computes the rows of a slice.
            count: Number of rows.
            undo: Reverts the side effects of `compute`; called before the rows are computed again.

        Returns:
            The result of each part.

        Raises:
            StudyError: One row alone does not fit into memory.
        """
        while True:
            try:
                return [compute(slice(start, start + self.rows)) for start in range(0, count, self.rows)]
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                problem = str(error).split(". ")[0]
            # Outside the handler nothing refers to the tensors of the failed attempt any more, so they can be freed.
            undo()
            self._halve_limit(min(self.rows, count), problem)

    def _halve_limit(self, rows: int, problem: str) -> None:
        if rows == 1:
            raise StudyError(f"one of the {self.what} alone does not fit into memory ({problem}). {self.remedy}")
        gc.collect()
        torch.cuda.empty_cache()
        self.rows = rows // 2
        effect = f". {self.effect}" if self.effect else ""
        print(
            f"out of memory with {rows} {self.what} at once: continuing with {self.rows} ({problem}){effect}",
            flush=True,
        )
