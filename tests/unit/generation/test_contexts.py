"""Each text of a batch is what a model makes of it alone, whatever its windows, its ropes and its context."""

from types import SimpleNamespace

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.generation.decoding import decode, prefill
from codetune.generation.trial import try_decoding
from codetune.models.caches import cache_bytes
from codetune.models.context import context_of
from codetune.prompts.tokensets import TokenSample
from tiny_models import CONTEXT, CONTEXTS, UNDECODABLE, UNPACKABLE, WINDOWS, random_texts, tiny_model
from transformers import GenerationConfig

ENDS = [2, 5, 6, 7]  # some completions end early
OPTIONS = GenerationConfig(max_new_tokens=16, eos_token_id=ENDS, pad_token_id=0)


def alone(model, prompt, context):
    """A completion, computed anew for each token without cache, batch or padding."""
    ids = list(prompt)
    with torch.no_grad():
        for _ in range(min(OPTIONS.max_new_tokens, context - len(prompt))):
            ids.append(model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax().item())
            if ids[-1] in ENDS:
                break
    return ids[len(prompt) :]


@pytest.mark.parametrize("name", [*WINDOWS, *UNPACKABLE])
def test_decoding_keeps_to_a_window_shorter_than_the_text(name):
    model = tiny_model(*(WINDOWS | UNPACKABLE)[name])
    prompts = random_texts([3, 20, 12, 30, 5])
    found = decode(model, prompts, OPTIONS, context_of(model.config))
    assert found == [alone(model, prompt, 256) for prompt in prompts]
    assert max(map(len, found)) == 16


@pytest.mark.parametrize("name", CONTEXTS)
def test_completions_end_at_the_context_and_do_not_depend_on_the_batch(name):
    """Beyond it a rope would have other frequencies for all texts, and learned positions would not exist.

    The batch is so large that the first to end stays in it for some steps.
    """
    model = tiny_model(*CONTEXTS[name])
    prompts = random_texts([3, 20, 31, 30, 5, 32, 33, 40, 12, *range(6, 18)])
    found = decode(model, prompts, OPTIONS, context_of(model.config))
    assert found == [alone(model, prompt, CONTEXT) for prompt in prompts]
    assert max(len(prompt) + len(new) for prompt, new in zip(prompts, found, strict=True) if new) == CONTEXT
    assert [len(new) for prompt, new in zip(prompts, found, strict=True) if len(prompt) >= CONTEXT] == [0, 0, 0]


def test_a_batch_of_prompts_that_all_fill_the_context_is_not_read():
    model = SimpleNamespace(config=SimpleNamespace(is_encoder_decoder=False))
    assert decode(model, [[3] * CONTEXT, [4] * 50], OPTIONS, CONTEXT) == [[], []]


@pytest.mark.parametrize("name", [*WINDOWS, *UNPACKABLE, *CONTEXTS])
def test_the_trial_takes_models_that_decode_as_alone(name, capsys):
    model = tiny_model(*(WINDOWS | UNPACKABLE | CONTEXTS)[name])
    try_decoding(model, [TokenSample(0, text, text[::-1]) for text in random_texts([3, 20, 12, 40])], 16)
    difference = float(capsys.readouterr().out.split()[3])
    assert difference < 1e-3


@pytest.mark.parametrize("name", UNDECODABLE)
def test_the_trial_refuses_models_that_do_not(name):
    """An encoder sees what comes after; a state space keeps something else than keys and values."""
    model = tiny_model(*UNDECODABLE[name])
    prompts = [TokenSample(0, text, text[::-1]) for text in random_texts([3, 20, 12])]
    with pytest.raises(StudyError, match=r"^[^\n]*(logits differ|cannot be decoded)[^\n]*Take the model out"):
        try_decoding(model, prompts, 16)


def test_the_trial_refuses_a_rope_that_changes_within_what_is_taken_for_the_context(monkeypatch):
    model = tiny_model(*CONTEXTS["longrope"])
    monkeypatch.setattr("codetune.generation.trial.context_of", lambda _: 256)
    prompts = [TokenSample(0, text, text[::-1]) for text in random_texts([3, 20])]
    with pytest.raises(StudyError, match="logits differ"):
        try_decoding(model, prompts, 16)


def test_the_trial_refuses_weights_that_are_no_numbers():
    model = tiny_model(*CONTEXTS["declared"])
    model.lm_head.weight.data[:] = float("nan")
    with pytest.raises(StudyError, match="logits differ"):
        try_decoding(model, [TokenSample(0, [3, 4, 5], [6, 7])], 16)


def test_the_trial_says_that_memory_ran_out():
    model = tiny_model(*CONTEXTS["declared"])

    def forward(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    model.forward = forward
    with pytest.raises(StudyError, match=r"^memory ran out while decoding was tried"):
        try_decoding(model, [TokenSample(0, [3, 4, 5], [6, 7])], 16)


@pytest.mark.parametrize("text", [[3], [3, 4]])
def test_the_trial_takes_the_shortest_texts(text):
    try_decoding(tiny_model(*CONTEXTS["declared"]), [TokenSample(0, text[:1], text[1:])], 16)


@pytest.mark.parametrize("name", [*WINDOWS, *UNPACKABLE, *CONTEXTS])
def test_the_cache_takes_what_batches_are_sized_by(name):
    """Whatever config.json calls the sizes: `n_head` in GPT-2's, `n_heads` in MPT's."""
    model = tiny_model(*(WINDOWS | UNPACKABLE | CONTEXTS)[name])
    with torch.no_grad():
        _, _, cache = prefill(model, random_texts([5]))
    held = sum(2 * layer.keys.numel() // layer.keys.shape[2] for layer in cache.layers)
    assert cache_bytes(model.config, itemsize=1) == held
