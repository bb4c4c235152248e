"""Training of encoder-decoders: the model's own loss, every kind of tuning, resumed to the same bytes."""

import math
from dataclasses import replace

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.base.signals import Stopped
from codetune.methods.tuning import make_tuning
from codetune.models.loading import load_base
from codetune.study.method import TuningSettings
from codetune.training.batches import IGNORED, collate_apart, lay_apart, select_sequences
from miniatures import FULL_PLAN, PLAN, WHOLE, out_of_memory_beyond, trainer_for
from peft import PeftModelForSeq2SeqLM
from peft_trials import stopped_at
from tiny_t5 import build_t5
from tunings import FULL, lora
from two_texts import as_two_texts

QKV = ["q", "k", "v"]
TUNINGS = {
    "full": FULL,
    "lora": lora(target_modules=QKV, lora_dropout=0.1),
    "ia3": TuningSettings("peft", {"type": "IA3", "target_modules": [*QKV, "wo"], "feedforward_modules": ["wo"]}),
    "prompt": TuningSettings("peft", {"type": "PROMPT_TUNING", "num_virtual_tokens": 5}),
    "p-tuning": TuningSettings("peft", {"type": "P_TUNING", "num_virtual_tokens": 5, "encoder_hidden_size": 16}),
    "prefix": TuningSettings("peft", {"type": "PREFIX_TUNING", "num_virtual_tokens": 5}),
}
LEAST = 0.005  # nats per token that the loss has to fall: the model has hardly been pre-trained
RATES = {"full": 1e-3, "lora": 1e-2, "ia3": 3e-2, "prompt": 3e-1, "p-tuning": 1e-2, "prefix": 3e-2}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return build_t5(tmp_path_factory.mktemp("t5") / "t5")


@pytest.fixture(scope="module")
def samples(checkpoint):
    return as_two_texts(checkpoint)


def plan_of(name, quantization=WHOLE, **settings):
    settings = {"learning_rate": RATES[name], "packing": False, "evaluations_per_epoch": 2, **settings}
    return replace(
        FULL_PLAN, tuning=TUNINGS[name], quantization=quantization, settings=replace(PLAN.settings, **settings)
    )


def losses(trainer):
    return [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row]


def mean_loss(model, samples):
    """The model's own loss of each sample alone, without padding, as a mean over all targets."""
    total = count = 0
    with torch.no_grad():
        for sample in samples:
            labels = torch.tensor([sample.completion])
            loss = model(input_ids=torch.tensor([sample.prompt]), labels=labels, use_cache=False).loss
            total, count = total + loss.item() * labels.numel(), count + labels.numel()
    return total / count


def test_batches_are_padded_and_the_longest_come_together(samples):
    rows = lay_apart(samples)
    lengths = [len(row["input_ids"]) for row in rows]
    assert lengths == sorted(lengths, reverse=True)
    assert sorted(zip(rows["input_ids"], rows["labels"], strict=True)) == sorted(
        (sample.prompt, sample.completion) for sample in samples
    )
    batch = collate_apart([rows[0], rows[-1]])
    assert batch["attention_mask"].sum(1).tolist() == [lengths[0], lengths[-1]]
    assert (batch["labels"] != IGNORED).sum(1).tolist() == [len(rows[0]["labels"]), len(rows[-1]["labels"])]
    second = select_sequences(batch, slice(1, 2))
    assert second.keys() == {"input_ids", "attention_mask", "labels"}
    assert second["input_ids"][0, : lengths[-1]].tolist() == rows[-1]["input_ids"]


@pytest.mark.parametrize("name", sorted(TUNINGS))
def test_the_loss_is_the_model_s_own(checkpoint, samples, tmp_path, name):
    """Of a padded batch, in the trainer and by PEFT's own model; and of each sample alone."""
    trainer = trainer_for(checkpoint, tmp_path, samples, plan_of(name))
    model = trainer.model.eval()
    batch = select_sequences(collate_apart(list(lay_apart(samples[:4]))), slice(0, None))
    count = (batch["labels"] != IGNORED).sum()
    with torch.no_grad():
        found = trainer.compute_loss(model, dict(batch), num_items_in_batch=count)
        expected = model(**batch).loss
        theirs = PeftModelForSeq2SeqLM.forward(model, **batch).loss if name != "full" else expected
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert found.item() == pytest.approx(theirs.item(), rel=1e-5)
    assert found.item() == pytest.approx(mean_loss(model, samples[:4]), rel=1e-4)


@pytest.mark.parametrize("name", sorted(TUNINGS))
def test_each_kind_of_tuning_learns_and_is_loaded_as_it_was_trained(checkpoint, samples, tmp_path, name):
    plan = plan_of(name, epochs=3, patience=None)
    trainer = trainer_for(checkpoint, tmp_path, samples, plan)
    trainer.run()
    first, *_, last = losses(trainer)
    assert last < first - LEAST
    assert last == pytest.approx(mean_loss(trainer.model.eval(), samples[:5]), rel=1e-4)
    tuning = make_tuning(plan.tuning)
    steps = sorted((tmp_path / "work").glob("step-*"))
    model = tuning.load(load_base(checkpoint, WHOLE), steps[0])
    assert mean_loss(model, samples[:5]) == pytest.approx(losses(trainer)[1], rel=1e-4)
    assert mean_loss(tuning.swap(model, steps[-1]), samples[:5]) == pytest.approx(last, rel=1e-4)


@pytest.mark.parametrize("name", sorted(TUNINGS))
def test_a_training_that_was_stopped_ends_with_the_same_bytes(checkpoint, samples, tmp_path, name):
    whole = trainer_for(checkpoint, tmp_path / "whole", samples, plan_of(name))
    whole.run()
    with stopped_at(6), pytest.raises(Stopped):
        trainer_for(checkpoint, tmp_path / "parts", samples, plan_of(name)).run()
    rest = trainer_for(checkpoint, tmp_path / "parts", samples, plan_of(name))
    rest.run()
    assert losses(rest) == losses(whole)
    found, expected = (
        {path.parent.name: path.read_bytes() for path in (tmp_path / name / "work").glob("step-*/*.safetensors")}
        for name in ("parts", "whole")
    )
    assert len(expected) == 2
    assert found == expected


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_lora_learns_beside_weights_in_fewer_bits(checkpoint, samples, tmp_path, kind):
    plan = plan_of("lora", replace(WHOLE, type=kind), epochs=2, patience=None)
    trainer = trainer_for(checkpoint, tmp_path, samples, plan)
    trainer.run()
    assert losses(trainer)[-1] < losses(trainer)[0] - LEAST
    model = make_tuning(plan.tuning).load(
        load_base(checkpoint, plan.quantization), sorted((tmp_path / "work").glob("step-*"))[-1]
    )
    assert mean_loss(model, samples[:5]) == pytest.approx(losses(trainer)[-1], rel=1e-3)


@pytest.mark.parametrize("name", ["full", "lora", "prompt"])
def test_it_trains_in_bfloat16(checkpoint, samples, tmp_path, name):
    plan = plan_of(name, replace(WHOLE, compute_dtype="bfloat16"))
    trainer = trainer_for(checkpoint, tmp_path, samples, plan)
    trainer.run()
    assert math.isfinite(losses(trainer)[-1])
    assert losses(trainer)[-1] < losses(trainer)[0]
    assert {parameter.dtype for parameter in trainer.trainable()} == {torch.float32}


def test_steps_count_all_targets_of_their_micro_batches(samples, tmp_path):
    """Without dropout, smaller micro-batches change rounding alone: each step is a mean over its targets."""
    checkpoint, found = build_t5(tmp_path / "t5", steps=2, dropout_rate=0.0), []
    for rows in (1, 4):
        plan = replace(plan_of("lora"), tuning=lora(target_modules=QKV), memory=replace(PLAN.memory, micro_batch=rows))
        trainer = trainer_for(checkpoint, tmp_path / str(rows), samples, plan)
        trainer.run()
        found.append(losses(trainer))
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_packing_is_refused_when_an_entry_does_not_say_what_it_is(checkpoint, samples, tmp_path):
    message = r"the inputs of this encoder-decoder cannot be packed\. Add 'kind: encoder-decoder' to its entry"
    with pytest.raises(StudyError, match=message):
        trainer_for(checkpoint, tmp_path, samples, plan_of("lora", packing=True))


def test_a_prefix_that_does_not_fit_is_one_line(samples, tmp_path):
    """PEFT makes it for as many layers as the encoder has, and puts it before those of the decoder."""
    checkpoint = build_t5(tmp_path / "t5", steps=0, num_decoder_layers=3)
    with pytest.raises(StudyError, match=r"^somewhere: PEFT cannot put PREFIX_TUNING before this model \(IndexError"):
        trainer_for(checkpoint, tmp_path, samples, plan_of("prefix"))


@pytest.mark.parametrize("name", ["full", "lora", "prompt"])
def test_activations_that_are_computed_again_change_nothing(checkpoint, samples, tmp_path, name):
    found = []
    for again in (False, True):
        memory = replace(PLAN.memory, gradient_checkpointing=again)
        trainer = trainer_for(checkpoint, tmp_path / str(again), samples, replace(plan_of(name), memory=memory))
        trainer.run()
        found.append(losses(trainer))
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    assert found[0][0] > found[0][-1]


def test_memory_that_runs_out_halves_the_sequences_at_once(checkpoint, samples, tmp_path, capsys):
    """Without dropout the gradients are those of whole micro-batches, up to rounding."""
    checkpoint = build_t5(tmp_path / "t5", steps=2, dropout_rate=0.0)
    plan = replace(plan_of("lora"), tuning=lora(target_modules=QKV), memory=replace(PLAN.memory, micro_batch=4))
    whole, parts = (trainer_for(checkpoint, tmp_path / name, samples, plan) for name in ("whole", "parts"))
    whole.run()
    out_of_memory_beyond(parts.model, 2, count_of=lambda inputs: len(inputs["input_ids"]))
    parts.run()
    assert "out of memory with 4 sequences at once: continuing with 2" in capsys.readouterr().out
    assert losses(parts) == pytest.approx(losses(whole), rel=1e-4)
