"""The loss on a CPU: what TRL computes, from few rows of logits at a time."""

import pytest
import torch
import trl.trainer.utils
from codetune.models import device
from codetune.training.loss import ROWS, RowwiseLogProbs, use_rowwise_loss
from miniatures import MODEL, tokens_for, trainer_for
from trl.kernels.chunked_logprob import ChunkedLogProbFunction

OUTPUTS = ("log_probs", "entropy", "is_top1")
NONE = {"bias": False, "softcap": None, "scale": 1.0, "temperature": 1.0}
VARIANTS = [
    NONE,
    NONE | {"bias": True},
    NONE | {"softcap": 5.0},
    NONE | {"scale": 0.25},
    NONE | {"temperature": 1.5},
    {"bias": True, "softcap": 5.0, "scale": 0.25, "temperature": 1.5},
]


def drawn(rows, dtype=torch.float32, vocabulary=501):
    generator = torch.Generator().manual_seed(1)

    def numbers(*shape):
        return torch.randn(*shape, generator=generator).to(dtype)

    targets = torch.randint(0, vocabulary, (rows,), generator=generator)
    return numbers(rows, 32), numbers(vocabulary, 32) / 4, numbers(vocabulary), targets, numbers(rows).float()


def computed(function, variant, hidden, weight, bias, targets, factors):
    """Log-probabilities, gradient of the hidden states, and which targets are the likeliest tokens."""
    hidden = hidden.clone().requires_grad_()
    bias = bias if variant["bias"] else None
    options = variant["temperature"], 200, variant["softcap"], variant["scale"], OUTPUTS
    log_probs, _, _, _, is_top = function.apply(hidden, weight, bias, targets, *options)
    (log_probs * factors).sum().backward()
    return log_probs.detach(), hidden.grad, is_top


def exactly(variant, hidden, weight, bias, targets, factors):
    """The same by the definition, in float64."""
    hidden = hidden.double().requires_grad_()
    logits = hidden @ weight.double().T + (bias.double() if variant["bias"] else 0)
    logits = logits * variant["scale"]
    if variant["softcap"]:
        logits = variant["softcap"] * torch.tanh(logits / variant["softcap"])
    log_probs = (logits / variant["temperature"]).log_softmax(-1).gather(1, targets[:, None])[:, 0]
    (log_probs * factors).sum().backward()
    return log_probs.detach(), hidden.grad, logits.argmax(-1) == targets


def distance(one, other):
    return ((one.double() - other.double()).norm() / other.double().norm()).item()


@pytest.mark.parametrize("rows", [1, ROWS, 2 * ROWS + 3])
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_it_is_the_logits_own_loss_with_its_gradient(variant, rows):
    given = drawn(rows)
    found, expected = computed(RowwiseLogProbs, variant, *given), exactly(variant, *given)
    assert distance(found[0], expected[0]) < 1e-6
    assert distance(found[1], expected[1]) < 2e-6
    assert torch.equal(found[2], expected[2])


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_in_bf16_it_is_about_as_far_from_exact_as_trl_is(variant):
    given = drawn(200, torch.bfloat16)
    expected = exactly(variant, *given)
    ours, theirs = (computed(function, variant, *given) for function in (RowwiseLogProbs, ChunkedLogProbFunction))
    for found, theirs_found, exact in zip(ours[:2], theirs[:2], expected[:2], strict=True):
        assert distance(found, exact) < 1.5 * distance(theirs_found, exact)
        assert found.dtype == theirs_found.dtype


def test_without_labels_there_is_nothing_to_compute():
    found = computed(RowwiseLogProbs, NONE, *drawn(0))
    assert [len(part) for part in found] == [0, 0, 0]


def test_an_evaluation_computes_no_gradient(monkeypatch):
    monkeypatch.setattr(torch, "mm", None)
    hidden, weight, _, targets, _ = drawn(3)
    with torch.no_grad():
        log_probs = RowwiseLogProbs.apply(hidden, weight, None, targets, 1.0, 200, None, 1.0, OUTPUTS)[0]
    assert not log_probs.requires_grad


def test_a_model_that_diverged_has_no_loss():
    hidden, *others = drawn(3)
    log_probs, gradient, _ = computed(RowwiseLogProbs, NONE, hidden * torch.nan, *others)
    assert log_probs.isnan().all()
    assert gradient.isnan().all()


@pytest.mark.parametrize(("where", "used"), [("cpu", True), ("cuda:0", False)])
def test_only_a_training_on_a_cpu_takes_it(where, used, checkpoints, tmp_path, monkeypatch):
    """TRL's Triton kernels read each logit once on a GPU."""
    monkeypatch.setattr(trl.trainer.utils, "_ChunkedLogProbFunction", ChunkedLogProbFunction)
    monkeypatch.setattr("codetune.training.build.device", lambda: where)
    monkeypatch.setattr("codetune.training.build._arguments", lambda *_: pytest.fail("as far as needed"))
    assert device.device() == "cpu"
    with pytest.raises(pytest.fail.Exception, match="as far as needed"):
        trainer_for(checkpoints / MODEL, tmp_path, tokens_for(checkpoints / MODEL))
    assert (trl.trainer.utils._ChunkedLogProbFunction is RowwiseLogProbs) == used


def test_trl_computes_the_loss_by_the_name_that_is_replaced(monkeypatch):
    from transformers import LlamaConfig, LlamaForCausalLM

    size = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=32, **size))
    trl.trainer.utils.add_fused_lm_head(model, outputs=OUTPUTS)
    batch = {"input_ids": torch.tensor([[1, 2, 3, 4]]), "labels": torch.tensor([[-100, 2, 3, 4]])}
    monkeypatch.setattr(trl.trainer.utils, "_ChunkedLogProbFunction", ChunkedLogProbFunction)
    theirs = model(**batch, fused_lm_head=True)
    assert theirs.entropy.any()
    use_rowwise_loss()
    ours = model(**batch, fused_lm_head=True)
    assert not ours.entropy.any(), "it is not computed"
    assert ours.loss.item() == pytest.approx(theirs.loss.item(), rel=1e-5)
