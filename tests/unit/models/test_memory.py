"""Batches that shrink when memory runs out."""

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.models.memory import RowLimit


def test_one_row_that_does_not_fit_is_an_error():
    limit = RowLimit(4, "sequences", "Do this.")

    def compute(rows):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate much.")

    with pytest.raises(
        StudyError, match=r"one of the sequences alone does not fit .*\(CUDA out of memory\)\. Do this\."
    ):
        limit.map(compute, 3, undo=lambda: None)
