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


@pytest.mark.parametrize(("effect", "end"), [("", "memory)\n"), ("Texts may differ", "memory). Texts may differ\n")])
def test_the_log_says_what_a_lower_limit_changes(capsys, effect, end):
    limit = RowLimit(4, "sequences", "Do this.", effect)

    def compute(rows):
        if rows.stop - rows.start > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate much.")
        return rows.start

    assert limit.map(compute, 3, undo=lambda: None) == [0, 1, 2]
    said = capsys.readouterr().out
    assert said.startswith("out of memory with 3 sequences at once: continuing with 1 (CUDA out of ")
    assert said.endswith(end)
