"""The learning rate over a training: what tables compute is what transformers' schedules do."""

import pytest
import torch
from codetune.methods.schedule import share_of_highest, steps_of_warmup
from transformers import TrainingArguments, get_scheduler


@pytest.mark.parametrize("warmup", [0, 3, 20, 0.1, 0.9])
@pytest.mark.parametrize("name", ["cosine", "linear", "constant"])
def test_the_share_of_the_highest_rate_is_that_of_the_library(name, warmup):
    """Warm-up included, also one that is longer than the training."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    library = {"constant": "constant_with_warmup"}.get(name, name)
    schedule = get_scheduler(library, optimizer, steps_of_warmup(warmup, 12), num_training_steps=12)
    for step in range(13):
        assert share_of_highest(name, warmup, step, 12) == pytest.approx(schedule.get_last_lr()[0], abs=1e-15)
        optimizer.step()
        schedule.step()


def test_five_of_fifty_epochs_leave_a_cosine_hardly_begun():
    assert round(share_of_highest("cosine", 0, 5, 50), 3) == 0.976


@pytest.mark.parametrize("planned", [1, 2, 7, 100, 850])
@pytest.mark.parametrize("warmup", [0, 0.0, 1e-6, 0.03, 0.5, 0.999, 1, 1.0, 10])
def test_a_share_of_warm_up_is_resolved_as_the_library_does(warmup, planned, tmp_path):
    arguments = TrainingArguments(output_dir=str(tmp_path), warmup_steps=warmup)
    assert steps_of_warmup(warmup, planned) == arguments.get_warmup_steps(planned)
