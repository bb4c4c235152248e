"""Rule finetune on a miniature model: what it writes, and which unfinished work it takes up."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from codetune.base.files import read_json, read_jsonl, sha256_of_file, write_json
from codetune.base.identity import checkpoint_identity, file_hashes
from codetune.base.manifests import checked_folder
from codetune.base.plain import from_plain
from codetune.data.predictions import read_predictions
from codetune.generation.generate import GenerateInputs, GenerateOutputs, generate_predictions
from codetune.methods.schedule import share_of_highest
from codetune.models.checkpoints import fetch_model
from codetune.models.loading import Checkpoint
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.tokensets import TokenSample, write_tokens
from codetune.study.decoding import Decoding
from codetune.study.facts import TrainingFacts
from codetune.study.method import Quantization
from codetune.study.model import Memory, Source
from codetune.study.training import TrainingPlan, TrainingSettings
from codetune.training.finetune import FinetuneInputs, FinetuneOutputs, finetune
from codetune.training.trainer import ResumableTrainer
from codetune.training.validation import Validation
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from tunings import FULL, lora

SETTINGS = TrainingSettings(
    learning_rate=1e-3,
    schedule="linear",
    warmup_steps=1,
    weight_decay=0.0,
    max_grad_norm=1.0,
    evaluations_per_epoch=1,
    patience=5,
    batch_size=4,
    epochs=2,
    max_length=64,
)


def token_samples(numbers):
    return [TokenSample(n, [5 + n % 7, 9, 300 + n], [40 + n, 41 + n % 3, 2]) for n in numbers]


def write_stats(folder):
    """The statistics of the token sets in a folder."""
    hashes = file_hashes(train=folder / "train.arrow", validation=folder / "validation.arrow")
    samples = {"train": "1" * 64, "validation": "2" * 64}
    parts = {"validation": {"bytes_of_completions": 60}}
    write_json(folder / "stats.json", {"parts": parts, "sha256": hashes, "samples_sha256": samples})


@pytest.fixture(scope="module")
def inputs(checkpoints, tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    fetch_model(Source(path=str(checkpoints / "llama-3.2-1b")), folder / "model", weights=True)
    write_tokens(folder / "train.arrow", token_samples(range(88)))
    write_tokens(folder / "validation.arrow", token_samples(range(100, 106)))
    write_stats(folder)
    names = ("train.arrow", "validation.arrow", "stats.json", "model/manifest.json")
    return FinetuneInputs(*(str(folder / name) for name in names))


@pytest.fixture(scope="module")
def plan(checkpoints):
    return TrainingPlan(
        source=Source(repo="someone/a-model", revision="0" * 40),
        memory=Memory(micro_batch=2),
        tuning=lora(r=2, lora_alpha=16, lora_dropout=0.1, target_modules=["q_proj", "v_proj"]),
        quantization=Quantization("nf4", double=True, compute_dtype="float32"),
        settings=SETTINGS,
        seed=3,
    )


def outputs_in(folder):
    names = ("tuned/manifest.json", "checkpoints/manifest.json", "training_log.jsonl", "training.json")
    return FinetuneOutputs(*(str(folder / name) for name in (*names, "unfinished/finetune")))


@pytest.fixture(scope="module")
def results(inputs, plan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    finetune(inputs, outputs_in(folder), plan, "code")
    return folder


@pytest.mark.parametrize(
    ("samples", "micro_batch", "batch_size"),
    [(1, 1, 1), (1, 4, 8), (12, 4, 8), (30, 4, 64)],
    ids=["one sample", "one sequence", "fewer than a micro-batch", "fewer than a batch"],
)
def test_few_samples_train_on_what_there_is(inputs, plan, tmp_path, samples, micro_batch, batch_size, capsys):
    """Ten samples fill a sequence."""
    write_tokens(tmp_path / "train.arrow", token_samples(range(samples)))
    write_tokens(tmp_path / "validation.arrow", token_samples([100]))
    write_stats(tmp_path)
    few = replace(inputs, **{name: str(tmp_path / f"{name}.arrow") for name in ("train", "validation")})
    few = replace(few, stats=str(tmp_path / "stats.json"))
    settings = replace(SETTINGS, batch_size=batch_size, warmup_steps=0, evaluations_per_epoch=5)
    finetune(few, outputs_in(tmp_path), replace(plan, memory=Memory(micro_batch), settings=settings), "code")
    facts = from_plain(read_json(tmp_path / "training.json"), TrainingFacts, "training.json")
    assert facts.data.packed_sequences == -(-samples // 10)
    assert (facts.result.steps, facts.result.checkpoints) == (2, [1, 2])  # one step in each epoch
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("no GPU: computing on the CPU")
    assert any(line.startswith(f"all epochs: {2 * facts.data.tokens} tokens through ") for line in lines)
    weights = load_file(tmp_path / "checkpoints" / "step-000002" / "adapter_model.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())
    assert any(tensor.any() for name, tensor in weights.items() if "lora_B" in name)


def test_the_best_checkpoint_is_the_result_and_nothing_else_is_left(results):
    facts = from_plain(read_json(results / "training.json"), TrainingFacts, "training.json")
    assert sorted(path.name for path in results.iterdir()) == [
        "checkpoints",
        "training.json",
        "training_log.jsonl",
        "tuned",
    ]
    steps = [f"step-{step:06d}" for step in facts.result.checkpoints]
    assert sorted(path.name for path in (results / "checkpoints").iterdir()) == ["manifest.json", *steps]
    assert sorted(path.name for path in (results / "tuned").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "manifest.json",
    ]
    best = results / "checkpoints" / f"step-{facts.result.best_step:06d}"
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (results / "tuned" / name).read_bytes() == (best / name).read_bytes()
    assert facts.tuned_sha256 == sha256_of_file(results / "tuned" / "adapter_model.safetensors")
    assert checked_folder(results / "tuned" / "manifest.json") == results / "tuned"
    assert checked_folder(results / "checkpoints" / "manifest.json") == results / "checkpoints"


def test_the_adapter_says_which_model_it_belongs_to(results):
    config = read_json(results / "tuned" / "adapter_config.json")
    assert (config["base_model_name_or_path"], config["revision"]) == ("someone/a-model", "0" * 40)
    assert (config["r"], config["lora_alpha"], config["lora_dropout"]) == (2, 16, 0.1)
    assert isinstance(config["lora_alpha"], int)


def test_the_facts_say_from_what_and_how_the_training_was_done(results, inputs, plan):
    facts = from_plain(read_json(results / "training.json"), TrainingFacts, "training.json")
    assert facts.plan == plan
    assert facts.checkpoint == checkpoint_identity(Path(inputs.checkpoint).parent)
    assert facts.inputs_sha256 == {
        "train": sha256_of_file(inputs.train),
        "validation": sha256_of_file(inputs.validation),
        "train_samples": "1" * 64,
        "validation_samples": "2" * 64,
    }
    layers, rank, of_q, of_v = 3, 2, 128 + 128, 128 + 64  # inputs and outputs
    assert facts.trainable_parameters == layers * rank * (of_q + of_v)
    assert facts.adapted == {"q_proj": layers, "v_proj": layers}
    assert facts.data.tokens == 88 * 6
    assert facts.data.packed_sequences == 9
    assert (facts.result.steps, facts.result.planned_steps, facts.result.stopped_early) == (6, 6, False)
    log = {row["step"]: row["eval_loss"] for row in read_jsonl(results / "training_log.jsonl") if "eval_loss" in row}
    assert list(log) == [0, *facts.result.checkpoints]
    assert facts.result.best_validation_loss == log[facts.result.best_step] == min(log.values())
    assert facts.cost.energy_joules is None
    assert facts.cost.micro_batch == 2


@pytest.mark.parametrize("patience", [1, None])
def test_without_patience_all_epochs_are_done_and_the_best_checkpoint_is_kept(
    inputs, plan, tmp_path, monkeypatch, patience
):
    """The loss is lowest after the second of six epochs. The schedule is the same in both cases."""
    measured = iter([2.5, 1.0, 0.8, 0.9, 0.85, 0.95, 0.9])
    monkeypatch.setattr(Validation, "measure", lambda *_: {"eval_loss": next(measured), "eval_bits_per_byte": 1.0})
    plan = replace(plan, settings=replace(SETTINGS, patience=patience, schedule="cosine", warmup_steps=2, epochs=6))
    finetune(inputs, outputs_in(tmp_path), plan, "code")
    facts = from_plain(read_json(tmp_path / "training.json"), TrainingFacts, "training.json")
    result = facts.result
    assert facts.plan == plan
    assert (result.planned_steps, result.best_step, result.best_validation_loss) == (6 * 3, 6, 0.8)
    assert (result.steps, result.stopped_early) == ((9, True) if patience else (18, False))
    assert result.checkpoints == [*range(3, result.steps + 1, 3)]
    log = read_jsonl(tmp_path / "training_log.jsonl")
    best = tmp_path / "checkpoints" / f"step-{result.best_step:06d}" / "adapter_model.safetensors"
    assert sha256_of_file(best) == facts.tuned_sha256 == sha256_of_file(tmp_path / "tuned" / best.name)
    rates = {row["step"]: row["learning_rate"] for row in log if "learning_rate" in row}
    assert result.best_learning_rate == rates[result.best_step]
    assert rates == {step: pytest.approx(1e-3 * share_of_highest("cosine", 2, step - 1, 18)) for step in rates}


@pytest.mark.parametrize("changed", ["nothing", "plan", "code", "data"])
def test_unfinished_work_is_taken_up_by_the_same_training_only(inputs, plan, tmp_path, monkeypatch, changed):
    def run(trainer):
        found.append((trainer.states.work / "mark").exists())
        (trainer.states.work / "mark").touch()
        raise KeyboardInterrupt

    def attempt(inputs, plan, code):
        with pytest.raises(KeyboardInterrupt):
            finetune(inputs, outputs_in(tmp_path), plan, code)

    found = []
    monkeypatch.setattr(ResumableTrainer, "run", run)
    attempt(inputs, plan, "code")
    if changed == "plan":
        plan = replace(plan, settings=replace(SETTINGS, patience=6))
    elif changed == "data":
        other = shutil.copytree(Path(inputs.stats).parent, tmp_path / "inputs")
        write_tokens(other / "train.arrow", token_samples(range(80)))
        write_stats(other)
        inputs = replace(inputs, train=str(other / "train.arrow"), stats=str(other / "stats.json"))
    attempt(inputs, plan, "another" if changed == "code" else "code")
    assert found == [False, changed == "nothing"]


def test_a_model_tuned_as_a_whole_is_one_checkpoint_among_those_that_have_room(inputs, plan, tmp_path):
    """Two have: the best one, and the one that is being written."""
    whole = replace(plan, tuning=FULL, quantization=replace(plan.quantization, type="none"))
    whole = replace(whole, settings=replace(SETTINGS, optimizer="adafactor", epochs=3))
    finetune(inputs, replace(outputs_in(tmp_path), checkpoints_gb=1e-9), whole, "code")
    facts = from_plain(read_json(tmp_path / "training.json"), TrainingFacts, "training.json")
    folder = Path(inputs.checkpoint).parent
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "tuned")
    assert facts.trainable_parameters == model.num_parameters()
    assert facts.adapted == {}
    assert facts.result.checkpoints == [facts.result.best_step]
    assert facts.result.best_validation_loss < facts.result.untrained_validation_loss
    (kept,) = (tmp_path / "checkpoints").glob("step-*")
    weights = tmp_path / "tuned" / "model.safetensors"
    assert facts.tuned_sha256 == sha256_of_file(weights)
    assert weights.samefile(kept / weights.name), "no second copy of gigabytes"
    published = {path.name for path in folder.iterdir()} - {"manifest.json"}
    assert {path.name for path in weights.parent.iterdir()} - {"manifest.json"} == published
    assert read_json(weights.parent / "config.json").keys() >= {"architectures", "model_type", "dtype"}
    assert str(tmp_path) not in "".join(path.read_text() for path in weights.parent.glob("*.json"))
    assert str(folder) not in "".join(path.read_text() for path in weights.parent.glob("*.json"))
    # What is decoded is what transformers decodes from that folder.
    prompts = token_samples(range(3))
    checkpoint = Checkpoint(folder, whole.quantization)
    found = generated(tmp_path, inputs, checkpoint, str(tmp_path / "tuned" / "manifest.json"))
    tokenizer = load_tokenizer(folder)
    for prompt, prediction in zip(prompts, found, strict=True):
        ids = model.generate(torch.tensor([prompt.prompt]), max_new_tokens=6, do_sample=False, repetition_penalty=1.0)
        assert tokenizer.decode(ids[0, len(prompt.prompt) :]).startswith(prediction.first.text), prediction


def generated(folder, inputs, checkpoint, tuned):
    """Predictions of what was trained, by rule generate."""
    write_tokens(folder / "prompts.arrow", token_samples(range(3)))
    hashed = {"prompts": sha256_of_file(folder / "prompts.arrow")}
    ending = {"closing": "", "end": 2, "stops": [2], "markers": []}
    write_json(folder / "prompts.json", {"ending": ending, "sha256": hashed, "samples_sha256": {"prompts": "0" * 64}})
    outputs = GenerateOutputs(*(str(folder / name) for name in ("predictions.jsonl", "generation.json", "work")))
    asked = GenerateInputs(str(folder / "prompts.arrow"), str(folder / "prompts.json"), tuned, FULL)
    generate_predictions(asked, outputs, checkpoint, Decoding(max_new_tokens=6, batch_size=4, cache_gb=1), "code")
    return read_predictions(outputs.predictions)
