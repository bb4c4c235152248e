"""Adapters: a loaded one computes as the trained one did."""

from dataclasses import replace

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.methods.adapters import AdapterTuning, adapted_layers, linear_layers, load_adapter
from codetune.methods.allocation import SCORES
from codetune.models.loading import load_base
from codetune.study.method import TuningSettings
from miniatures import BF16, FAMILIES, FP32, MODEL, PLAN, tokens_for, trainer_for
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from tunings import PROJECTIONS, lora


@pytest.mark.parametrize("name", FAMILIES)
def test_a_loaded_adapter_computes_as_it_did_in_training(checkpoints, tmp_path, name):
    """In bf16, without the autocast that training has."""
    torch.manual_seed(0)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=PROJECTIONS, init_lora_weights=False)
    trained = get_peft_model(load_base(checkpoints / name, BF16), config).eval()
    for parameter in trained.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    trained.save_pretrained(str(tmp_path))
    loaded = load_adapter(load_base(checkpoints / name, BF16), tmp_path)
    assert {p.dtype for n, p in loaded.named_parameters() if "lora_" in n} == {torch.bfloat16}
    ids = torch.tensor([tokens_for(checkpoints / name, 3)[0].prompt])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = trained(input_ids=ids).logits.float()
    with torch.no_grad():
        found = loaded(input_ids=ids).logits.float()
    assert ((found - expected).norm() / expected.norm()).item() < 0.01


FUSED = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]


def on(modules):
    return replace(PLAN, tuning=lora(target_modules=modules))


@pytest.mark.parametrize("name", [*FAMILIES, "phi-3-mini"])
def test_every_module_that_a_method_names_is_adapted_in_every_layer(checkpoints, tmp_path, name):
    present, samples = FUSED if name == "phi-3-mini" else PROJECTIONS, tokens_for(checkpoints / name, 4)
    base = load_base(checkpoints / name, FP32)
    layers = base.config.num_hidden_layers
    assert dict(linear_layers(base)) == dict.fromkeys(present, layers)
    for modules in (present, present[:1], present[::-1][:2]):
        trainer = trainer_for(checkpoints / name, tmp_path / modules[0], samples, on(modules))
        assert adapted_layers(trainer.model) == dict.fromkeys(modules, layers)
        assert len(trainer.trainable()) == 2 * layers * len(modules)


@pytest.mark.parametrize(
    ("name", "modules", "missing"),
    [
        ("phi-3-mini", PROJECTIONS, "q_proj, k_proj, v_proj, gate_proj, up_proj"),
        ("phi-3-mini", ["q_proj", "v_proj"], "q_proj, v_proj"),
        (MODEL, [*PROJECTIONS, "qkv_proj"], "qkv_proj"),
        (MODEL, FUSED, "qkv_proj, gate_up_proj"),
        (MODEL, ["all-linear"], "all-linear"),
        (MODEL, [".*"], ".*"),
        (MODEL, ["proj"], "proj"),
    ],
)
def test_a_module_that_a_model_lacks_is_one_line_that_names_those_it_has(checkpoints, tmp_path, name, modules, missing):
    present = FUSED if name == "phi-3-mini" else PROJECTIONS
    with pytest.raises(StudyError) as found:
        trainer_for(checkpoints / name, tmp_path, tokens_for(checkpoints / name, 4), on(modules))
    assert str(found.value).startswith(f"somewhere has no {missing} to adapt ")
    listed = str(found.value).partition("Its linear layers are ")[2].partition(". ")[0]
    assert sorted(listed.split(", ")) == sorted(present)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("name", "modules", "adapted"),
    [
        (MODEL, "attention", "q_proj k_proj v_proj o_proj"),
        (MODEL, "mlp", "gate_proj up_proj down_proj"),
        (MODEL, ["mlp", "q_proj", "down_proj"], "gate_proj up_proj down_proj q_proj"),
        (MODEL, "all-linear", "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj"),
        (MODEL, ["self_attn.q_proj"], "q_proj"),
        (MODEL, r".*self_attn\.(q|v)_proj", "q_proj v_proj"),
        ("phi-3-mini", "attention", "qkv_proj o_proj"),
        ("phi-3-mini", "mlp", "gate_up_proj down_proj"),
        ("phi-3-mini", "all-linear", "qkv_proj o_proj gate_up_proj down_proj"),
    ],
)
def test_modules_are_found_by_role_path_and_pattern(checkpoints, tmp_path, name, modules, adapted):
    trainer = trainer_for(checkpoints / name, tmp_path, tokens_for(checkpoints / name, 4), on(modules))
    layers = trainer.model.config.num_hidden_layers
    assert adapted_layers(trainer.model) == dict.fromkeys(adapted.split(), layers)


@pytest.mark.parametrize(
    ("modules", "said"),
    [
        (["self_attn"], "PEFT refuses the method's peft of the type LORA. It says: Target module LlamaAttention("),
        (r".*no_such_layer", "somewhere has no .*no_such_layer to adapt (target_modules of the method's peft)"),
    ],
)
def test_what_peft_cannot_adapt_is_one_short_line(checkpoints, tmp_path, modules, said):
    with pytest.raises(StudyError) as found:
        trainer_for(checkpoints / MODEL, tmp_path, tokens_for(checkpoints / MODEL, 4), on(modules))
    assert str(found.value).startswith(said)
    assert "\n" not in str(found.value)
    assert len(str(found.value)) < 500


def test_a_module_of_some_layers_only_is_counted_as_it_is(checkpoints):
    """Models with layers of several kinds have some of their modules in some layers."""
    base = load_base(checkpoints / MODEL, FP32)
    del base.model.layers[0].self_attn.q_proj
    whole = base.config.num_hidden_layers
    assert linear_layers(base)["q_proj"] == whole - 1
    adapted = get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    assert adapted_layers(adapted) == {"q_proj": whole - 1, "v_proj": whole}


def test_a_name_that_is_not_linear_everywhere_cannot_be_adapted(checkpoints):
    base = load_base(checkpoints / MODEL, FP32)
    base.model.layers[0].self_attn.q_proj = torch.nn.Identity()
    assert sorted(linear_layers(base)) == sorted({*PROJECTIONS} - {"q_proj"})


@pytest.mark.parametrize("keys", [{}, {"use_dora": True}], ids=["LoRA", "DoRA"])
def test_what_does_more_than_multiply_stays_in_fp32_and_is_decoded_under_autocast(checkpoints, tmp_path, keys):
    torch.manual_seed(0)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=PROJECTIONS, init_lora_weights=False, **keys)
    trained = get_peft_model(load_base(checkpoints / MODEL, BF16), config).eval()
    trained.save_pretrained(str(tmp_path))
    loaded = load_adapter(load_base(checkpoints / MODEL, BF16), tmp_path)
    kinds = {weight.dtype for name, weight in loaded.named_parameters() if "lora_" in name}
    assert kinds == {torch.float32 if keys else torch.bfloat16}
    ids = torch.tensor([tokens_for(checkpoints / MODEL, 3)[0].prompt])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = trained(input_ids=ids).logits.float()
    with torch.no_grad():
        found = loaded(input_ids=ids).logits.float()
    assert ((found - expected).norm() / expected.norm()).item() < (1e-6 if keys else 0.01)


@pytest.mark.parametrize("start", ["pissa", "pissa_niter_4", "olora"])
@pytest.mark.parametrize("use_rslora", [False, True])
def test_what_was_taken_out_of_the_weights_is_put_back_when_it_is_saved(checkpoints, tmp_path, start, use_rslora):
    """So that the plain base model is the one to load it beside, without taking anything out again."""
    keys = {"init_lora_weights": start, "use_rslora": use_rslora, "rank_pattern": {"q_proj": 2}}
    tuning = AdapterTuning(lora(**keys))
    torch.manual_seed(0)
    model = tuning.attach(load_base(checkpoints / MODEL, FP32.of_type("none")), PLAN.source, 4).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.01 * torch.randn_like(parameter)
    tuning.save(model, tmp_path)
    config = PeftConfig.from_pretrained(str(tmp_path))
    assert (config.init_lora_weights, config.r, config.rank_pattern) == (True, 8, {"q_proj": 4})
    plain = PeftModel.from_pretrained(load_base(checkpoints / MODEL, FP32.of_type("none")), str(tmp_path)).eval()
    ids = torch.tensor([tokens_for(checkpoints / MODEL, 3)[0].prompt])
    with torch.no_grad():
        expected, found = model(input_ids=ids).logits, plain(input_ids=ids).logits
    assert torch.allclose(found, expected, atol=1e-4 * expected.abs().max().item())


@pytest.mark.parametrize("keys", [{}, {"modules_to_save": ["embed_tokens"]}, {"modules_to_save": ["norm"]}])
def test_beside_quantised_weights_a_copied_layer_begins_with_all_its_digits(checkpoints, tmp_path, keys):
    """TRL rounds what is trained there to bf16, which stays for LoRA's random values alone."""
    plan = replace(PLAN, tuning=lora(**keys))
    trainer = trainer_for(checkpoints / MODEL, tmp_path, tokens_for(checkpoints / MODEL, 4), plan)
    base = dict(load_base(checkpoints / MODEL, FP32).named_parameters())
    for name, parameter in trainer.model.named_parameters():
        if parameter.requires_grad and "lora_" in name:
            assert torch.equal(parameter, parameter.bfloat16().float())
        elif parameter.requires_grad:
            name = name.removeprefix("base_model.model.").replace("modules_to_save.default.", "")
            assert torch.equal(parameter, base[name])


def test_nothing_is_put_beside_the_output_layer(checkpoints, tmp_path):
    with pytest.raises(StudyError, match="nothing can be put beside the output layer"):
        trainer_for(checkpoints / MODEL, tmp_path, tokens_for(checkpoints / MODEL, 4), on(r".*(q_proj|lm_head)"))


def test_of_ranks_that_are_shared_out_a_state_holds_all(checkpoints, tmp_path):
    keys = {"type": "ADALORA", "init_r": 4, "target_r": 2, "target_modules": PROJECTIONS}
    plan = replace(PLAN, tuning=TuningSettings("peft", keys), settings=replace(PLAN.settings, epochs=2))
    trainer = trainer_for(checkpoints / MODEL, tmp_path / "one", tokens_for(checkpoints / MODEL, 12), plan)
    trainer.run()
    found = trainer.model.base_model.rankallocator
    assert trainer.model.peft_config["default"].total_step == trainer.state.max_steps == trainer.state.global_step
    masks = trainer.model.peft_config["default"].rank_pattern
    assert sum(map(sum, masks.values())) == 2 * len(masks)
    trainer.tuning.save_state(trainer.model, tmp_path)
    other = trainer_for(checkpoints / MODEL, tmp_path / "other", tokens_for(checkpoints / MODEL, 12), plan)
    other.tuning.load_state(other.model, tmp_path)
    again = other.model.base_model.rankallocator
    assert other.model.peft_config["default"].rank_pattern == masks
    for part in SCORES:
        assert getattr(found, part).keys() == getattr(again, part).keys()
        assert all(torch.equal(one, getattr(again, part)[name]) for name, one in getattr(found, part).items())
