"""The layers of each type of model by what they do, held against the models of transformers without weights."""

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.models.roles import LAYERS, layers_type, linear_names, linear_paths, resolve_roles
from codetune.models.targets import OUTSIDE
from tiny_t5 import CODET5P
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM
from transformers.pytorch_utils import Conv1D

DECODERS = sorted(kind for kind in LAYERS if not kind.startswith("t5"))
FEW = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")


def model_of(kind):
    """A model of a type on the meta device, with two layers."""
    config = AutoConfig.for_model(kind)
    for name in FEW:
        if name in config.to_dict():
            setattr(config, name, 2)
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:2]
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize("gate", ["relu", "gated-gelu"])
def test_an_encoder_decoder_has_just_these_linear_layers(gate):
    sizes = {"num_layers": 2, "num_decoder_layers": 2, "feed_forward_proj": gate}
    config = AutoConfig.for_model(**CODET5P["220m"] | sizes)
    with torch.device("meta"):
        model = AutoModelForSeq2SeqLM.from_config(config)
    linear = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)} - {"lm_head"}
    kind = layers_type(config.to_dict())
    assert {name.partition(".layer.")[2].partition(".")[2] for name in linear} == set(linear_paths(kind))
    assert all(any(path.endswith(f".{name}") for path in linear) for name in linear_names(kind))


@pytest.mark.parametrize("kind", DECODERS)
def test_a_model_of_the_type_has_just_these_linear_layers(kind):
    """By path, in each layer; and what lies outside of layers can be named, too."""
    model = model_of(kind)
    output = model.get_output_embeddings()
    linear = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not output
    ]
    paths = linear_paths(kind)
    for layer in ("0", "1"):
        assert {name.partition(f".{layer}.")[2] for name in linear if f".{layer}." in name} == set(paths)
    assert len(linear) == 2 * len(paths)
    for name in linear_names(kind):
        found = [path for path in linear if f".{path}".endswith(f".{name}")]
        assert len(found) == 2, f"{name} finds {found}"
    outside = [
        name for name, module in model.named_modules() if module is output or isinstance(module, torch.nn.Embedding)
    ]
    assert {name.rpartition(".")[2] for name in outside} <= OUTSIDE


@pytest.mark.parametrize(
    ("kind", "role", "names"),
    [
        ("llama", "attention", "q_proj k_proj v_proj o_proj"),
        ("mistral", "mlp", "gate_proj up_proj down_proj"),
        ("phi3", "attention", "qkv_proj o_proj"),
        ("phi3", "mlp", "gate_up_proj down_proj"),
        ("gpt2", "attention", "c_attn attn.c_proj"),
        ("gpt2", "mlp", "c_fc mlp.c_proj"),
        ("gpt_neox", "attention", "query_key_value dense"),
        ("codegen", "attention", "qkv_proj out_proj"),
        ("codegen", "mlp", "fc_in fc_out"),
        ("mixtral", "attention", "q_proj k_proj v_proj o_proj"),
    ],
)
def test_a_role_is_the_names_that_a_user_would_write(kind, role, names):
    assert resolve_roles({"type": "LORA", "target_modules": role}, kind, "m")["target_modules"] == names.split()


def test_roles_stand_beside_names_and_in_every_key_that_names_modules():
    peft = {"type": "IA3", "target_modules": ["attention", "down_proj", "q_proj"], "feedforward_modules": ["down_proj"]}
    resolved = resolve_roles(peft | {"exclude_modules": "mlp"}, "llama", "m")
    assert resolved["target_modules"] == ["q_proj", "k_proj", "v_proj", "o_proj", "down_proj"]
    assert resolved["feedforward_modules"] == ["down_proj"]
    assert resolved["exclude_modules"] == ["gate_proj", "up_proj", "down_proj"]
    assert peft["target_modules"] == ["attention", "down_proj", "q_proj"]
    for other in ({"target_modules": "all-linear"}, {"target_modules": ".*attention.*"}, {"target_modules": None}, {}):
        assert resolve_roles({"type": "LORA"} | other, "unheard-of", "m") == {"type": "LORA"} | other


@pytest.mark.parametrize(
    ("kind", "key", "role", "said"),
    [
        (
            "lfm2",
            "target_modules",
            "attention",
            "m, a lfm2: its layers are not known by what they do. Write all-linear",
        ),
        (
            None,
            "target_modules",
            "mlp",
            "m, a None: its layers are not known by what they do. Write all-linear, or a list",
        ),
        (
            "mixtral",
            "target_modules",
            ["attention", "mlp"],
            "it has experts, which are no linear layers. Write all-linear",
        ),
        ("lfm2", "feedforward_modules", "mlp", "not known by what they do. Write a list of names."),
    ],
)
def test_a_role_that_a_type_of_model_does_not_have_is_one_line(kind, key, role, said):
    with pytest.raises(StudyError) as found:
        resolve_roles({"type": "LORA", key: role}, kind, "m")
    assert said in str(found.value)
    assert "\n" not in str(found.value)
