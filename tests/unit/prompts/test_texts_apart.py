"""Tokens for an encoder-decoder: prompt and completion are two texts, each with a length of its own."""

import json
from dataclasses import asdict, replace

import jsonschema
import pytest
from codetune.base.files import read_json, write_jsonl
from codetune.data.samples import Sample
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.prompt import PromptInputs, tokenize_prompts
from codetune.prompts.sequences import sequences_and_tokens
from codetune.prompts.serialising import serialisation_of
from codetune.prompts.tokenizing import encode, tokenize_training_data
from codetune.prompts.tokensets import TokenSample, read_tokens, truncate
from codetune.study.method import TuningSettings
from codetune.study.template import BUILT_IN, Template
from conftest import ROOT
from fake_records import write_split
from make_samples import make_records
from miniatures import PLAN
from tiny_roberta import build_roberta
from tiny_t5 import build_t5
from tunings import lora

TEMPLATE = BUILT_IN["instruction"]
SAMPLES = [Sample(number, **record) for number, record in enumerate(make_records(30, seed=5))]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return build_t5(tmp_path_factory.mktemp("t5") / "t5", steps=0)


@pytest.fixture
def tokenize(checkpoint, tmp_path):
    """Tokenises the samples as rule tokenize does; returns the kept samples of a part, and the statistics."""
    parts = {name: str(tmp_path / f"{name}.jsonl") for name in ("train", "validation", "test")}
    for path in parts.values():
        write_jsonl(path, map(asdict, SAMPLES))
    inputs = {name: parts[name] for name in ("train", "validation")}
    inputs["split"] = write_split(tmp_path / "split.json", **parts)
    targets = {name: str(tmp_path / f"{name}.arrow") for name in ("train", "validation")}
    targets["stats"] = str(tmp_path / "stats.json")

    def run(max_length):
        tokenize_training_data(inputs, checkpoint, TEMPLATE, max_length, targets)
        return read_tokens(targets["train"]), read_json(targets["stats"])

    return run


def test_each_text_is_tokenised_as_the_tokenizer_does_it_alone(checkpoint):
    tokenizer = load_tokenizer(checkpoint)
    apart, whole = (serialisation_of(TEMPLATE, tokenizer, way) for way in (True, False))
    for sample, one in zip(SAMPLES, encode(SAMPLES, tokenizer, apart), strict=True):
        assert one.prompt == tokenizer(apart.prompt(sample))["input_ids"]
        assert one.prompt[-1] == tokenizer.eos_token_id  # which the encoder has seen at the end of each text
        ids = tokenizer(apart.completion(sample), add_special_tokens=False)["input_ids"]
        assert one.completion == [*ids, tokenizer.eos_token_id]
    assert all(one.prompt[-1] != tokenizer.eos_token_id for one in encode(SAMPLES, tokenizer, whole))


def test_codebert_s_own_tokenizer_begins_and_ends_each_prompt(real):
    """As CodeXGLUE gives them to the encoder: <s> text </s>; the decoder begins with <s> and learns text </s>."""
    tokenizer = load_tokenizer(real / "tokenizers" / "roberta-base_codebert")
    serialisation = serialisation_of(TEMPLATE, tokenizer, apart=True)
    for sample, one in zip(SAMPLES, encode(SAMPLES, tokenizer, serialisation), strict=True):
        assert one.prompt == tokenizer(serialisation.prompt(sample))["input_ids"]
        assert (one.prompt[0], one.prompt[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id) == (0, 2)
        begin, *ids, end = tokenizer(serialisation.completion(sample))["input_ids"]
        assert (begin, one.completion) == (0, [*ids, end])


def test_prompt_and_completion_may_each_have_the_maximum_length():
    samples = [
        TokenSample(1, list(range(5)), list(range(5))),
        TokenSample(2, list(range(6)), [1]),
        TokenSample(3, [1], list(range(9))),
    ]
    kept, facts = truncate(samples, 5, apart=True)
    assert kept == [samples[0], TokenSample(3, [1], list(range(5)))]
    assert facts == {"truncated": 1, "dropped": 1}


def test_statistics_say_that_nothing_is_packed(tokenize, checkpoint):
    kept, stats = tokenize(64)
    part, longest = stats["parts"]["train"], max(len(one.prompt) for one in kept)
    assert longest <= 64 < max(map(len, kept))
    assert part["packed_sequences"] == part["samples"] == len(kept)
    assert part["truncated"] + part["dropped"] > 0
    assert part["packing_fill"] == pytest.approx(part["tokens"] / (2 * 64 * len(kept)), abs=1e-4)
    assert stats["encoder_decoder"] is True
    assert stats["prompt"]["added_after"] == [load_tokenizer(checkpoint).eos_token_id]
    jsonschema.validate(stats, json.loads((ROOT / "workflow/schemas/token_stats.schema.json").read_text()))


@pytest.mark.parametrize("tuning", [lora(), TuningSettings("peft", {"type": "PROMPT_TUNING", "num_virtual_tokens": 5})])
def test_a_plan_counts_the_sequences_that_there_are(tokenize, tmp_path, tuning):
    kept, _ = tokenize(64)
    plan = replace(PLAN, tuning=tuning, settings=replace(PLAN.settings, packing=False, max_length=64))
    found = sequences_and_tokens(plan, str(tmp_path / "stats.json"))
    assert found == (len(kept), sum(map(len, kept)), {"truncated": 0, "dropped": 0})


def test_an_encoder_s_texts_are_bounded_each_by_its_positions(tmp_path):
    """Longer completions are cut off and samples with longer prompts dropped, whatever `max_length` is."""
    checkpoint = build_roberta(tmp_path / "roberta", max_position_embeddings=42)
    plain = Template("plain", user="{{ request }}\n", end="<|end|>")
    paths = {name: str(tmp_path / f"{name}.jsonl") for name in ("train", "validation")}
    for path in paths.values():
        write_jsonl(path, map(asdict, SAMPLES))
    inputs = paths | {"split": write_split(tmp_path / "split.json", **paths)}
    targets = {name: str(tmp_path / f"{name}.arrow") for name in paths} | {"stats": str(tmp_path / "stats.json")}
    tokenize_training_data(inputs, checkpoint, plain, 1024, targets)
    stats, kept = read_json(targets["stats"]), read_tokens(targets["train"])
    assert (stats["context"], stats["max_length"]) == (40, 1024)
    assert max(len(one.prompt) for one in kept) <= 40
    assert max(len(one.completion) for one in kept) == 40 < max(map(len, kept))
    part = stats["parts"]["train"]
    assert part["beyond_context"] == part["truncated"] + part["dropped"] > 0
    prompts = {"prompts": str(tmp_path / "prompts.arrow"), "stats": str(tmp_path / "prompts.json")}
    tokenize_prompts(PromptInputs(paths["train"], inputs["split"], checkpoint), plain, prompts)
    assert read_json(prompts["stats"])["prompts_without_room"] == part["dropped"]


def test_prompts_of_a_test_set_are_those_of_training(tokenize, checkpoint, tmp_path):
    kept, _ = tokenize(1000)
    targets = {"prompts": str(tmp_path / "prompts.arrow"), "stats": str(tmp_path / "prompts.json")}
    inputs = PromptInputs(str(tmp_path / "test.jsonl"), str(tmp_path / "split.json"), checkpoint)
    tokenize_prompts(inputs, TEMPLATE, targets)
    assert read_tokens(targets["prompts"]) == kept
    assert read_json(targets["stats"])["encoder_decoder"] is True
