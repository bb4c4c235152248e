"""The validation loss by hand, on a model whose log-likelihoods are written into its tokens; and early stopping."""

import math
from types import SimpleNamespace

import pytest
import torch
from codetune.models.memory import RowLimit
from codetune.prompts.tokensets import TokenSample
from codetune.training.batches import collate, pack_samples
from codetune.training.validation import Validation

# Each token's negative log-likelihood is a tenth of its id: 0.5 + 0.7 + 1.1 + 0.3 over four tokens of completions.
SAMPLES = [TokenSample(0, [90, 91], [5, 7]), TokenSample(1, [92], [11]), TokenSample(2, [93, 94, 95], [3])]
SUM, TOKENS = 2.6, 4


class Told(torch.nn.Module):
    """Gives the log-likelihoods that its input names, and remembers how it was called."""

    def __init__(self, most_rows=99):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.most_rows, self.calls = most_rows, []

    def forward(self, input_ids, labels, position_ids, packed, use_cache, fused_lm_head):
        self.calls.append((self.training, torch.is_grad_enabled(), use_cache, fused_lm_head, len(packed.lengths)))
        if len(packed.lengths) > self.most_rows:
            raise torch.OutOfMemoryError("CUDA out of memory. ")
        torch.rand(3)  # a draw of random numbers
        mask = labels != -100
        log_probs = torch.where(mask, -0.1 * labels.double(), 0.0) * self.weight.double()
        return SimpleNamespace(log_probs=log_probs, label_mask=mask)


def batches(size):
    """One sequence per sample, so many in a batch."""
    sequences = [sequence for sample in SAMPLES for sequence in pack_samples([sample], 8)]
    return [collate(sequences[start : start + size]) for start in range(0, len(sequences), size)]


def limit(rows=8):
    return RowLimit(rows, "sequences", "Do this.")


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_loss_is_a_mean_over_tokens_however_they_are_batched(size):
    found = Validation(completion_bytes=10, interval=1, patience=1).measure(Told(), batches(size), limit())
    assert found["eval_loss"] == pytest.approx(SUM / TOKENS)
    assert found["eval_bits_per_byte"] == pytest.approx(SUM / math.log(2) / 10)


def test_tokens_without_text_have_no_bits_per_byte():
    """The space that SentencePiece puts before a text may be all that truncation leaves."""
    found = Validation(completion_bytes=0, interval=1, patience=1).measure(Told(), batches(1), limit())
    assert found["eval_loss"] == pytest.approx(SUM / TOKENS)
    assert math.isnan(found["eval_bits_per_byte"])


def test_a_batch_that_does_not_fit_is_measured_in_parts():
    model, rows = Told(most_rows=1), limit()
    found = Validation(10, 1, 1).measure(model, batches(3), rows)
    assert found["eval_loss"] == pytest.approx(SUM / TOKENS)
    assert rows.rows == 1
    assert [call[-1] for call in model.calls] == [3, 1, 1, 1]


def test_measuring_leaves_the_training_as_it_was():
    model = Told().train()
    before = torch.get_rng_state()
    Validation(10, 1, 1).measure(model, batches(2), limit())
    assert {call[:4] for call in model.calls} == {(False, False, False, True)}
    assert model.training
    assert torch.equal(torch.get_rng_state(), before)


def history(*steps):
    """A log in which the loss was measured after these steps, with a step's own row after each."""
    return [row for step in steps for row in ({"step": step, "eval_loss": 1.0}, {"step": step + 1, "loss": 1.0})]


@pytest.mark.parametrize(
    ("step", "measured", "due"),
    [(0, [], True), (0, [0], False), (2, [0], False), (3, [0], True), (3, [0, 3], False), (7, [0, 3, 6], True)],
)
def test_a_validation_is_due_at_each_interval_and_at_the_end_once(step, measured, due):
    assert Validation(10, interval=3, patience=1).is_due(step, 7, history(*measured)) is due


@pytest.mark.parametrize(
    ("loss", "best", "better"),
    [(1.0, None, True), (1.0, 2.0, True), (2.0, 2.0, False), (math.nan, None, False), (math.nan, 2.0, False)],
)
def test_a_better_loss_is_a_lower_number(loss, best, better):
    assert Validation(10, 1, 1).is_better(loss, best) is better


PATIENCE = [
    ([0, 3], 3, False),
    ([0, 3, 6], 3, False),
    ([0, 3, 6, 9], 3, True),
    ([0, 3, 6, 9], 6, False),
    ([0, 3], None, False),
    ([0, 3, 6], None, True),  # the untrained adapter's does not count
]


@pytest.mark.parametrize(("measured", "best", "over"), PATIENCE)
def test_without_a_patience_no_validation_ends_a_training(measured, best, over):
    """Not even where the patience of two would be over."""
    assert Validation(10, interval=3, patience=None).ends_training(history(*measured), best) is False


@pytest.mark.parametrize(("measured", "best", "over"), PATIENCE)
def test_the_patience_is_over_after_so_many_validations_without_a_better_one(measured, best, over):
    assert Validation(10, interval=3, patience=2).ends_training(history(*measured), best) is over
