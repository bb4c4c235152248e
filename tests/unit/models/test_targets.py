"""What methods adapt, checked against models at the start: by the config.json that is there."""

import copy
import json

import pytest
import yaml
from codetune.base.errors import StudyError
from codetune.models.targets import check_architecture, check_models
from codetune.study.config import load_study
from conftest import ROOT
from paper_models import PUBLISHED

CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
LLAMA, GPT2, PHI3 = (
    {"model_type": "llama", "num_hidden_layers": 16},
    {"model_type": "gpt2", "n_layer": 12},
    {"model_type": "phi3"},
)

ACCEPTED = [
    (LLAMA, {"type": "LORA", "target_modules": ["q_proj", "self_attn.v_proj", "lm_head", "embed_tokens"]}),
    (LLAMA, {"type": "LORA", "target_modules": ["model.layers.0.self_attn.q_proj", "layers.3.mlp.up_proj"]}),
    (LLAMA, {"type": "LORA", "target_modules": "attention", "layers_to_transform": [0, 15]}),
    (LLAMA, {"type": "LORA", "target_modules": ".*anything"}),
    (LLAMA, {"type": "LORA"}),
    (LLAMA, {"type": "IA3", "target_modules": "all-linear", "feedforward_modules": ["mlp"]}),
    (LLAMA, {"type": "ADAPTION_PROMPT", "adapter_layers": 16}),
    (LLAMA | {"vocab_size": 100}, {"type": "LORA", "trainable_token_indices": [0, 99]}),
    (GPT2, {"type": "LORA", "target_modules": ["c_attn", "mlp.c_proj", "wte"]}),
    (GPT2, {"type": "LN_TUNING", "target_modules": ["ln_1", "ln_f"]}),
    (PHI3, {"type": "PREFIX_TUNING", "num_virtual_tokens": 4}),
    (PHI3, {"type": "LORA", "target_parameters": ["w"]}),
    (PHI3, {"type": "TRAINABLE_TOKENS", "token_indices": [3]}),
    ({"model_type": "lfm2"}, {"type": "LORA", "target_modules": ["anything"]}),
    ({}, {"type": "LORA", "target_modules": "attention"}),
]
VOCABULARY = {"model_type": "llama", "vocab_size": 100}
REFUSED = [
    (
        VOCABULARY,
        {"type": "TRAINABLE_TOKENS", "token_indices": [3, 100]},
        "M has no token 100; its 100 tokens have the",
    ),
    (
        VOCABULARY,
        {"type": "LORA", "trainable_token_indices": {"embed_tokens": [200]}},
        "M has no token 200; its 100 tokens",
    ),
    (LLAMA, {"type": "LORA", "target_modules": [f"w{n}" for n in range(9000)]}, "w18, w19 to adapt (target_modules of"),
    (PHI3, {"type": "LORA", "target_modules": ["q_proj", "o_proj"]}, "M has no q_proj to adapt (target_modules of"),
    (
        PHI3,
        {"type": "LORA", "target_modules": ["q_proj"]},
        "linear layers are qkv_proj, o_proj, gate_up_proj, down_proj.",
    ),
    (LLAMA, {"type": "LORA", "target_modules": ["q_prj"]}, "M has no q_prj to adapt"),
    (LLAMA, {"type": "LORA", "target_modules": ["layers.3.mlp.q_proj"]}, "M has no mlp.q_proj to adapt"),
    (LLAMA, {"type": "LORA", "target_modules": ["self_attn"]}, "M has no self_attn to adapt"),
    (GPT2, {"type": "LORA", "target_modules": ["q_proj"]}, "linear layers are c_attn, attn.c_proj, c_fc, mlp.c_proj."),
    (
        LLAMA,
        {"type": "IA3", "target_modules": ["q_proj", "w"], "feedforward_modules": ["w"]},
        "M has no w to adapt (target_modules of",
    ),
    (LLAMA, {"type": "IA3", "target_modules": "attention", "feedforward_modules": ["w"]}, "(feedforward_modules of"),
    (
        LLAMA,
        {"type": "LORA", "layers_to_transform": [3, 16]},
        "M has no layer 16; its 16 layers have the numbers 0 to 15",
    ),
    (GPT2, {"type": "LORA", "layers_to_transform": 12}, "M has no layer 12; its 12 layers have the numbers 0 to 11"),
    (
        LLAMA,
        {"type": "ADAPTION_PROMPT", "adapter_layers": 17},
        "adapter_layers: 17 is above 16, the number of layers of M",
    ),
    (
        PHI3,
        {"type": "ADAPTION_PROMPT"},
        "ADAPTION_PROMPT is made for models of the types llama, mistral, gpt2, and M is a phi3",
    ),
    (
        PHI3,
        {"type": "LORA"},
        "the key 'target_modules' is missing, and PEFT knows none for LORA on M, a phi3. Write all-linear, attention, "
        "mlp or a list of qkv_proj, o_proj, gate_up_proj, down_proj.",
    ),
    (
        {"model_type": "lfm2"},
        {"type": "VERA"},
        "for VERA on M, a lfm2. Write all-linear, attention, mlp or a list of names.",
    ),
    (PHI3, {"type": "LN_TUNING"}, "for LN_TUNING on M, a phi3. Write a list of its norms."),
    (
        PHI3,
        {"type": "IA3", "target_modules": "attention"},
        "the key 'feedforward_modules' is missing, and PEFT knows none",
    ),
    (
        {"model_type": "mixtral"},
        {"type": "LORA", "target_modules": ["attention", "mlp"]},
        "it has experts, which are no linear",
    ),
    ({"model_type": "mixtral"}, {"type": "LORA", "target_modules": ["gate_proj"]}, "M has no gate_proj to adapt"),
]


@pytest.mark.parametrize(("config", "peft"), ACCEPTED)
def test_what_a_model_has_is_accepted(config, peft):
    check_architecture(peft, config, "M")


@pytest.mark.parametrize(("config", "peft", "said"), REFUSED)
def test_what_a_model_lacks_is_one_line_with_what_it_has(config, peft, said):
    with pytest.raises(StudyError) as found:
        check_architecture(peft, config, "M")
    assert said in str(found.value)
    assert "\n" not in str(found.value)


@pytest.fixture
def config(tmp_path):
    """The paper's config with one local model, whose config.json is a Llama's."""
    config = copy.deepcopy(CONFIG)
    model = config["models"]["llama-3.2-1b"]
    for key in ("repo", "revision", "license"):
        model.pop(key)
    model["path"] = str(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(PUBLISHED["Llama-3.2-1B"][0]))
    return config


def test_each_method_is_checked_against_each_local_model_of_its_runs(config, tmp_path):
    check_models(load_study(config), "resources")
    config["methods"]["qlora"]["peft"]["target_modules"] = ["q_proj", "qkv_proj"]
    with pytest.raises(StudyError, match=r"^config: methods\.qlora\.peft: Llama-3\.2-1B has no qkv_proj to adapt"):
        check_models(load_study(config), "resources")
    (tmp_path / "config.json").write_text("{")  # whoever loads the model says what is wrong with it
    check_models(load_study(config), "resources")
    (tmp_path / "config.json").unlink()
    check_models(load_study(config), "resources")


@pytest.mark.parametrize("folder", ["models", "tokenizers"])
def test_each_method_is_checked_against_each_model_that_was_downloaded(tmp_path, folder):
    config = copy.deepcopy(CONFIG)
    config["methods"]["qlora"]["peft"]["target_modules"] = ["qkv_proj"]
    study = load_study(config)
    check_models(study, str(tmp_path))
    place = tmp_path / folder / "gemma-2-2b"
    place.mkdir(parents=True)
    (place / "config.json").write_text(json.dumps(PUBLISHED["Gemma-2-2B"][0]))
    with pytest.raises(StudyError, match=r"Gemma-2-2b-it has no qkv_proj to adapt"):
        check_models(study, str(tmp_path))
