"""PEFT's types and keys as the plan knows them, held against PEFT itself."""

import dataclasses
import importlib.util

import pytest
from codetune.base.errors import StudyError
from codetune.methods.peft_config import peft_config
from codetune.study import peft_types
from codetune.study.peft_keys import SCHEMA, check_peft, read_types
from codetune.study.peft_rules import RULES, VARIANTS
from codetune.study.peft_values import find_mistake
from conftest import ROOT
from peft import PeftConfig, PeftType
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

TYPES = read_types()
TRAINED = [kind for kind in TYPES if kind not in peft_types.REFUSED_TYPES]
NEEDED = {
    "num_virtual_tokens": 4,
    "adapter_len": 4,
    "adapter_layers": 1,
    "token_indices": [3],
}
FILLED = {"total_step": 100, "tokenizer_name_or_path": "somewhere"}


def smallest(kind):
    """What has to be stated of a type."""
    return {"type": kind, **{key: NEEDED[key] for key in peft_types.NEEDED_KEYS.get(kind, ())}}


def test_the_file_is_what_peft_gives():
    spec = importlib.util.spec_from_file_location("generate_peft", ROOT / "workflow/schemas/generate_peft.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert SCHEMA.read_text() == generate.peft_json(), "run make lock, and look at what PEFT has changed"


def test_each_type_of_peft_is_there_and_each_key():
    assert TYPES.keys() == {kind.value for kind in PeftType}
    common = {field.name for field in dataclasses.fields(PeftConfig)}
    assert peft_types.SET_ELSEWHERE.keys() == common
    for kind, config in PEFT_TYPE_TO_CONFIG_MAPPING.items():
        taken = {field.name for field in dataclasses.fields(config) if field.init}
        assert TYPES[kind.value]["keys"].keys() == taken - common


def test_what_is_known_beside_the_file_is_of_types_and_keys_that_peft_has():
    """So that a new PEFT shows which of it is out of date."""
    keys = {key for entry in TYPES.values() for key in entry["keys"]}
    nested = {
        name
        for entry in TYPES.values()
        for schema in entry["keys"].values()
        for part in schema.get("anyOf", [schema])
        for name in part.get("properties", {})
    }
    of_types = (peft_types.REFUSED_TYPES, peft_types.REFUSED_QUANTIZED, peft_types.PASSED_OVER, peft_types.OTHER_LAYERS)
    for known in (*of_types, peft_types.NEEDED_KEYS, RULES):
        assert TYPES.keys() >= set(known)
    named = [key.rpartition(".") for key in peft_types.BOUNDS]
    assert {kind for kind, _, _ in named} <= TYPES.keys() | {""}
    assert {key for _, _, key in named} <= keys | nested
    of_keys = (peft_types.REFUSED_KEYS, peft_types.PATTERNS, peft_types.MODULE_KEYS, VARIANTS)
    assert {key for known in of_keys for key in known} <= keys
    for kind, passed_over in peft_types.PASSED_OVER.items():
        assert TYPES[kind]["keys"].keys() >= passed_over.keys()
    for kind, needed in peft_types.NEEDED_KEYS.items():
        assert TYPES[kind]["keys"].keys() >= set(needed)
    for key in peft_types.ABOVE_ZERO:
        assert any(name.endswith(key) for name in keys | nested)
    assert not TYPES.keys() & peft_types.OTHER_NAMES.keys()


@pytest.mark.parametrize("kind", TRAINED)
def test_what_peft_takes_by_default_is_accepted_and_makes_its_configuration(kind):
    check_peft("methods.x.peft", smallest(kind), "none")
    config = peft_config(smallest(kind), **FILLED)
    assert (config.peft_type, config.task_type) == (kind, "CAUSAL_LM")
    for schema in TYPES[kind]["keys"].values():
        assert schema["default"] is None or find_mistake(schema["default"], schema) is None


@pytest.mark.parametrize("kind", TRAINED)
def test_stating_a_default_changes_nothing(kind):
    """Each key by itself, where a method can state it at all."""
    refused = peft_types.REFUSED_KEYS.keys() | peft_types.PASSED_OVER.get(kind, {}).keys()
    for key, schema in TYPES[kind]["keys"].items():
        if key not in refused and schema["default"] not in (None, [], {}):
            check_peft("methods.x.peft", smallest(kind) | {key: schema["default"]}, "none")


@pytest.mark.parametrize("kind", TRAINED)
def test_a_value_of_another_kind_is_refused_for_each_key(kind):
    """A class is a value that no key takes; each message is one line that names the key."""
    for key in TYPES[kind]["keys"]:
        for wrong in (object, {"no such": object}, [object], float("nan")):
            with pytest.raises(StudyError) as found:
                check_peft("methods.x.peft", smallest(kind) | {key: wrong}, "none")
            assert str(found.value).startswith(f"config: methods.x.peft.{key}")
            assert "\n" not in str(found.value)


REFUSED_BY_PEFT = [
    {"type": "LORA", "layers_pattern": "layers"},
    {"type": "LORA", "target_modules": "all-linear", "layers_to_transform": [0]},
    {"type": "LORA", "use_dora": True, "lora_bias": True},
    {"type": "LORA", "init_lora_weights": "olora", "lora_bias": True},
    {"type": "LORA", "velora_config": {"scale": -1}},
    {"type": "LORA", "velora_config": {"init_type": "batch"}},
    {"type": "LORA", "monteclora_config": {"num_samples": 0}},
    {"type": "LORA", "target_parameters": "experts"},
    {"type": "LORA", "no_such": 1},
    {"type": "ADALORA", "use_dora": True},
    {"type": "ADALORA", "total_step": 10, "tinit": 5, "tfinal": 5},
    {"type": "ADALORA", "total_step": 0},
    {"type": "ADALORA", "orth_reg_weight": -1},
    {"type": "BOFT", "boft_block_size": 0},
    {"type": "BOFT", "boft_block_num": 2},
    {"type": "CARTRIDGE", "num_virtual_tokens": 2, "num_frozen_tokens": 3},
    {"type": "DEFT", "decomposition_method": "svd"},
    {"type": "DELORA", "r": 0},
    {"type": "FROD", "sparse_rate": 1.5},
    {"type": "GLORA", "config_A_B": "low"},
    {"type": "GRALORA", "r": 9},
    {"type": "IA3", "target_modules": ["k_proj"], "feedforward_modules": ["down_proj"]},
    {"type": "LILY", "num_B": 1},
    {"type": "OFT", "r": 8},
    {"type": "OFT", "oft_block_size": 0},
    {"type": "PEANUT", "act_fn": "rely"},
    {"type": "PROMPT_TUNING", "num_virtual_tokens": 4, "prompt_tuning_init": "TEXT"},
    {"type": "PSOFT", "ab_svd_init": "svd"},
    {"type": "PSOFT", "use_cayley_neumann": True, "num_cayley_neumann_terms": 0},
    {"type": "ROAD", "variant": "road_3"},
    {"type": "ROAD", "group_size": 3},
    {"type": "SUPERTUNING", "sparsity": 1.0},
    {"type": "SUPERTUNING", "lora_alpha": 8},
    {"type": "TINYLORA", "u": 0},
    {"type": "UNILORA", "theta_d_length": 0},
    {"type": "WAVEFT", "wavelet_family": "db99"},
]


@pytest.mark.parametrize("peft", REFUSED_BY_PEFT, ids=str)
def test_what_peft_would_refuse_in_the_job_is_refused_at_the_start(peft):
    with pytest.raises(StudyError, match=r"^config: methods\.x\.peft"):
        check_peft("methods.x.peft", peft, "none")
    if "no_such" in peft:
        return  # the job passes over no check of the start
    with pytest.raises(StudyError, match=rf"^PEFT refuses the method's peft of the type {peft['type']}") as found:
        peft_config(peft, **FILLED)
    assert "\n" not in str(found.value)


def test_the_configuration_has_what_the_method_states_and_what_the_run_fills_in():
    stated = {"type": "LORA", "r": 4, "lora_alpha": 16.0, "lora_dropout": 0.0, "velora_config": {"num_groups": 4}}
    config = peft_config(stated, **FILLED)
    assert (config.r, config.lora_alpha, type(config.lora_alpha)) == (4, 16, int)
    assert type(config.lora_dropout) is float
    assert config.velora_config.num_groups == 4
    assert peft_config({"type": "LORA", "lora_alpha": 0.5}).lora_alpha == 0.5
    assert peft_config({"type": "ADALORA"}, **FILLED).total_step == 100
    assert peft_config({"type": "ADALORA", "total_step": 7}, **FILLED).total_step == 7
