"""Sizes worked out from architectures, against the published numbers and against PEFT's own count."""

import json

import pytest
from codetune.models.shapes import lora_parameters, parameters
from codetune.prompts.packing import steps_per_epoch

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def shape(hidden, inner, layers, heads, keys, head):
    return {
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": keys,
        "head_dim": head,
    }


# The published shapes; trainable parameters in millions at r = 8 and r = 16.
PUBLISHED = {
    "Llama-3.2-1B": (shape(2048, 8192, 16, 32, 8, 64), 5.64, 11.27),
    "Llama-3.2-3B": (shape(3072, 8192, 28, 24, 8, 128), 12.16, 24.31),
    "Gemma-2-2B": (shape(2304, 9216, 26, 8, 4, 256), 10.38, 20.77),
    "Qwen2.5-1.5B": (shape(1536, 8960, 28, 12, 2, None), 9.23, 18.46),
    "Qwen2.5-3B": (shape(2048, 11008, 36, 16, 2, None), 14.97, 29.93),
}
REAL_CONFIGS = {
    "Llama-3.2-1B": "llama-3.2/config-Llama-3.2-1B-Instruct.json",
    "Llama-3.2-3B": "llama-3.2/config-Llama-3.2-3B-Instruct.json",
    "Gemma-2-2B": "gemma-2/config-gemma-2-2b-it.reconstructed.json",
    "Qwen2.5-1.5B": "qwen2.5/config-Qwen2.5-1.5B-Instruct.json",
    "Qwen2.5-3B": "qwen2.5/config-Qwen2.5-3B-Instruct.json",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_trainable_parameters_of_the_paper_s_models(name):
    config, at_8, at_16 = PUBLISHED[name]
    assert round(lora_parameters(config, 8, PROJECTIONS) / 1e6, 2) == at_8
    assert round(lora_parameters(config, 16, PROJECTIONS) / 1e6, 2) == at_16


def peft_count(config, rank):
    """PEFT's own count on the architecture without weights."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
        tuned = get_peft_model(model, LoraConfig(r=rank, target_modules=PROJECTIONS, task_type="CAUSAL_LM"))
    return tuned.get_nb_trainable_parameters()[0]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_real_configurations_give_peft_s_count(real, name):
    from transformers import AutoConfig

    path = real / "tokenizers" / REAL_CONFIGS[name]
    raw = json.loads(path.read_text())
    config = AutoConfig.for_model(**raw)
    for rank in (8, 16):
        assert lora_parameters(raw, rank, PROJECTIONS) == peft_count(config, rank)


@pytest.mark.parametrize("name", ["llama-3.2-1b", "gemma-2-2b", "qwen2.5-1.5b"])
def test_the_miniatures_give_peft_s_count(checkpoints, name):
    from transformers import AutoConfig

    raw = json.loads((checkpoints / name / "config.json").read_text())
    count = peft_count(AutoConfig.from_pretrained(checkpoints / name), 4)
    assert lora_parameters(raw, 4, PROJECTIONS) == count


# As the checkpoints' own weights count them.
SIZES = {
    "Llama-3.2-1B": 1235814400,
    "Llama-3.2-3B": 3212749824,
    "Gemma-2-2B": 2614341888,
    "Qwen2.5-1.5B": 1543714304,
    "Qwen2.5-3B": 3085938688,
}


@pytest.mark.parametrize("name", SIZES)
def test_the_real_configurations_give_the_models_sizes(real, name):
    found = parameters(json.loads((real / "tokenizers" / REAL_CONFIGS[name]).read_text()))
    assert sum(found.values()) == pytest.approx(SIZES[name], rel=1e-3)


def test_an_output_matrix_of_its_own_counts():
    config = PUBLISHED["Llama-3.2-1B"][0] | {"vocab_size": 1000}
    tied, untied = (parameters(config | {"tie_word_embeddings": value}) for value in (True, False))
    assert tied["embedding"] == 1000 * 2048
    assert untied == tied | {"embedding": 2 * 1000 * 2048}


def test_steps_round_up():
    assert steps_per_epoch(2400, 160) == 15
    assert steps_per_epoch(2401, 160) == 16
