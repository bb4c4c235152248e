"""Each patch of a library is still needed: these tests fail when the library can do without, and the patch may go."""

import inspect
import subprocess
import sys

import pytest
import torch
from codetune.models import patches
from conftest import ROOT

TESTED_HERE = {"compute_labelled_logits_only", "without_torch"}


def test_no_patch_goes_untested():
    functions = inspect.getmembers(patches, inspect.isfunction)
    assert {name for name, function in functions if function.__module__ == patches.__name__} == TESTED_HERE


@pytest.mark.parametrize(("around", "loaded"), [("nullcontext()", True), ("without_torch()", False)])
def test_transformers_loads_torch_for_a_tokenizer_unless_it_is_kept_from_it(around, loaded):
    """In a process of its own; none of what keeps torch out is left behind."""
    code = (
        "import sys; from contextlib import nullcontext; from codetune.models.patches import without_torch\n"
        f"with {around}:\n    from transformers import AutoTokenizer\n    AutoTokenizer.from_pretrained\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "workflow/scripts", check=True, capture_output=True, text=True
    )
    assert done.stdout.split()[-1] == str(loaded)


def test_a_process_that_has_torch_keeps_it():
    with patches.without_torch():
        assert sys.modules["torch"] is torch
    assert sys.modules["torch"] is torch


@pytest.fixture
def trl_as_it_is(monkeypatch):
    """TRL as if nothing had been patched; afterwards it is again what it was before the test."""
    from trl.kernels import chunked_logprob
    from trl.trainer import utils

    monkeypatch.setattr(utils, "_use_triton", chunked_logprob._use_triton)
    return utils


def test_trl_scores_every_position_on_a_cpu_unless_it_is_told_not_to(trl_as_it_is, monkeypatch):
    from transformers import LlamaConfig, LlamaForCausalLM

    size = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=32, **size))
    trl_as_it_is.add_fused_lm_head(model)
    score, scored = trl_as_it_is._ChunkedLogProbFunction.apply, []

    def noting(hidden, *more):
        scored.append(len(hidden))
        return score(hidden, *more)

    monkeypatch.setattr(trl_as_it_is._ChunkedLogProbFunction, "apply", noting)
    batch = {"input_ids": torch.tensor([[1, 2, 3, 4, 5]]), "labels": torch.tensor([[-100, -100, -100, 4, 5]])}
    before = model(**batch, fused_lm_head=True).loss
    patches.compute_labelled_logits_only()
    after = model(**batch, fused_lm_head=True).loss
    assert scored == [4, 2]
    assert after.item() == pytest.approx(before.item(), rel=1e-5)


def test_trl_takes_a_cpu_for_a_device_that_compiles_anew(trl_as_it_is):
    assert trl_as_it_is._use_triton(torch.device("cpu")) is False
