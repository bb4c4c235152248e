"""The learning rate over a training: what tables compute is what transformers' schedules do."""

import pytest
import torch
from codetune.methods.schedule import share_of_highest
from transformers import get_scheduler


@pytest.mark.parametrize("warmup", [0, 3, 20])
@pytest.mark.parametrize("name", ["cosine", "linear", "constant"])
def test_the_share_of_the_highest_rate_is_that_of_the_library(name, warmup):
    """Warm-up included, also one that is longer than the training."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=12)
    for step in range(13):
        assert share_of_highest(name, warmup, step, 12) == pytest.approx(schedule.get_last_lr()[0], abs=1e-15)
        optimizer.step()
        schedule.step()


def test_five_of_fifty_epochs_leave_a_cosine_hardly_begun():
    assert round(share_of_highest("cosine", 0, 5, 50), 3) == 0.976
