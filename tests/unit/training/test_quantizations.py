"""Each way of holding frozen weights: loaded, trained, resumed and decoded, with the same gradients throughout."""

import shutil
from dataclasses import replace

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.generation.loading import load_for_decoding
from codetune.generation.trial import try_decoding
from codetune.methods.adapters import load_adapter
from codetune.models.attention import Packed
from codetune.models.int8 import linear_8bit
from codetune.models.loading import Checkpoint, load_base
from codetune.models.quantization import held_as, linear_4bit
from codetune.models.tokenizers import load_tokenizer
from codetune.study.method import Quantization
from miniatures import DECODING, FAMILIES, MODEL, PLAN, batch_of, complete, tokens_for, trainer_for
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from test_resuming import outcome, run_and_stop
from tunings import PROJECTIONS, lora

TYPES = ("none", "int8", "nf4", "fp4")
HELD = {"none": "float32", "int8": "8 bits", "nf4": "4 bits", "fp4": "4 bits"}
FURTHEST = {"none": 0.0, "int8": 0.01, "nf4": 0.12, "fp4": 0.18}  # that a weight may be from the checkpoint's, relative


def quantization(kind, dtype="float32"):
    return Quantization(kind, double=kind == "nf4", compute_dtype=dtype)


def dequantised(module):
    """The weight of a linear layer as numbers."""
    from bitsandbytes.functional import dequantize_4bit, int8_vectorwise_dequant

    if state := getattr(module.weight, "quant_state", None):
        return dequantize_4bit(module.weight.data, state)
    if linear_8bit(module):
        return int8_vectorwise_dequant(module.weight.data, module.state.SCB)
    return module.weight


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", TYPES)
def test_linear_layers_are_held_as_the_method_says_and_all_else_in_the_compute_type(checkpoints, kind, dtype):
    model = load_base(checkpoints / MODEL, quantization(kind, dtype))
    stored = {
        name: value.to(getattr(torch, dtype))
        for name, value in load_file(checkpoints / MODEL / "model.safetensors").items()
    }
    assert held_as(model) == (dtype if kind == "none" else HELD[kind])
    assert model.dtype == getattr(torch, dtype)
    assert not model.training
    layers = {name: module for name, module in model.named_modules() if name.rpartition(".")[2] in PROJECTIONS}
    assert len(layers) == 7 * model.config.num_hidden_layers
    assert len(linear_4bit(model)) == (len(layers) if HELD[kind] == "4 bits" else 0)
    assert len(linear_8bit(model)) == (len(layers) if kind == "int8" else 0)
    for name, layer in layers.items():
        weight = stored[f"{name}.weight"].float()
        assert ((dequantised(layer).float() - weight).norm() / weight.norm()) <= FURTHEST[kind]
    others = {name: value for name, value in model.named_parameters() if name.removesuffix(".weight") not in layers}
    assert others
    assert all(torch.equal(value, stored[name]) for name, value in others.items())


@pytest.mark.parametrize("kind", TYPES)
def test_weights_of_another_model_or_not_finite_are_refused_in_each_type(checkpoints, tmp_path, kind):
    folder = shutil.copytree(checkpoints / MODEL, tmp_path / "model")
    whole = load_file(folder / "model.safetensors")
    name = next(key for key in whole if "down_proj" in key)
    broken = whole[name].clone()
    broken[3, 5] = torch.nan
    large = whole[name].clone()
    large[3, 5] = torch.inf
    for weights, meaning in (
        ({key: value for key, value in whole.items() if key != name}, "lack"),
        (whole | {name: whole[name][:, :8].clone()}, "another shape"),
        (whole | {name: broken}, f"{name} has values that are not finite"),
        (whole | {name: large}, f"{name} has values that are not finite"),
    ):
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(StudyError, match=meaning):
            load_base(folder, quantization(kind))


def gradients_of(model, batch):
    model.zero_grad()
    model.train()
    model(**batch, use_cache=False).loss.backward()
    return [p.grad.clone() for p in model.parameters() if p.requires_grad]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("kind", TYPES)
def test_gradients_after_an_evaluation_equal_those_before(checkpoints, kind, name):
    """In 4 bits they did not, until weights were kept from being repacked."""
    torch.manual_seed(0)
    base = load_base(checkpoints / name, quantization(kind))
    model = get_peft_model(base, LoraConfig(r=4, target_modules=PROJECTIONS, init_lora_weights=False))
    samples = tokens_for(checkpoints / name)
    batch = {**batch_of(samples[:1]), "packed": None}  # with the attention that generation has
    before = gradients_of(model, batch)
    complete(model.eval(), load_tokenizer(checkpoints / name), samples[:3])
    after = gradients_of(model, batch)
    assert any(gradient.abs().max() > 0 for gradient in before)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def relative(one, other):
    one, other = (torch.cat([value.flatten() for value in values]) for values in (one, other))
    return ((one - other).norm() / other.norm()).item()


@pytest.mark.parametrize(("kind", "most"), [("none", 0), ("int8", 0.05), ("nf4", 1e-6), ("fp4", 1e-6)])
def test_gradients_are_those_of_the_dequantised_weights(checkpoints, kind, most):
    """In 8 bits up to the rounding of the inputs; each layer's are exact, as the tests of models/int8 have it."""
    batch = {**batch_of(tokens_for(checkpoints / MODEL)[:1]), "packed": None}
    found = []
    for plain in (False, True):
        torch.manual_seed(0)
        base = load_base(checkpoints / MODEL, quantization(kind))
        if plain:
            values = {name: dequantised(one).float() for name, one in base.named_modules() if name.endswith("_proj")}
            base = load_base(checkpoints / MODEL, quantization("none"))
            for name, value in values.items():
                base.get_submodule(name).weight.data = value
        model = get_peft_model(base, LoraConfig(r=4, target_modules=PROJECTIONS, init_lora_weights=False))
        found.append(gradients_of(model, batch))
    assert relative(*found) <= most


# What differs by rounding alone: in 8 bits, a rounded input is now and then another integer.
ROUNDING = {"none": 1e-5, "int8": 0.01, "nf4": 1e-5, "fp4": 1e-5}


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("kind", TYPES)
def test_gradients_of_a_batch_are_those_of_its_samples_alone(checkpoints, tmp_path, kind, packing):
    plan = replace(PLAN, quantization=quantization(kind), settings=replace(PLAN.settings, packing=packing))
    samples = tokens_for(checkpoints / MODEL, 4)
    trainer = trainer_for(checkpoints / MODEL, tmp_path, samples, plan)
    for parameter in trainer.trainable():
        torch.nn.init.normal_(parameter, std=0.02, generator=torch.Generator().manual_seed(1))
    items = sum(len(sample.completion) for sample in samples)

    def gradients(batches):
        trainer.model.zero_grad()
        trainer.model.train()
        for batch in batches:
            trainer.compute_loss(trainer.model, batch, num_items_in_batch=items).backward()
        return [parameter.grad.clone() for parameter in trainer.trainable()]

    rows = list(trainer.train_dataset)
    assert packing == (len(rows) < len(samples))
    together = gradients([batch_of(samples, 10**6 if packing else 0)])
    assert relative(together, gradients([batch_of([sample], len(sample)) for sample in samples])) < ROUNDING[kind]


@pytest.mark.parametrize("kind", TYPES)
def test_a_training_lowers_the_loss_resumes_to_the_same_bytes_and_is_decoded_as_it_was_trained(
    checkpoints, tmp_path, monkeypatch, capsys, kind
):
    samples = tokens_for(checkpoints / MODEL, 24)
    settings = replace(PLAN.settings, epochs=2, patience=None)
    plan = replace(PLAN, quantization=quantization(kind), settings=settings, tuning=lora(lora_dropout=0.1))
    whole = trainer_for(checkpoints / MODEL, tmp_path / "whole", samples, plan)
    whole.run()
    assert whole.deterministic
    losses = [row["eval_loss"] for row in whole.state.log_history if "eval_loss" in row]
    assert losses[-1] < losses[0]
    assert run_and_stop(trainer_for(checkpoints / MODEL, tmp_path / "cut", samples, plan), 6, monkeypatch)
    last = trainer_for(checkpoints / MODEL, tmp_path / "cut", samples, plan)
    assert not run_and_stop(last, 10**6, monkeypatch)
    assert outcome(last, tmp_path / "cut") == outcome(whole, tmp_path / "whole")

    capsys.readouterr()
    decoded = load_for_decoding(Checkpoint(checkpoints / MODEL, plan.quantization), DECODING)
    said = capsys.readouterr().out
    held = "8 bits" if kind == "int8" else "float32"  # a CPU has memory for the dequantised weights
    assert held_as(decoded) == held
    assert f"GB in {HELD[kind]}; decoding with weights in {held}\n" in said
    try_decoding(decoded, samples, 12)
    decoded = load_adapter(decoded, whole.states.checkpoint(whole.state.global_step))
    sample, trained = samples[0], whole.model.eval()
    ids = torch.tensor([sample.prompt + sample.completion])
    with torch.no_grad():
        there = decoded(input_ids=ids, use_cache=False).logits
        here = trained(input_ids=ids, use_cache=False, packed=Packed([len(sample)], "cpu")).logits
    assert relative([there], [here]) < ROUNDING[kind]
    tokenizer = load_tokenizer(checkpoints / MODEL)
    assert complete(decoded, tokenizer, samples[:6]) == complete(
        decoded, tokenizer, samples[:6], replace(DECODING, batch_size=1)
    )


@pytest.mark.parametrize("kind", TYPES)
def test_bfloat16_trains_in_each_type(checkpoints, tmp_path, kind):
    plan = replace(PLAN, quantization=quantization(kind, "bfloat16"))
    trainer = trainer_for(checkpoints / MODEL, tmp_path, tokens_for(checkpoints / MODEL), plan)
    trainer.run()
    assert all(parameter.dtype == torch.float32 for parameter in trainer.trainable())
    losses = [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row]
    assert losses[-1] < losses[0]
