"""Full tuning on miniatures: what is trained, in which precision, what is saved, and what is decoded."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.methods.full import FullTuning
from codetune.models.loading import load_base
from codetune.models.tokenizers import load_tokenizer
from miniatures import FAMILIES, FULL_PLAN, MODEL, WHOLE, batch_of, complete, tokens_for, trainer_for
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from tunings import FULL

BF16 = replace(WHOLE, compute_dtype="bfloat16")
IN_BF16 = replace(FULL_PLAN, quantization=BF16)
ROUNDED = replace(IN_BF16, settings=replace(FULL_PLAN.settings, precision="bfloat16"))


@pytest.fixture(scope="module", params=[FULL_PLAN, IN_BF16, ROUNDED], ids=["fp32", "bf16", "rounded"])
def trained(checkpoints, tmp_path_factory, request):
    """A training in each precision, what it saved, and the validation losses before and after."""
    folder = tmp_path_factory.mktemp("full")
    samples = tokens_for(checkpoints / MODEL, 24)
    plan = replace(request.param, settings=replace(request.param.settings, epochs=3))
    trainer = trainer_for(checkpoints / MODEL, folder, samples, plan)
    trainer.run()
    return trainer, trainer.states.checkpoint(trainer.state.best_global_step), samples


def test_every_parameter_is_trained_in_the_precision_of_the_settings(trained, checkpoints):
    trainer, _, _ = trained
    precision = torch.bfloat16 if trainer.model.dtype == torch.bfloat16 else torch.float32
    before = load_base(checkpoints / MODEL, WHOLE, precision)
    names = dict(before.named_parameters())
    assert {one.dtype for one in trainer.trainable()} == {precision}
    assert len(trainer.trainable()) == len(names)
    unmoved = [name for name, one in trainer.model.named_parameters() if torch.equal(one, names[name])]
    assert unmoved == []
    losses = [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row]
    assert min(losses[1:]) < losses[0] - 0.1


def test_the_checkpoint_is_one_that_transformers_loads_as_it_is(trained, checkpoints):
    trainer, folder, _ = trained
    model, found = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(found.values())
    dtype = trainer.model.config.dtype
    assert model.dtype == dtype
    assert AutoTokenizer.from_pretrained(folder)("def f(): pass") == load_tokenizer(checkpoints / MODEL)(
        "def f(): pass"
    )
    published = GenerationConfig.from_pretrained(checkpoints / MODEL)
    assert GenerationConfig.from_pretrained(folder).to_dict() == published.to_dict()
    with safe_open(folder / "model.safetensors", "pt") as weights:
        assert {weights.get_tensor(name).dtype for name in weights.keys()} == {dtype}  # noqa: SIM118
    text = (folder / "config.json").read_text()
    assert str(checkpoints) not in text
    assert "packed" not in text
    assert json.loads(text)["architectures"] == [type(model).__name__]


def test_what_was_trained_is_what_is_decoded(trained, checkpoints):
    """Up to the rounding of fp32 weights that matrices see in training, too."""
    trainer, folder, samples = trained
    quantization = BF16 if trainer.args.bf16 else WHOLE
    base = load_base(checkpoints / MODEL, quantization)
    before = complete(base, load_tokenizer(checkpoints / MODEL), samples[:4])
    tuned = FullTuning(FULL).load(base, folder)
    plain = AutoModelForCausalLM.from_pretrained(folder).eval()
    for (name, one), (_, other) in zip(tuned.named_parameters(), plain.named_parameters(), strict=True):
        assert torch.equal(one, other), name
    found = complete(tuned, load_tokenizer(checkpoints / MODEL), samples[:4])
    assert found == complete(plain, load_tokenizer(checkpoints / MODEL), samples[:4])
    assert found != before


def test_checkpoints_take_turns_in_one_model(trained, checkpoints):
    trainer, _, _ = trained
    base, tuning = load_base(checkpoints / MODEL, WHOLE), FullTuning(FULL)
    for step in [int(p.name[5:]) for p in sorted(trainer.states.work.glob("step-*"))]:
        model = tuning.swap(base, trainer.states.checkpoint(step))
        saved = load_file(trainer.states.checkpoint(step) / "model.safetensors")
        for name, weight in saved.items():
            assert torch.equal(model.get_parameter(name), weight.to(model.dtype))


@pytest.mark.parametrize("damage", ["missing", "another shape", "more", "cut off"])
def test_weights_that_are_not_the_model_s_are_refused(trained, checkpoints, tmp_path, damage):
    _, folder, _ = trained
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    file = copy / "model.safetensors"
    if damage == "cut off":
        file.write_bytes(file.read_bytes()[:-100])
    else:
        weights = load_file(file)
        name = "model.layers.0.mlp.up_proj.weight"
        change = {"missing": {}, "another shape": {name: weights[name][:-1].clone()}, "more": {name: weights.pop(name)}}
        weights = {key: one for key, one in weights.items() if key != name} | change[damage]
        if damage == "more":
            weights["model.layers.9.mlp.up_proj.weight"] = torch.zeros(2, 2)
        save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(StudyError, match=r"^[^\n]*the tuned model[^\n]*Delete that folder and run again[^\n]*$"):
        FullTuning(FULL).load(load_base(checkpoints / MODEL, WHOLE), copy)


def test_the_checkpoint_of_another_model_is_refused(trained, checkpoints):
    _, folder, _ = trained
    with pytest.raises(StudyError, match="the tuned model"):
        FullTuning(FULL).load(load_base(checkpoints / "gemma-2-2b", WHOLE), folder)


@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_of_packed_samples_are_those_of_each_alone(checkpoints, tmp_path, name):
    """Of every parameter; also of output matrices, tied to the embedding or not."""
    samples = tokens_for(checkpoints / name, 6)
    trainer = trainer_for(checkpoints / name, tmp_path, samples, FULL_PLAN)
    tokens = sum(len(sample.completion) for sample in samples)

    def gradients(batches):
        trainer.model.zero_grad()
        for batch in batches:
            trainer.compute_loss(trainer.model, batch, num_items_in_batch=tokens).backward()
        return {name: one.grad.clone() for name, one in trainer.model.named_parameters()}

    trainer.model.train()
    packed = gradients([batch_of(samples, 256)])
    alone = gradients([batch_of([sample], 256) for sample in samples])
    for one, other in zip(packed.values(), alone.values(), strict=True):
        torch.testing.assert_close(one, other, atol=2e-6, rtol=2e-3)

    # Without TRL's output layer: the loss by autograd through the model's own logits.
    trainer.model.set_attn_implementation("eager" if name == "gemma-2-2b" else "sdpa")
    trainer.model.zero_grad()
    for sample in samples:
        ids = torch.tensor([sample.prompt + sample.completion])
        logits = trainer.model(input_ids=ids, use_cache=False).logits[0, :-1]
        taken = logits.log_softmax(-1).gather(1, ids[0, 1:, None])[len(sample.prompt) - 1 :]
        (-taken.sum() / tokens).backward()
    for parameter, one in trainer.model.named_parameters():
        torch.testing.assert_close(packed[parameter], one.grad, atol=2e-6, rtol=2e-3)


def test_dropout_of_the_model_s_own_is_noticed(checkpoints):
    model = load_base(checkpoints / MODEL, WHOLE)
    tuning = FullTuning(FULL)
    for rate in (0.0, 0.1):
        model.config.attention_dropout = rate
        tuning.attach(model, FULL_PLAN.source, 1)
        assert tuning.uses_dropout is (rate > 0)


@pytest.mark.parametrize("name", ["llama-3.2-1b", "gemma-2-2b", "phi-3-mini"])
def test_what_was_not_trained_is_saved_as_it_was_published(checkpoints, tmp_path, name):
    """With tied embeddings or not, whatever the library has made of the configuration meanwhile."""
    tuning = FullTuning(FULL)
    model = tuning.attach(tuning.load_base(checkpoints / name, BF16, "float32"), FULL_PLAN.source, 1)
    model.config.use_cache, model.config.pad_token_id, model.generation_config.eos_token_id = False, 3, [5]
    for folder in (tmp_path / "one", tmp_path / "other"):
        folder.mkdir()
        tuning.save(model, folder)
    bytes_of = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in sorted(tmp_path.iterdir())]
    assert bytes_of[0] == bytes_of[1]
    saved, published = load_file(tmp_path / "one" / "model.safetensors"), load_base(checkpoints / name, BF16)
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "one")
    for (parameter, one), (_, other) in zip(again.named_parameters(), published.named_parameters(), strict=True):
        assert torch.equal(one, other), parameter
    assert sum(one.numel() for one in saved.values()) == published.num_parameters()
    before = json.loads((checkpoints / name / "config.json").read_text())
    after = json.loads((tmp_path / "one" / "config.json").read_text())
    assert {key for key in before if before[key] != after.get(key)} <= {"dtype", "transformers_version"}
    for file in checkpoints.joinpath(name).glob("*token*"):
        assert (tmp_path / "one" / file.name).read_bytes() == file.read_bytes()
