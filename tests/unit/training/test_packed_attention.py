"""The choice of the attention for packed samples, by trying it on the model."""

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.models.attention import EACH, Packed, attend_each
from codetune.models.loading import load_base
from codetune.prompts.tokensets import TokenSample
from codetune.training.attention import choose_attention
from miniatures import FAMILIES, FP32, batch_of, tokens_for
from transformers import AttentionInterface


@pytest.mark.parametrize("name", FAMILIES)
def test_packed_logits_equal_separate_logits(checkpoints, name):
    """Also for samples longer than Gemma's window of 64 tokens."""
    model = load_base(checkpoints / name, FP32)
    samples = [*tokens_for(checkpoints / name), TokenSample(99, [5] * 40, list(range(3, 60)))]
    batch = batch_of(samples, 200)
    with torch.no_grad():
        alone = [
            model(input_ids=batch["input_ids"][:, span], use_cache=False).logits[0] for span in batch["packed"].spans
        ]
        choose_attention(model, samples)
        packed = model(**batch, use_cache=False).logits[0]
    assert len(alone) == len(samples)
    torch.testing.assert_close(packed, torch.cat(alone), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_whose_packed_samples_see_one_another_is_not_trained(checkpoints, name):
    model = load_base(checkpoints / name, FP32)
    samples = tokens_for(checkpoints / name)
    forward = model.forward

    def leaking(**inputs):  # samples become one text
        if "packed" in inputs:
            inputs["packed"] = Packed([sum(inputs["packed"].lengths)], "cpu")
        return forward(**inputs)

    model.forward = leaking
    with pytest.raises(StudyError, match="no attention keeps the packed samples"):
        choose_attention(model, samples)
    model.forward = forward
    model.set_attn_implementation("eager")
    choose_attention(model, samples)
    assert model.config._attn_implementation == EACH


def test_a_kernel_that_fails_or_leaks_gives_way_to_the_next(checkpoints, monkeypatch, capsys):
    model = load_base(checkpoints / "llama-3.2-1b", FP32)
    samples = tokens_for(checkpoints / "llama-3.2-1b")

    def leaking(module, query, key, value, mask, packed, **options):
        return attend_each(module, query, key, value, mask, Packed([sum(packed.lengths)], "cpu"), **options)

    def missing(*_, **__):
        raise RuntimeError("no kernel for this device\nmore")

    AttentionInterface.register("test_leaking", leaking)
    AttentionInterface.register("test_missing", missing)
    monkeypatch.setattr("codetune.training.attention.packed_kernels", lambda *_: ["test_missing", "test_leaking", EACH])
    choose_attention(model, samples)
    assert model.config._attn_implementation == EACH
    assert "attention test_missing fails (no kernel for this device)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("the sample alone", torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has")),
        ("a kernel", torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has")),
        ("a kernel", RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported")),
        ("a kernel", RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")),
    ],
)
def test_memory_that_runs_out_is_not_taken_for_a_kernel_that_fails(checkpoints, monkeypatch, where, error):
    model = load_base(checkpoints / "llama-3.2-1b", FP32)
    forward = model.forward

    def short_of_memory(**inputs):
        if ("packed" in inputs) == (where == "a kernel"):
            raise error
        return forward(**inputs)

    monkeypatch.setattr(model, "forward", short_of_memory)
    with pytest.raises(StudyError, match=r"memory ran out while attention was tried .*\(CUDA .*\)\. Is another"):
        choose_attention(model, tokens_for(checkpoints / "llama-3.2-1b"))
