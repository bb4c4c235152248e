"""The choice of the attention for packed samples, by trying it on the model."""

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.models.attention import EACH, Packed, attend_each
from codetune.models.loading import load_base
from codetune.prompts.tokensets import TokenSample
from codetune.training.attention import choose_attention
from miniatures import FAMILIES, FP32, batch_of, tokens_for
from tiny_models import UNPACKABLE, WINDOWS, random_texts, tiny_model
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


@pytest.mark.parametrize("name", WINDOWS)
def test_packed_samples_longer_than_a_window_keep_to_it(name):
    model = tiny_model(*WINDOWS[name])
    samples = [TokenSample(0, text[:2], text[2:]) for text in random_texts([5, 30, 8, 9, 20, 7])]
    batch = batch_of(samples, 40)
    rows = [batch["input_ids"][:, span] for span in batch["packed"].spans]
    with torch.no_grad():
        alone = [model(input_ids=row, use_cache=False).logits[0] for row in rows]
        choose_attention(model, samples)
        packed = model(**batch, use_cache=False).logits[0]
    assert batch["packed"].longest == 30
    torch.testing.assert_close(packed, torch.cat(alone), atol=1e-4, rtol=1e-4)


def test_the_loss_of_packed_samples_is_that_of_each_alone():
    """With a window, capped scores and capped logits, in the mode of training."""
    model = tiny_model(*WINDOWS["gemma2"]).train()
    samples = [TokenSample(0, text[:2], text[2:]) for text in random_texts([5, 30, 8, 9, 20, 7])]
    batch = batch_of(samples, 40)
    with torch.no_grad():
        alone = [
            model(input_ids=batch["input_ids"][:, span], labels=batch["labels"][:, span], use_cache=False).loss
            for span in batch["packed"].spans
        ]
        choose_attention(model, samples)
        packed = model(**batch, use_cache=False).loss
    counts = torch.tensor([(batch["labels"][:, span] >= 0).sum() for span in batch["packed"].spans])
    torch.testing.assert_close(packed, (torch.stack(alone) * counts).sum() / counts.sum())


@pytest.mark.parametrize("name", UNPACKABLE)
def test_an_attention_that_no_kernel_computes_is_refused_if_only_the_longest_sample_shows_it(name):
    model = tiny_model(*UNPACKABLE[name])
    samples = [TokenSample(0, text[:2], text[2:]) for text in random_texts([4, 30, 4, 5, 6, 4, 5])]
    with pytest.raises(StudyError, match="no attention keeps the packed samples"):
        choose_attention(model, samples)


def test_a_model_that_does_not_hand_on_how_samples_lie_is_refused():
    model = tiny_model("StableLm", {})
    with pytest.raises(
        StudyError, match="no attention keeps the packed samples of this model apart.*packed_each fails"
    ):
        choose_attention(model, [TokenSample(0, text[:2], text[2:]) for text in random_texts([5, 9])])


@pytest.mark.parametrize("name", ["mistral", "gemma2"])
def test_attention_weights_are_dropped_in_training_and_never_else(name):
    kind, settings = WINDOWS[name]
    model = tiny_model(kind, {**settings, "attention_dropout": 0.5})
    samples = [TokenSample(0, text[:2], text[2:]) for text in random_texts([5, 30])]
    choose_attention(model, samples)
    batch = batch_of(samples, 40)
    with torch.no_grad():
        model.train()
        seeds = []
        for seed in (0, 0, 1):
            torch.manual_seed(seed)
            seeds.append(model(**batch, use_cache=False).logits)
        model.eval()
        state = torch.get_rng_state()
        quiet = [model(**batch, use_cache=False).logits for _ in range(2)]
        assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(seeds[0], seeds[1])
    assert not torch.allclose(seeds[0], seeds[2], atol=0.1)
    assert not torch.allclose(seeds[0], quiet[0], atol=0.1)
    assert torch.equal(*quiet)


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
