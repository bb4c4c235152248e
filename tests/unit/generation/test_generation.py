"""Greedy decoding on miniature models: the ids that the library gives, in batches that fit."""

import re
import shutil
from collections import Counter
from dataclasses import replace

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.generation.batches import _candidate, generate, make_batches
from codetune.generation.decoding import decode, greedy_config, prefill_groups
from codetune.generation.loading import RESERVE, load_for_decoding, prompt_limit
from codetune.methods.adapters import load_adapter
from codetune.models.loading import Checkpoint, load_base
from codetune.models.quantization import linear_4bit
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.completions import Ending
from codetune.prompts.tokensets import TokenSample
from codetune.study.decoding import Decoding
from miniatures import (
    BF16,
    DECODING,
    FAMILIES,
    FP32,
    MODEL,
    complete,
    out_of_memory_beyond,
    tokens_for,
    trainer_for,
)
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from tunings import PROJECTIONS

ENDING = Ending("", 2, [2], ["<|end|>"])  # of the miniatures, in the paper's template


def by_the_library(model, tokenizer, prompts, decoding, size, stops):
    """What users would run: `generate` on batches in their order, padded on the left; ids up to the end token."""
    options = greedy_config(model, decoding.max_new_tokens, stops)
    completions = []
    for start in range(0, len(prompts), size):
        ids = [prompt.prompt for prompt in prompts[start : start + size]]
        batch = tokenizer.pad({"input_ids": ids}, padding_side="left", return_tensors="pt")
        width = batch["input_ids"].shape[1]
        for row in model.generate(**batch, generation_config=options)[:, width:].tolist():
            end = next((i for i, token in enumerate(row) if token in options.eos_token_id), len(row))
            completions.append(row[: end + 1])
    return completions


@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("name", ["llama-3.2-1b", "gemma-2-2b", "qwen2.5-1.5b", "phi-3-mini"])
def test_fast_decoding_gives_what_the_library_gives(checkpoints, tmp_path, name, tuned):
    """Weights dequantised once, one batch that ended sequences leave: the same ids as 4 bits, batches of 8, `generate`.

    Some sequences of the tuned models end early and others run to the limit, beyond Gemma's window of 64 tokens.
    """
    decoding = Decoding(max_new_tokens=48, batch_size=32, cache_gb=1)
    tokenizer = load_tokenizer(checkpoints / name)
    prompts = tokens_for(checkpoints / name, 20)
    models = [
        load_base(checkpoints / name, FP32),
        load_for_decoding(Checkpoint(str(checkpoints / name), FP32), decoding),
    ]
    if tuned:
        torch.manual_seed(3)
        adapter = LoraConfig(r=4, lora_alpha=8, target_modules=PROJECTIONS, init_lora_weights=False)
        get_peft_model(load_base(checkpoints / name, FP32), adapter).save_pretrained(str(tmp_path))
        models = [load_adapter(model, tmp_path) for model in models]
    assert linear_4bit(models[0])
    assert not linear_4bit(models[1])
    stops = [tokenizer.eos_token_id]
    if tuned:  # models this small never end: take for an end what about half of their completions hold
        rows = by_the_library(models[0], tokenizer, prompts, decoding, 8, stops)
        seen = Counter(token for row in rows for token in set(row) - set(row[:4]))
        stops = sorted([*stops, min(seen, key=lambda token: abs(seen[token] - len(prompts) / 2))])
    expected = by_the_library(models[0], tokenizer, prompts, decoding, 8, stops)
    found = decode(
        models[1],
        [prompt.prompt for prompt in prompts],
        greedy_config(models[1], decoding.max_new_tokens, stops),
    )
    assert found == expected
    assert max(map(len, found)) == 48
    assert not tuned or len({len(row) for row in found}) > 3


def test_weights_stay_in_4_bits_where_memory_is_short(checkpoints, monkeypatch, capsys):
    checkpoint = Checkpoint(str(checkpoints / "llama-3.2-1b"), FP32)
    tokenizer, prompts = load_tokenizer(checkpoint.folder), tokens_for(checkpoint.folder, 9)
    expected = complete(load_for_decoding(checkpoint, DECODING), tokenizer, prompts)
    monkeypatch.setattr("codetune.models.quantization.free_memory", lambda: RESERVE + int(1e9 * DECODING.cache_gb))
    model = load_for_decoding(checkpoint, DECODING)
    assert linear_4bit(model)
    assert "in 4 bits: memory is short" in capsys.readouterr().out
    assert complete(model, tokenizer, prompts) == expected


@pytest.mark.parametrize("name", ["llama-3.2-1b", "gemma-2-2b", "qwen2.5-1.5b", "phi-3-mini"])
def test_batched_greedy_decoding_equals_one_prompt_at_a_time(checkpoints, name):
    model = load_base(checkpoints / name, FP32)
    tokenizer = load_tokenizer(checkpoints / name)
    prompts = tokens_for(checkpoints / name, 9)
    batched = complete(model, tokenizer, prompts)
    single = complete(model, tokenizer, prompts, replace(DECODING, batch_size=1))
    assert batched == single
    assert [prediction.id for prediction in batched] == [prompt.id for prompt in prompts]


def test_a_prediction_is_cut_off_only_without_an_end(checkpoints):
    model = load_base(checkpoints / "llama-3.2-1b", FP32)
    tokenizer = load_tokenizer(checkpoints / "llama-3.2-1b")
    prompts = tokens_for(checkpoints / "llama-3.2-1b", 6)
    for prediction in complete(model, tokenizer, prompts, replace(DECODING, max_new_tokens=3)):
        found = prediction.first
        assert found.tokens <= 3
        assert found.truncated or found.tokens < 3 or "<|end|>" in found.text or found.text == ""


@pytest.mark.parametrize("quantization", [FP32, BF16])
@pytest.mark.parametrize("name", [*FAMILIES, "phi-3-mini"])
def test_padding_is_not_seen(checkpoints, monkeypatch, name, quantization):
    model, tokenizer = load_base(checkpoints / name, quantization), load_tokenizer(checkpoints / name)
    prompts = tokens_for(checkpoints / name, 9)
    assert len({len(prompt.prompt) for prompt in prompts}) > 3
    expected = complete(model, tokenizer, prompts)
    for padding in (tokenizer.pad_token_id, tokenizer.eos_token_id, 777, model.config.vocab_size - 1):
        monkeypatch.setattr("codetune.generation.decoding.PADDING", padding)
        assert complete(model, tokenizer, prompts) == expected


PADS = {
    "outside the embedding": {"pad_token": "<another>"},
    "none": {"pad_token": None},
    "the end": {"pad_token": "<end>"},
}


@pytest.mark.parametrize("case", PADS)
def test_a_tokenizer_s_padding_changes_neither_training_nor_predictions(checkpoints, tmp_path, case):
    folder, samples = shutil.copytree(checkpoints / MODEL, tmp_path / "checkpoint"), tokens_for(checkpoints / MODEL)
    tokenizer = load_tokenizer(folder)
    pad = {key: tokenizer.eos_token if value == "<end>" else value for key, value in PADS[case].items()}
    tokenizer.add_special_tokens(pad) if pad["pad_token"] else setattr(tokenizer, "pad_token", None)
    tokenizer.save_pretrained(str(folder))
    assert (load_tokenizer(folder).pad_token_id in (None, tokenizer.eos_token_id)) == (case != "outside the embedding")
    found = []
    for place in (folder, checkpoints / MODEL):
        trainer = trainer_for(place, tmp_path / str(len(found)), samples)
        trainer.run()
        weights = {name: value.clone() for name, value in get_peft_model_state_dict(trainer.model).items()}
        found.append((weights, complete(load_base(place, FP32), load_tokenizer(place), samples[:4])))
    assert found[0][0].keys() == found[1][0].keys()
    assert all(torch.equal(value, found[1][0][name]) for name, value in found[0][0].items())
    assert found[0][1] == found[1][1]


@pytest.mark.parametrize("stops", [[-1], [1024], [2, 10**6]])
def test_an_end_token_that_the_model_cannot_write_is_one_line(checkpoints, stops):
    model = load_base(checkpoints / MODEL, FP32)
    assert model.config.vocab_size == 1024
    with pytest.raises(StudyError, match=r"the end token [-\d,]+ is none of the model's 1,024 tokens"):
        greedy_config(model, 5, stops)


def test_nothing_of_a_checkpoint_s_own_decoding_settings_is_left(checkpoints):
    """Qwen2.5 ships a repetition penalty, which greedy decoding would inherit."""
    model = load_base(checkpoints / "qwen2.5-1.5b", FP32)
    assert model.generation_config.repetition_penalty == 1.05
    prompts = tokens_for(checkpoints / "qwen2.5-1.5b", 2)
    complete(model, load_tokenizer(checkpoints / "qwen2.5-1.5b"), prompts)
    assert model.generation_config.repetition_penalty == 1.0
    assert model.generation_config.do_sample is False


def test_batches_hold_their_budget_and_every_prompt_once():
    prompts = [TokenSample(i, [1] * (5 + i % 40), [2] * (i * 7 % 90 + 1)) for i in range(300)]
    batches = list(make_batches(prompts, Decoding(max_new_tokens=20, batch_size=32, cache_gb=1), cache_tokens=1000))
    assert sorted(i for batch in batches for i in batch) == list(range(300))
    for batch in batches:
        longest = max(len(prompts[i].prompt) for i in batch)
        assert len(batch) <= 32
        assert len(batch) == 1 or len(batch) * (longest + 20) <= 1000
    expected = [len(prompts[i].completion) for batch in batches for i in batch]
    assert expected == sorted(expected, reverse=True)


def test_prompts_are_read_with_those_of_like_length():
    lengths = [10, 300, 12, 90, 295, 11, 100]
    groups = prefill_groups(lengths)
    assert sorted(row for group in groups for row in group) == list(range(7))
    assert [[lengths[row] for row in group] for group in groups] == [[300, 295], [100, 90], [12, 11, 10]]
    assert [len(group) for group in prefill_groups([9000] * 7)] == [3, 3, 1]  # 32,768 tokens at once
    assert prefill_groups([50000]) == [[0]]


def test_generation_goes_on_with_fewer_prompts_at_once(checkpoints, tmp_path, capsys):
    model, tokenizer = load_base(checkpoints / MODEL, FP32), load_tokenizer(checkpoints / MODEL)
    prompts = tokens_for(checkpoints / MODEL, 9)
    expected = generate(model, tokenizer, prompts, DECODING, ENDING, prompt_limit(DECODING), tmp_path / "a")
    seen = out_of_memory_beyond(model, 3, lambda inputs: len(inputs["input_ids"]))
    limit = prompt_limit(DECODING)
    assert generate(model, tokenizer, prompts, DECODING, ENDING, limit, tmp_path / "b") == expected
    assert limit.rows == 2
    assert max(seen[2:]) == 2
    assert "out of memory with 8 prompts at once: continuing with 4" in capsys.readouterr().out


@pytest.mark.parametrize("tail", [b"", b'{"seconds": 1.0, "predic', b"\0\0\0\0", b"[]\n", b"\xff\n"])
def test_generation_goes_on_after_the_last_whole_batch(checkpoints, tmp_path, capsys, tail):
    model, tokenizer = load_base(checkpoints / MODEL, FP32), load_tokenizer(checkpoints / MODEL)
    prompts = tokens_for(checkpoints / MODEL, 9)
    decoding = replace(DECODING, batch_size=2)
    kept = tmp_path / "kept"
    expected = generate(model, tokenizer, prompts, decoding, ENDING, prompt_limit(decoding), kept)
    lines = kept.read_bytes().splitlines(keepends=True)
    assert len(lines) == 5
    kept.write_bytes(b"".join(lines[:3]) + tail)
    seen = []
    forward = model.forward
    model.forward = lambda *a, **k: seen.append(len(k["input_ids"])) or forward(*a, **k)
    assert generate(model, tokenizer, prompts, decoding, ENDING, prompt_limit(decoding), kept) == expected
    assert "going on after 6 of 9 prompts" in capsys.readouterr().out
    assert 0 < len(seen) <= 2 * DECODING.max_new_tokens
    assert len(kept.read_bytes().splitlines()) == 5


def test_decoding_stops_at_each_end_and_reads_its_text_up_to_there(checkpoints):
    """The same completions, ended by other tokens and texts: each is a start of what the model writes without them."""
    model, tokenizer = load_base(checkpoints / MODEL, FP32), load_tokenizer(checkpoints / MODEL)
    prompts = [prompt.prompt for prompt in tokens_for(checkpoints / MODEL, 6)]
    whole = decode(model, prompts, greedy_config(model, 24, [2]))
    stops = sorted({2, *(row[5] for row in whole)})
    found = decode(model, prompts, greedy_config(model, 24, stops))
    for row, longer in zip(found, whole, strict=True):
        place = next(place for place, token in enumerate(longer) if token in stops or place == len(longer) - 1)
        assert row == longer[: place + 1]
    assert any(len(row) < len(longer) for row, longer in zip(found, whole, strict=True))
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(stops[-1])  # in base checkpoints, the pad token is an end
    assert decode(model, prompts, greedy_config(model, 24, stops)) == found


@pytest.mark.parametrize(
    ("text", "answer", "truncated"),
    [
        ("x = 1<|eot|>", "x = 1", False),
        ("x = 1\n<|begin|>user\ny", "x = 1", False),
        ("x = 1\n### Instruction:\ny", "x = 1", False),
        ("x = 1\ny", "x = 1\ny", True),
        ("<|eot|>", "", False),
    ],
)
def test_the_first_end_of_a_completion_counts(checkpoints, text, answer, truncated):
    tokenizer = load_tokenizer(checkpoints / MODEL)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    prediction = _candidate((ids, None), tokenizer, Ending("\n", 2, [1, 2], ["### Instruction:"]))
    assert (prediction.text, prediction.truncated) == (answer, truncated)
    ends = [place for place, token in enumerate(ids, start=1) if token in (1, 2)]
    assert prediction.tokens == (ends[0] if ends else len(ids))


def test_generation_says_how_far_it_is_also_within_a_batch_and_after_an_earlier_attempt(
    checkpoints, tmp_path, capsys, stretches
):
    model, tokenizer = load_base(checkpoints / MODEL, FP32), load_tokenizer(checkpoints / MODEL)
    assert any(one.what.startswith("loading the checkpoint in ") for one in stretches)
    prompts, decoding, kept = tokens_for(checkpoints / MODEL, 5), replace(DECODING, batch_size=2), tmp_path / "kept"
    for first in (0, 2):
        stretches.clear()
        generate(model, tokenizer, prompts, decoding, ENDING, prompt_limit(decoding), kept)
        whole, *batches = stretches
        assert (whole.what, whole.first, whole.done, whole.total) == ("generation", first, 5, 5)
        assert [one.what for one in batches] == ["a batch of 2", "a batch of 2", "a batch of 1"][first // 2 :]
        assert all(one.total == DECODING.max_new_tokens > one.done > 0 for one in batches)
        lines = capsys.readouterr().out.splitlines()
        said = r"generation: 5 of 5 prompts, 100 %, [\d,]+ tokens/s, [\d.]+ GiB of process memory"
        assert re.fullmatch(said, lines[-1])
        kept.write_bytes(b"".join(kept.read_bytes().splitlines(keepends=True)[:1]))
