"""Soft prompts in training and decoding: what is saved is PEFT's own form, and decodes as it was trained."""

import json
from dataclasses import replace

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.base.signals import Stopped
from codetune.generation.decoding import decode, greedy_config
from codetune.generation.loading import load_for_decoding
from codetune.methods.tuning import make_tuning
from codetune.models.loading import Checkpoint, load_base
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.text_bytes import bytes_of_text
from codetune.prompts.tokensets import TokenSample, with_virtual_tokens
from codetune.study.method import TuningSettings
from codetune.study.model import Memory, Source
from codetune.training.build import TrainingTokens, remedy_of
from miniatures import BF16, DECODING, FAMILIES, FP32, MODEL, PLAN, tokens_for, trainer_for
from peft import PeftModel
from safetensors.torch import load_file

COUNT = 6
TEXT = {"prompt_tuning_init": "TEXT", "prompt_tuning_init_text": "Write Python code."}
KINDS = {
    "prompt": ("PROMPT_TUNING", {"prompt_tuning_init": "SAMPLE_VOCAB"}),
    "text": ("PROMPT_TUNING", TEXT),
    "mlp": ("P_TUNING", {"encoder_hidden_size": 16}),
    "lstm": (
        "P_TUNING",
        {"encoder_hidden_size": 16, "encoder_reparameterization_type": "LSTM", "encoder_dropout": 0.1},
    ),
    "multitask": ("MULTITASK_PROMPT_TUNING", {}),
    "prefix": ("PREFIX_TUNING", {}),
    "projection": ("PREFIX_TUNING", {"prefix_projection": True, "encoder_hidden_size": 16}),
    "cartridge": ("CARTRIDGE", {"num_frozen_tokens": 2}),
}


def settings_of(kind, count=COUNT):
    name, keys = KINDS[kind]
    return TuningSettings("peft", {"type": name, "num_virtual_tokens": count, **keys})


def plan_of(kind, quantization=FP32, **settings):
    wanted = {"learning_rate": 0.05, "patience": 9, "epochs": 2, **settings}
    source = Source(repo="somebody/a-model", revision="0" * 40)
    tuning, merged = settings_of(kind), replace(PLAN.settings, **wanted)
    return replace(PLAN, source=source, tuning=tuning, quantization=quantization, settings=merged)


def losses(trainer):
    return [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row]


def outcome(trainer, folder):
    """All that a training's results are made from."""
    kept = {path.parent.name: path.read_bytes() for path in folder.glob("work/step-*/adapter_model.safetensors")}
    return kept, losses(trainer)


def completions_by_peft(model, prompts, stops):
    """Of PEFT's own model, of each prompt alone."""
    options, rows = greedy_config(model, DECODING.max_new_tokens, stops), []
    for prompt in prompts:
        ids = torch.tensor([prompt.prompt])
        task = {"task_ids": torch.zeros(1, dtype=torch.long)} if "MULTITASK" in str(model.peft_type) else {}
        row = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=options, **task)
        rows.append(row[0, ids.shape[1] :].tolist())
    return rows


@pytest.mark.parametrize("kind", KINDS)
def test_each_type_trains_saves_as_peft_does_resumes_and_decodes_the_same(checkpoints, tmp_path, kind, capsys):
    """With 4-bit weights. Killed within a step, it ends with the same bytes."""
    samples = tokens_for(checkpoints / MODEL, 12)
    trainer = trainer_for(checkpoints / MODEL, tmp_path / "whole", samples, plan_of(kind))
    assert "differs by" in next(line for line in capsys.readouterr().out.splitlines() if "PEFT's own model" in line)
    trainer.run()
    assert min(losses(trainer)[1:]) < losses(trainer)[0]
    assert {len(row) for row in trainer.train_dataset["seq_lengths"]} != {1}

    stopped = trainer_for(checkpoints / MODEL, tmp_path / "cut", samples, plan_of(kind))
    compute = stopped.training_step

    def until_the_third(*arguments, **options):
        if stopped.state.global_step == 2:
            raise Stopped(15)
        return compute(*arguments, **options)

    stopped.training_step = until_the_third
    with pytest.raises(Stopped):
        stopped.run()
    again = trainer_for(checkpoints / MODEL, tmp_path / "cut", samples, plan_of(kind))
    again.run()
    assert outcome(again, tmp_path / "cut") == outcome(trainer, tmp_path / "whole")

    best = trainer.states.checkpoint(trainer.state.best_global_step)
    config = json.loads((best / "adapter_config.json").read_text())
    assert str(checkpoints) not in json.dumps(config)
    assert config["base_model_name_or_path"] == "somebody/a-model"
    stops = [load_tokenizer(checkpoints / MODEL).eos_token_id]
    model = load_for_decoding(Checkpoint(checkpoints / MODEL, FP32), DECODING)
    theirs = PeftModel.from_pretrained(load_base(checkpoints / MODEL, FP32), str(best)).eval()
    tuning = make_tuning(settings_of(kind))
    ours = tuning.load(model, best)
    prompts = [sample.prompt for sample in with_virtual_tokens(samples[:8], tuning.virtual_tokens(model))]
    found = decode(ours, prompts, greedy_config(ours, DECODING.max_new_tokens, stops))
    assert found == completions_by_peft(theirs, samples[:8], stops)


@pytest.mark.parametrize(("name", "kind"), zip(FAMILIES, ["lstm", "prompt", "prefix"], strict=True))
def test_soft_prompts_train_in_bfloat16_as_in_float32(checkpoints, tmp_path, name, kind):
    """What is saved is computed in fp32, and so is what trains it."""
    samples, found = tokens_for(checkpoints / name, 12), []
    for quantization in (FP32, BF16):
        folder = tmp_path / quantization.compute_dtype
        trainer = trainer_for(checkpoints / name, folder, samples, plan_of(kind, quantization, epochs=1))
        trainer.run()
        assert {parameter.dtype for parameter in trainer.trainable()} == {torch.float32}
        found.append(losses(trainer)[-1])
        step = trainer.states.checkpoint(trainer.state.best_global_step)
        (saved,) = load_file(step / "adapter_model.safetensors").values()
        assert saved.dtype == torch.float32
    assert found[0] == pytest.approx(found[1], rel=0.02)


def test_a_prompt_that_starts_as_a_text_has_the_embeddings_of_its_tokens(checkpoints):
    base = load_base(checkpoints / MODEL, FP32)
    model = make_tuning(settings_of("text")).attach(base, Source(repo="somebody/a-model"), 1)
    ids = load_tokenizer(checkpoints / MODEL)(TEXT["prompt_tuning_init_text"])["input_ids"]
    expected = base.get_input_embeddings()(torch.tensor((ids * COUNT)[:COUNT]))
    torch.testing.assert_close(model.soft_prompt()[0], expected)


def test_another_checkpoint_takes_the_place_of_the_loaded_one(checkpoints, tmp_path):
    """As the curve swaps them."""
    samples = tokens_for(checkpoints / MODEL, 12)
    trainer = trainer_for(checkpoints / MODEL, tmp_path, samples, plan_of("prefix"))
    trainer.run()
    first, second = sorted((tmp_path / "work").glob("step-*"))[:2]
    tuning = make_tuning(settings_of("prefix"))
    loaded = [tuning.load(load_base(checkpoints / MODEL, FP32), folder) for folder in (first, second)]
    swapped = tuning.swap(loaded[0], second)
    ids = torch.tensor([with_virtual_tokens(samples[:1], COUNT)[0].prompt])
    with torch.no_grad():
        torch.testing.assert_close(swapped(ids).logits, loaded[1](ids).logits, rtol=0, atol=0)


@pytest.mark.parametrize("damage", ["missing", "cut", "other count"])
def test_a_damaged_soft_prompt_is_refused_in_one_line(checkpoints, tmp_path, damage):
    base = load_base(checkpoints / MODEL, FP32)
    tuning = make_tuning(settings_of("prefix"))
    tuning.save(tuning.attach(base, Source(repo="somebody/a-model"), 1), tmp_path)
    weights, config = tmp_path / "adapter_model.safetensors", tmp_path / "adapter_config.json"
    if damage == "missing":
        weights.unlink()
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:100])
    else:
        config.write_text(config.read_text().replace(f'"num_virtual_tokens": {COUNT}', '"num_virtual_tokens": 3'))
    with pytest.raises(StudyError, match=r"the soft prompt cannot be loaded .* Delete that folder") as refused:
        tuning.load(load_base(checkpoints / MODEL, FP32), tmp_path)
    assert "\n" not in str(refused.value)


def test_virtual_tokens_take_room_and_samples_without_room_are_cut_as_always(checkpoints, capsys):
    tokenizer = load_tokenizer(checkpoints / MODEL)
    samples = [TokenSample(0, [5, 6], [7, 8, 9]), TokenSample(1, [5] * 4, [7, 8]), TokenSample(2, [5] * 7, [7])]
    found = TrainingTokens(samples, samples[:2], 99).behind(3, 8, tokenizer)
    assert [(one.prompt, one.completion) for one in found.train] == [
        ([-3, -2, -1, 5, 6], [7, 8, 9]),
        ([-3, -2, -1, *[5] * 4], [7]),
    ]
    assert found.cut == {"truncated": 1, "dropped": 1}
    assert "make room for 3 virtual tokens: truncated 1 and dropped 1 of 3 samples" in capsys.readouterr().out
    assert found.completion_bytes == bytes_of_text([[7, 8, 9], [7]], tokenizer)
    assert TrainingTokens(samples, samples, 99).behind(0, 8, tokenizer).train is samples
    with pytest.raises(StudyError, match="7 virtual tokens leave no room for a sample in 8 tokens"):
        TrainingTokens(samples, samples, 99).behind(7, 8, tokenizer)


@pytest.mark.parametrize("kind", ["prompt", "prefix"])
def test_rows_of_samples_behind_virtual_tokens_are_no_longer_than_the_longest_allowed(checkpoints, tmp_path, kind):
    trainer = trainer_for(checkpoints / MODEL, tmp_path, tokens_for(checkpoints / MODEL, 24), plan_of(kind))
    rows = trainer.train_dataset
    assert max(map(len, rows["input_ids"])) <= PLAN.settings.max_length
    starts = sum(ids.count(-COUNT) for ids in rows["input_ids"])
    assert starts == sum(map(len, rows["seq_lengths"])) == 24
    for row in rows:
        pairs = zip(row["input_ids"], row["labels"], strict=True)
        assert {label for token, label in pairs if token < 0} == {-100}


def test_a_prompt_can_be_trained_with_gradient_checkpointing(checkpoints, tmp_path):
    found = []
    for again in (False, True):
        plan = replace(plan_of("mlp"), memory=Memory(2, gradient_checkpointing=again))
        trainer = trainer_for(checkpoints / MODEL, tmp_path / str(again), tokens_for(checkpoints / MODEL, 12), plan)
        trainer.run()
        found.append(losses(trainer))
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_what_peft_cannot_do_with_a_model_is_one_line(checkpoints):
    base = load_base(checkpoints / MODEL, FP32)
    base.config.num_key_value_heads = 3  # a model that is other than its configuration
    with pytest.raises(StudyError, match=r"a-model: PEFT cannot put PREFIX_TUNING before this model \(.*\)\. Correct"):
        make_tuning(settings_of("prefix")).attach(base, Source(repo="somebody/a-model"), 1)


def test_what_to_change_when_memory_runs_out_is_what_a_prefix_can_take():
    assert "gradient_checkpointing: true" in remedy_of(plan_of("prompt"))
    with_it = replace(plan_of("prompt"), memory=replace(PLAN.memory, gradient_checkpointing=True))
    for plan in (plan_of("prefix"), with_it):
        assert "gradient_checkpointing" not in remedy_of(plan)
        assert "max_length" in remedy_of(plan)
