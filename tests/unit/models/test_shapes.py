"""Sizes worked out from architectures, against the published numbers and against PEFT's own count."""

import json

import pytest
from codetune.models.shapes import lora_parameters, parameters
from paper_models import PROJECTIONS, PUBLISHED, REAL_CONFIGS


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
