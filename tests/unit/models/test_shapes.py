"""Sizes worked out from architectures, against the published numbers and against PEFT's own count."""

import json

import pytest
import torch
from codetune.models.shapes import FUSED_PROJECTIONS, SEVEN_PROJECTIONS, lora_parameters, parameters, projection_shapes
from paper_models import PROJECTIONS, PUBLISHED, REAL_CONFIGS


@pytest.mark.parametrize("name", PUBLISHED)
def test_trainable_parameters_of_the_paper_s_models(name):
    config, at_8, at_16 = PUBLISHED[name]
    assert round(lora_parameters(config, 8, PROJECTIONS) / 1e6, 2) == at_8
    assert round(lora_parameters(config, 16, PROJECTIONS) / 1e6, 2) == at_16


def peft_count(config, rank, modules=PROJECTIONS):
    """PEFT's own count on the architecture without weights."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
        tuned = get_peft_model(model, LoraConfig(r=rank, target_modules=modules, task_type="CAUSAL_LM"))
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


# Hidden size, heads, heads of the keys, size of a head.
HEADS = ((64, 4, 2, None), (64, 4, 4, None), (48, 4, 1, None), (64, 8, 2, 16))


@pytest.mark.parametrize("kind", sorted(SEVEN_PROJECTIONS | FUSED_PROJECTIONS))
def test_each_type_whose_layers_are_known_has_peft_s_count(kind):
    """In each there are no other linear layers, and the projections of all names together and of each alone count."""
    from torch.nn import Linear
    from transformers import AutoConfig, AutoModelForCausalLM

    for hidden, heads, keys, head in HEADS if kind != "phi3" else HEADS[:3]:  # Phi-3 divides its width by its heads
        sizes = {"hidden_size": hidden, "num_attention_heads": heads, "num_key_value_heads": keys}
        sizes |= {"head_dim": head} if head else {}
        layers = {"intermediate_size": 96, "num_hidden_layers": 3, "vocab_size": 128, "pad_token_id": 0}
        config = AutoConfig.for_model(kind, **sizes, **layers)
        raw = json.loads(config.to_json_string(use_diff=False))
        names = list(projection_shapes(raw))
        assert lora_parameters(raw, 4, names) == peft_count(config, 4, names)
        alone = [peft_count(config, 4, [name]) for name in names] if head is None and keys == 2 else []
        assert alone == [lora_parameters(raw, 4, [name]) for name in names][: len(alone)]
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
        linear = {name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, Linear)}
        assert linear - {"lm_head"} == set(names)


@pytest.mark.parametrize("kind", ["mixtral", "lfm2", "arcee", "gemma3", None])
def test_of_other_types_nothing_is_claimed(kind):
    config = PUBLISHED["Llama-3.2-1B"][0] | {"model_type": kind}
    assert lora_parameters(config, 8, PROJECTIONS) is None


def test_projections_that_a_model_lacks_are_not_counted():
    config = PUBLISHED["Llama-3.2-1B"][0]
    assert lora_parameters(config | {"model_type": "phi3"}, 8, PROJECTIONS) is None
    assert lora_parameters(config | {"model_type": "phi3"}, 8, ["o_proj"]) == lora_parameters(config, 8, ["o_proj"])
    assert lora_parameters(config, 8, ["q_proj", "qkv_proj"]) is None


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
