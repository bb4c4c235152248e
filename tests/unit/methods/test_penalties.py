"""What a type adds to the loss, which TRL's loss from log-probabilities does not hold."""

from dataclasses import replace

import pytest
import torch
from codetune.methods.penalties import penalty
from codetune.study.method import TuningSettings
from miniatures import FP32, MODEL, PLAN, batch_of, tokens_for, trainer_for
from tunings import PROJECTIONS, lora

ADALORA = {"type": "ADALORA", "init_r": 4, "target_r": 2, "target_modules": PROJECTIONS}
KASA = {**lora().peft, "kasa_config": {"beta": 0.5, "gamma": 0.5}}


def trainer_of(checkpoints, folder, keys, quantization=FP32):
    settings = replace(PLAN.settings, learning_rate=1e-12)  # so that weights stay where they are
    plan = replace(PLAN, tuning=TuningSettings("peft", keys), quantization=quantization, settings=settings)
    return trainer_for(checkpoints / MODEL, folder, tokens_for(checkpoints / MODEL, 12), plan)


def gradients_of(model, value):
    """The gradients of a sum, by parameter."""
    model.zero_grad()
    value.backward()
    found = {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}
    model.zero_grad()
    return found


def test_adalora_s_penalty_is_what_peft_adds_to_the_loss_of_its_own_forward(checkpoints, tmp_path):
    """PEFT adds it to `outputs.loss`, which TRL does not read."""
    trainer = trainer_of(checkpoints, tmp_path, ADALORA)
    model = trainer.model.train()
    batch = batch_of(tokens_for(checkpoints / MODEL, 2))
    outputs = model(**batch, use_cache=False, fused_lm_head=True)
    added = outputs.loss + outputs.log_probs.sum() / outputs.label_mask.sum()
    ours = penalty(model)
    assert ours.item() == pytest.approx(added.item(), rel=1e-5) and ours.item() > 0.1
    expected = gradients_of(model, added)
    found = gradients_of(model, penalty(model))
    for name, gradient in found.items():
        assert torch.allclose(gradient, expected[name], atol=1e-6)


def test_kasa_s_penalty_is_peft_s(checkpoints, tmp_path):
    model = trainer_of(checkpoints, tmp_path, KASA, FP32.of_type("none")).model.train()
    assert penalty(model).item() == pytest.approx(model.base_model._get_kasa_loss().item()) and penalty(model) > 0


@pytest.mark.parametrize("keys", [lora().peft, {**ADALORA, "orth_reg_weight": 0.0}], ids=["LORA", "without weight"])
def test_nothing_is_added_for_others(checkpoints, tmp_path, keys):
    assert penalty(trainer_of(checkpoints, tmp_path, keys).model) is None


def test_each_step_of_the_optimizer_has_the_penalty_once(checkpoints, tmp_path):
    """However many micro-batches there are: the gradient of a step is that of the mean loss plus the penalty."""
    trainer = trainer_of(checkpoints, tmp_path, ADALORA)
    seen = []

    def note(model, step):
        seen.append({name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None})
        raise InterruptedError

    batches = []
    compute = trainer.compute_loss
    trainer.compute_loss = lambda model, inputs, **options: (
        batches.append(({**inputs}, options["num_items_in_batch"])),
        compute(model, inputs, **options),
    )[1]
    trainer.args.max_grad_norm = 0  # so that gradients are as they were added up
    trainer.tuning.after_step = note
    with pytest.raises(InterruptedError):
        trainer.run()
    batches = batches[2:]  # behind the trial of a step
    assert len(batches) == trainer.args.gradient_accumulation_steps == 2
    model = trainer.model.train()
    losses = [compute(model, inputs, num_items_in_batch=count) for inputs, count in batches]
    expected = gradients_of(model, sum(losses) + penalty(model))
    assert seen[0].keys() == expected.keys()
    for name, gradient in seen[0].items():
        assert (gradient - expected[name]).norm() <= 1e-3 * expected[name].norm(), name
