"""The trial of the loss: it takes the models whose logits it trains, and changes nothing."""

from itertools import pairwise

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.prompts.tokensets import TokenSample
from codetune.training.trial import try_loss
from tiny_models import WINDOWS, WORDS, random_texts, tiny_model
from trl.trainer.utils import add_fused_lm_head

SAMPLES = [TokenSample(number, text[:3], text[3:]) for number, text in enumerate(random_texts([20, 9, 14]))]


def in_a_trainer(kind, settings):
    """A model as TRL's trainer changes it, with the attention of a packed row."""
    model = tiny_model(kind, settings)
    model.set_attn_implementation("sdpa" if kind != "Gemma2" else "eager")
    add_fused_lm_head(model, outputs=("log_probs",))
    return model


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("Llama", {}), WINDOWS["gemma2"], ("Granite", {"logits_scaling": 4.0}), ("Cohere", {"logit_scale": 0.25})],
)
def test_capped_and_scaled_logits_are_those_of_the_loss(kind, settings, capsys):
    model = in_a_trainer(kind, settings).train()
    state = torch.get_rng_state()
    try_loss(model, SAMPLES)
    assert float(capsys.readouterr().out.split()[4]) < 1e-4
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("ModernBertDecoder", {}), ("Bert", {"is_decoder": True})],
)
def test_a_model_with_a_head_of_its_own_is_not_trained(kind, settings):
    with pytest.raises(StudyError, match=r"^[^\n]*the loss in training differs by [^\n]* Take this model out"):
        try_loss(in_a_trainer(kind, settings), SAMPLES)


def test_a_cap_that_the_loss_does_not_know_is_found():
    model = in_a_trainer(*WINDOWS["gemma2"])
    model.config.final_logit_softcapping = 0.5  # since the trainer was made
    with pytest.raises(StudyError, match="the loss in training differs"):
        try_loss(model, SAMPLES)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_that_is_certain_of_a_text_is_trained(dtype, capsys):
    """Its log-probabilities there are 0, and what rounding makes of 0 is large relative to it."""
    model = in_a_trainer("Llama", {"hidden_size": 100, "head_dim": 16}).to(dtype)
    text = random_texts([9])[0]
    following = dict(pairwise(text))
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(torch.eye(WORDS, 100))
        model.lm_head.weight.zero_()
        for before, after in following.items():
            model.lm_head.weight[after, before] = 30.0
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    try_loss(model, [TokenSample(0, text[:3], text[3:])])
    assert "differs by" in capsys.readouterr().out
