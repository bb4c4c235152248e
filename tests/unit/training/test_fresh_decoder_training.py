"""Training of an encoder with a fresh decoder: the model's own loss, learnt, saved, and resumed to the same bytes."""

import math
from dataclasses import replace

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.base.signals import Stopped
from codetune.methods.tuning import make_tuning
from codetune.models.loading import load_base
from codetune.training.batches import IGNORED, collate_apart, lay_apart, select_sequences
from miniatures import FULL_PLAN, PLAN, WHOLE, trainer_for
from peft_trials import stopped_at
from tiny_roberta import build_roberta
from tunings import FULL
from two_texts import as_two_texts

PLAIN = replace(PLAN.settings, learning_rate=3e-3, packing=False, evaluations_per_epoch=2)
LEARNING = replace(FULL_PLAN, settings=PLAIN)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return build_roberta(tmp_path_factory.mktemp("roberta") / "roberta")


@pytest.fixture(scope="module")
def samples(checkpoint):
    return as_two_texts(checkpoint)


def losses(trainer):
    return [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row]


def own_loss(model, batch):
    """The loss that transformers computes of inputs, mask and labels."""
    with torch.no_grad(), pytest.warns(FutureWarning):  # that old versions computed it otherwise
        return model(**batch).loss.item()


def mean_loss(model, samples):
    """The model's own loss of each sample alone, without padding, as a mean over all targets."""
    total = count = 0
    for sample in samples:
        labels = torch.tensor([sample.completion])
        found = own_loss(model, {"input_ids": torch.tensor([sample.prompt]), "labels": labels})
        total, count = total + found * labels.numel(), count + labels.numel()
    return total / count


def test_the_loss_is_the_model_s_own(checkpoint, samples, tmp_path):
    """Of a padded batch, and of each sample alone."""
    trainer = trainer_for(checkpoint, tmp_path, samples, LEARNING)
    model = trainer.model.eval()
    batch = select_sequences(collate_apart(list(lay_apart(samples[:4]))), slice(0, None))
    assert (batch["attention_mask"] == 0).any()
    assert (batch["labels"] == IGNORED).any()
    with torch.no_grad():
        found = trainer.compute_loss(model, dict(batch), num_items_in_batch=(batch["labels"] != IGNORED).sum())
    assert found.item() == pytest.approx(own_loss(model, batch), rel=1e-5)
    assert found.item() == pytest.approx(mean_loss(model, samples[:4]), rel=1e-4)


def test_it_learns_all_of_encoder_and_decoder_and_is_loaded_as_it_was_trained(checkpoint, samples, tmp_path):
    plan = replace(LEARNING, settings=replace(PLAIN, epochs=3, patience=None))
    trainer = trainer_for(checkpoint, tmp_path, samples, plan)
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    assert trainer.tuning.uses_dropout
    trainer.run()
    first, *_, last = losses(trainer)
    assert last < first - 0.5
    unmoved = {name for name, value in trainer.model.named_parameters() if torch.equal(value, before[name])}
    assert unmoved == set()
    assert last == pytest.approx(mean_loss(trainer.model.eval(), samples[:5]), rel=1e-4)
    steps, tuning = sorted((tmp_path / "work").glob("step-*")), make_tuning(FULL)
    model = tuning.load(load_base(checkpoint, WHOLE), steps[0])
    assert mean_loss(model, samples[:5]) == pytest.approx(losses(trainer)[1], rel=1e-4)
    assert mean_loss(tuning.swap(model, steps[-1]), samples[:5]) == pytest.approx(last, rel=1e-4)


def test_a_training_that_was_stopped_ends_with_the_same_bytes(checkpoint, samples, tmp_path):
    whole = trainer_for(checkpoint, tmp_path / "whole", samples, LEARNING)
    whole.run()
    with stopped_at(6), pytest.raises(Stopped):
        trainer_for(checkpoint, tmp_path / "parts", samples, LEARNING).run()
    rest = trainer_for(checkpoint, tmp_path / "parts", samples, LEARNING)
    rest.run()
    assert losses(rest) == losses(whole)
    found, expected = (
        {path.parent.name: path.read_bytes() for path in (tmp_path / name / "work").glob("step-*/*.safetensors")}
        for name in ("parts", "whole")
    )
    assert len(expected) == 2
    assert found == expected


def test_another_seed_begins_with_another_decoder(checkpoint, samples, tmp_path):
    first, again, other = (
        trainer_for(checkpoint, tmp_path / str(number), samples, replace(LEARNING, seed=seed)).model.state_dict()
        for number, seed in enumerate((0, 0, 1))
    )
    name = "decoder.roberta.encoder.layer.0.crossattention.self.query.weight"
    assert torch.equal(first[name], again[name])
    assert not torch.equal(first[name], other[name])


def test_it_trains_in_bfloat16(checkpoint, samples, tmp_path):
    plan = replace(LEARNING, quantization=replace(WHOLE, compute_dtype="bfloat16"))
    trainer = trainer_for(checkpoint, tmp_path, samples, plan)
    trainer.run()
    assert math.isfinite(losses(trainer)[-1])
    assert losses(trainer)[-1] < losses(trainer)[0]
    assert {parameter.dtype for parameter in trainer.trainable()} == {torch.float32}


def test_activations_that_are_computed_again_change_nothing(checkpoint, samples, tmp_path):
    found = []
    for again in (False, True):
        plan = replace(LEARNING, memory=replace(PLAN.memory, gradient_checkpointing=again))
        trainer = trainer_for(checkpoint, tmp_path / str(again), samples, plan)
        trainer.run()
        found.append(losses(trainer))
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    assert found[0][0] > found[0][-1]


def test_packing_is_refused_when_an_entry_does_not_say_what_it_is(checkpoint, samples, tmp_path):
    plan = replace(LEARNING, settings=replace(PLAIN, packing=True))
    message = r"the inputs of this encoder cannot be packed\. Add 'kind: encoder' to its entry in the config"
    with pytest.raises(StudyError, match=message):
        trainer_for(checkpoint, tmp_path, samples, plan)
