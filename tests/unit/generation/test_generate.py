"""Rules generate and curve on a miniature model: what they write, and that a checkpoint predicts the same in both."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.base.files import append_jsonl, read_json, sha256_of_file, write_json
from codetune.base.identity import checkpoint_identity
from codetune.base.manifests import MANIFEST, write_manifest
from codetune.base.plain import from_plain
from codetune.data.predictions import read_curve_predictions, read_predictions
from codetune.data.samples import choose_subset
from codetune.generation.curve import CurveInputs, CurveOutputs, CurveSettings, generate_curve
from codetune.generation.generate import GenerateInputs, GenerateOutputs, generate_predictions
from codetune.methods.adapters import AdapterTuning
from codetune.models.checkpoints import fetch_model
from codetune.models.loading import Checkpoint
from codetune.prompts.tokensets import TokenSample, write_tokens
from codetune.study.decoding import Decoding
from codetune.study.facts import GenerationFacts
from codetune.study.method import Quantization
from codetune.study.model import Source
from peft import LoraConfig, get_peft_model
from tunings import lora

DECODING = Decoding(max_new_tokens=6, batch_size=4, cache_gb=1)
STEPS = (0, 5, 10)
IDS = [40, 12, 33, 7, 28, 19]


@pytest.fixture(scope="module")
def checkpoint(checkpoints, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint") / "model"
    fetch_model(Source(path=str(checkpoints / "llama-3.2-1b")), folder, weights=True)
    return Checkpoint(folder, Quantization("nf4", double=True, compute_dtype="float32"))


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokens") / "validation.arrow"
    write_tokens(path, [TokenSample(number, [300 + number, 5, 6 + number], [7] * (number % 5 + 1)) for number in IDS])
    hashed = dict.fromkeys(("prompts", "validation"), sha256_of_file(path))
    ending = {"closing": "", "end": 2, "stops": [2], "markers": ["<|end|>"]}
    samples = dict.fromkeys(hashed, "0" * 64)
    write_json(path.with_name("stats.json"), {"ending": ending, "sha256": hashed, "samples_sha256": samples})
    return str(path)


def stats_of(tokens):
    return str(Path(tokens).with_name("stats.json"))


@pytest.fixture(scope="module")
def adapters(checkpoint, tmp_path_factory):
    """Adapters with random weights, which say other things than the base."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for step in STEPS[1:]:
        torch.manual_seed(step)
        config = LoraConfig(r=2, lora_alpha=64, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
        get_peft_model(checkpoint.load(), config).save_pretrained(str(folder / f"step-{step:06d}"))
        write_manifest(folder / f"step-{step:06d}")
    return folder


def with_declared(checkpoint, folder, **files):
    """A copy of a checkpoint whose files declare something else."""
    shutil.copytree(checkpoint.folder, folder)
    for name, declared in files.items():
        path = folder / f"{name}.json"
        path.unlink()  # a link to the checkpoint's own
        path.write_text(json.dumps(read_json(checkpoint.folder / path.name) | declared))
    write_manifest(folder)
    return replace(checkpoint, folder=folder)


def generated(folder, checkpoint, tokens, tuned=None, decoding=DECODING):
    outputs = GenerateOutputs(*(str(folder / name) for name in ("predictions.jsonl", "generation.json", "work")))
    generate_predictions(
        GenerateInputs(tokens, stats_of(tokens), tuned, lora() if tuned else None),
        outputs,
        checkpoint,
        decoding,
        "code",
    )
    return read_predictions(outputs.predictions), from_plain(read_json(outputs.facts), GenerationFacts, outputs.facts)


@pytest.fixture(scope="module")
def whole_curve(checkpoint, tokens, adapters, tmp_path_factory):
    folder = tmp_path_factory.mktemp("curve")
    outputs = CurveOutputs(str(folder / "predictions.jsonl"), str(folder / "unfinished" / "curve"))
    inputs, settings = CurveInputs(tokens, stats_of(tokens), adapters, lora()), CurveSettings(DECODING, subset_size=4)
    generate_curve(inputs, outputs, checkpoint, settings, "code")
    assert [path.name for path in folder.iterdir()] == ["predictions.jsonl"]
    return read_curve_predictions(outputs.predictions)


def test_predictions_come_in_the_order_of_the_prompts_with_the_facts(checkpoint, tokens, tmp_path):
    predictions, facts = generated(tmp_path, checkpoint, tokens)
    assert [prediction.id for prediction in predictions] == IDS
    assert all(len(prediction.candidates) == 1 for prediction in predictions)
    assert facts.decoding == DECODING
    assert facts.quantization == checkpoint.quantization
    assert facts.checkpoint == checkpoint_identity(checkpoint.folder)
    assert facts.inputs_sha256 == {"prompts": sha256_of_file(tokens), "prompts_samples": "0" * 64}
    assert facts.predictions_sha256 == sha256_of_file(tmp_path / "predictions.jsonl")
    assert (facts.prompts, facts.most_prompts_at_once, facts.weights) == (len(IDS), 4, "float32")
    assert facts.tokens == sum(prediction.first.tokens for prediction in predictions)
    assert facts.truncated == sum(prediction.first.truncated for prediction in predictions)
    assert not (tmp_path / "work").exists()


def test_the_facts_name_the_weights_that_was_used(checkpoint, tokens, adapters, tmp_path):
    folder = adapters / "step-000005"
    _, facts = generated(tmp_path, checkpoint, tokens, str(folder / MANIFEST))
    assert facts.inputs_sha256["tuned"] == sha256_of_file(folder / "adapter_model.safetensors")


def test_a_curve_has_the_untuned_model_and_each_checkpoint_on_the_same_samples(whole_curve):
    chosen = choose_subset(IDS, 4)
    assert tuple(whole_curve) == STEPS
    for predictions in whole_curve.values():
        assert [prediction.id for prediction in predictions] == [number for number in IDS if number in chosen]
    assert len({tuple(p.first.text for p in predictions) for predictions in whole_curve.values()}) == len(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_a_checkpoint_predicts_in_a_curve_what_it_predicts_alone(
    whole_curve, checkpoint, tokens, adapters, tmp_path, step
):
    tuned = str(adapters / f"step-{step:06d}" / MANIFEST) if step else None
    predictions, _ = generated(tmp_path, checkpoint, tokens, tuned)
    by_id = {prediction.id: prediction for prediction in predictions}
    assert whole_curve[step] == [by_id[prediction.id] for prediction in whole_curve[step]]


def test_a_curve_that_was_killed_resumes_after_its_last_batch(
    whole_curve, checkpoint, tokens, adapters, tmp_path, monkeypatch, stretches
):
    outputs = CurveOutputs(str(tmp_path / "predictions.jsonl"), str(tmp_path / "unfinished" / "curve"))
    arguments = (
        CurveInputs(tokens, stats_of(tokens), adapters, lora()),
        outputs,
        checkpoint,
        CurveSettings(DECODING, 4),
        "code",
    )

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(AdapterTuning, "load", killed)
        generate_curve(*arguments)
    monkeypatch.setattr("codetune.generation.batches.recover_jsonl", recovered := Recovered())
    generate_curve(*arguments)
    assert recovered.batches == [1, 0, 0]
    assert read_curve_predictions(outputs.predictions) == whole_curve
    told = [(one.what, one.done, one.total) for one in stretches]
    assert told.count(("curve", len(STEPS) - 1, len(STEPS) - 1)) == 1
    assert told.count(("generation", 4, 4)) == len(STEPS) + 1  # one of them before the kill


class Recovered:
    """Reads finished batches as the library does, and notes how many there are at each step."""

    def __init__(self):
        self.batches = []

    def __call__(self, path):
        from codetune.base.files import recover_jsonl

        rows = recover_jsonl(path)
        self.batches.append(len(rows))
        return rows


def test_completions_that_the_context_cuts_off_are_counted(checkpoint, tokens, tmp_path):
    """The prompts have 3 tokens; with a context of 3 there is room for none, with 7 for four, with 9 for all six."""
    free, facts = generated(tmp_path / "free", checkpoint, tokens)
    assert (facts.context, facts.cut_by_context, facts.prompts_without_room) == (2048, 0, 0)
    assert all(prediction.first.tokens == 6 for prediction in free)  # none ends by itself
    for context, written in ((3, 0), (7, 4), (9, 6)):
        folder = tmp_path / str(context)
        narrow = with_declared(checkpoint, folder / "model", config={"max_position_embeddings": context})
        predictions, facts = generated(folder, narrow, tokens)
        assert [prediction.first.tokens for prediction in predictions] == [written] * len(IDS)
        assert all(prediction.first.truncated for prediction in predictions)
        assert facts.truncated == len(IDS)
        assert (facts.context, facts.tokens) == (context, written * len(IDS))
        assert facts.cut_by_context == (len(IDS) if written < 6 else 0)
        assert facts.prompts_without_room == (0 if written else len(IDS))
        assert predictions == free or written < 6


def test_settings_of_the_checkpoint_that_decoding_ignores_are_named(checkpoint, tokens, tmp_path, capsys):
    ignored = {"repetition_penalty": 1.5, "suppress_tokens": list(range(1000)), "do_sample": True}
    asking = with_declared(checkpoint, tmp_path / "model", generation_config=ignored)
    expected, before = generated(tmp_path / "before", checkpoint, tokens)
    predictions, facts = generated(tmp_path / "after", asking, tokens)
    assert predictions == expected
    assert (before.ignored_settings, facts.ignored_settings) == ({}, ignored)
    assert "repetition_penalty" in capsys.readouterr().out


def test_settings_that_are_none_end_a_generation_with_one_line(checkpoint, tokens, tmp_path):
    damaged = with_declared(checkpoint, tmp_path / "model", generation_config={"eos_token_id": "</s>"})
    with pytest.raises(StudyError, match=r"^[^\n]*generation_config\.json: [^\n]*eos_token_id"):
        generated(tmp_path / "after", damaged, tokens)
    assert [path.name for path in (tmp_path / "after").iterdir()] in ([], ["work"])


WAYS = {
    "beam": {"kind": "beam", "candidates": 3},
    "sample": {"kind": "sample", "candidates": 2, "temperature": 0.9, "top_p": 0.95, "seed": 7},
}


@pytest.mark.parametrize("way", WAYS)
def test_several_candidates_have_the_same_bytes_after_a_kill(checkpoint, tokens, tmp_path, monkeypatch, way):
    decoding = replace(DECODING, **WAYS[way])
    whole, again = tmp_path / "whole", tmp_path / "again"
    for folder in (whole, again):
        folder.mkdir()
    predictions, facts = generated(whole, checkpoint, tokens, decoding=decoding)
    candidates = [candidate for prediction in predictions for candidate in prediction.candidates]
    assert facts.decoding == decoding
    assert (facts.prompts, facts.most_prompts_at_once) == (len(IDS), DECODING.batch_size // decoding.count)
    assert len(candidates) == len(IDS) * decoding.count
    assert facts.tokens == sum(candidate.tokens for candidate in candidates)

    def killed(path, rows):
        append_jsonl(path, rows)
        if len(path.read_bytes().splitlines()) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("codetune.generation.batches.append_jsonl", killed)
        generated(again, checkpoint, tokens, decoding=decoding)
    monkeypatch.setattr("codetune.generation.batches.recover_jsonl", recovered := Recovered())
    generated(again, checkpoint, tokens, decoding=decoding)
    assert recovered.batches == [2]
    assert (again / "predictions.jsonl").read_bytes() == (whole / "predictions.jsonl").read_bytes()


def test_the_files_of_greedy_decoding_say_nothing_of_candidates(checkpoint, tokens, tmp_path):
    generated(tmp_path, checkpoint, tokens)
    assert read_json(tmp_path / "generation.json")["decoding"] == {"max_new_tokens": 6, "batch_size": 4, "cache_gb": 1}
    for line in (tmp_path / "predictions.jsonl").read_text().splitlines():
        (candidate,) = json.loads(line)["candidates"]
        assert set(candidate) == {"text", "tokens", "truncated"}
