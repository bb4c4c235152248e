"""Parameters counted without weights: as PEFT counts them with weights, and as published."""

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.methods.counting import Parameters, count_parameters
from peft import get_peft_config, get_peft_model
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from transformers import AutoConfig, AutoModelForCausalLM

LLAMA = {
    "model_type": "llama",
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}
GPT2 = {"model_type": "gpt2", "vocab_size": 97, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4}
QWEN2 = LLAMA | {"model_type": "qwen2", "tie_word_embeddings": False}  # with biases
QV = {"target_modules": ["q_proj", "v_proj"]}
TOKENS = {"num_virtual_tokens": 5}
IA3 = {"target_modules": ["k_proj", "v_proj", "down_proj"], "feedforward_modules": ["down_proj"]}
CPT = {"cpt_token_ids": [1, 2, 3], "cpt_mask": [1, 1, 1], "cpt_tokens_type_mask": [1, 2, 3]}
WITH_WEIGHTS = [
    ("LORA", QV),
    *(
        ("LORA", QV | {"r": 4, "init_lora_weights": how})
        for how in (False, "gaussian", "pissa", "olora", "eva", "mica")
    ),
    ("LORA", QV | {"use_dora": True, "bias": "lora_only"}),
    ("LORA", {"target_modules": "all-linear"}),
    ("LORA", QV | {"rank_pattern": {"q_proj": 2}, "layers_to_transform": [1]}),
    ("LORA", QV | {"modules_to_save": ["lm_head"], "trainable_token_indices": [1, 2]}),
    ("ADALORA", QV | {"total_step": 100}),
    ("ADAPTION_PROMPT", {"adapter_len": 4, "adapter_layers": 2}),
    ("BEFT", QV),
    ("BOFT", QV | {"boft_block_size": 4}),
    ("C3A", QV | {"block_size": 8}),
    ("CARTRIDGE", TOKENS),
    ("CPT", CPT),
    ("DEFT", QV),
    ("DELORA", QV),
    ("FOURIERFT", QV | {"n_frequency": 20}),
    ("FROD", QV),
    ("FROD", QV | {"sparse_rate": 0.0}),
    ("GLORA", QV),
    ("GRALORA", QV),
    ("HIRA", QV),
    ("HRA", QV),
    ("IA3", IA3),
    ("LILY", QV | {"r": 4}),
    ("LN_TUNING", {}),
    ("LOHA", QV),
    ("LOKR", QV | {"r": 2, "init_weights": "lycoris"}),
    ("MISS", QV | {"r": 4, "init_weights": "bat"}),
    ("MULTITASK_PROMPT_TUNING", TOKENS | {"num_tasks": 2}),
    ("OFT", QV | {"oft_block_size": 4}),
    ("OSF", QV),
    ("PEANUT", QV),
    ("POLY", {}),
    ("PREFIX_TUNING", TOKENS),
    ("PREFIX_TUNING", TOKENS | {"prefix_projection": True, "encoder_hidden_size": 8}),
    ("PROMPT_TUNING", TOKENS | {"prompt_tuning_init": "SAMPLE_VOCAB"}),
    ("PSOFT", QV | {"r": 4}),
    ("PVERA", QV | {"r": 4}),
    ("P_TUNING", TOKENS | {"encoder_hidden_size": 16}),
    ("RANDLORA", QV | {"r": 2}),
    ("ROAD", QV | {"group_size": 4}),
    ("SHADOW", {}),
    ("SHIRA", QV | {"r": 2}),
    ("SUPERTUNING", {}),
    ("TINYLORA", QV | {"u": 8}),
    ("TRAINABLE_TOKENS", {"token_indices": [1, 2, 3]}),
    ("UNILORA", QV | {"theta_d_length": 16}),
    ("VBLORA", QV | {"num_vectors": 8, "vector_length": 8, "topk": 2}),
    ("VERA", QV | {"r": 4}),
    ("WAVEFT", QV | {"n_frequency": 20}),
]


def counted_with_weights(config, kind, keys):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))
    model = get_peft_model(model, get_peft_config({"peft_type": kind, "task_type": "CAUSAL_LM", **keys}))
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return Parameters(trainable, sum(p.numel() for p in model.parameters()))


def test_all_of_peft_s_types_are_compared():
    """But two: X-LoRA is made of adapters that there are already, AdaMSS needs a library that is not in the lock."""
    types = {kind.value for kind in PEFT_TYPE_TO_CONFIG_MAPPING}
    assert types - {kind for kind, _ in WITH_WEIGHTS} == {"XLORA", "ADAMSS"}


@pytest.mark.parametrize(("kind", "keys"), WITH_WEIGHTS)
@pytest.mark.filterwarnings("ignore")
def test_without_weights_as_many_are_counted_as_with_weights(kind, keys):
    assert count_parameters(LLAMA, {"type": kind, **keys}) == counted_with_weights(LLAMA, kind, keys)


@pytest.mark.parametrize("config", [GPT2, QWEN2], ids=["gpt2", "qwen2"])
@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("LORA", {"target_modules": "all-linear"}),
        ("IA3", {}),
        ("FROD", {"target_modules": "all-linear"}),
        ("PREFIX_TUNING", TOKENS),
        ("PROMPT_TUNING", TOKENS),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_the_same_for_fused_layers_and_for_biases(config, kind, keys):
    assert count_parameters(config, {"type": kind, **keys}) == counted_with_weights(config, kind, keys)


def test_what_begins_from_more_than_weights_needs_nothing_either():
    text = {"prompt_tuning_init": "TEXT", "prompt_tuning_init_text": "Write code.", "tokenizer_name_or_path": "nowhere"}
    assert count_parameters(LLAMA, {"type": "PROMPT_TUNING", **TOKENS, **text}).trainable == 5 * 32
    layer = (32 + 32) + (32 + 16)  # q_proj, v_proj
    for start in ("corda", "lora_ga", "pissa_niter_4"):
        keys = {"type": "LORA", "r": 4, **QV, "init_lora_weights": start}
        assert count_parameters(LLAMA, keys).trainable == 2 * 4 * layer
    clusters = 5 * (32 + 16) + (32 + 16)  # five of each layer's rows: A for each, and a number of B for each row
    assert count_parameters(LLAMA, {"type": "ADAMSS", **QV}).trainable == 2 * clusters


def test_tied_weights_are_counted_once_and_what_a_checkpoint_adds_is_no_matter():
    layer = 2 * (32 * 32 + 16 * 32) + 3 * 32 * 64 + 2 * 32
    more = {"auto_map": {"AutoModelForCausalLM": "there--model.Model"}, "dtype": "float16", "architectures": ["Llama"]}
    found = count_parameters(LLAMA | more, None)
    assert found == Parameters(97 * 32 + 2 * layer + 32, 97 * 32 + 2 * layer + 32)
    assert found.percent == 100
    assert count_parameters(LLAMA | {"tie_word_embeddings": False}, None).total == found.total + 97 * 32


@pytest.mark.parametrize(
    ("config", "peft", "line"),
    [
        (LLAMA, {"type": "LORA", "target_modules": ["c_attn"]}, "LORA cannot be put on a model of type llama"),
        (LLAMA, {"type": "MISS", **QV}, "MISS cannot be put on a model of type llama"),
        (LLAMA, {"type": "LORA", "rank": 3}, "LORA cannot be put on a model of type llama"),
        ({"model_type": "unheard-of"}, None, "no causal language model"),
        ({"model_type": "vit"}, None, "no causal language model"),
        ({}, None, "no causal language model"),
    ],
)
def test_what_cannot_be_counted_is_said_in_one_line(config, peft, line):
    with pytest.raises(StudyError, match=line) as error:
        count_parameters(config, peft)
    assert "\n" not in str(error.value)


# Shapes of the models of two studies, as their configurations give them, and the parameters of the models.
GPT2_SIZES = {"gpt2": (12, 768, 12), "gpt2-m": (24, 1024, 16), "gpt2-l": (36, 1280, 20), "gpt2-xl": (48, 1600, 25)}
CODEGEN_SIZES = {
    "codegen-350m": (20, 1024, 16),
    "codegen2-1b": (16, 2048, 16),
    "codegen2-3.7b": (16, 4096, 16),
    "codegen2-7b": (32, 4096, 16),
}
LLAMA_SIZES = {
    "codellama-7b": (32, 4096, 32, 32, 11008, 32016),
    "codellama-7b-python": (32, 4096, 32, 32, 11008, 32000),
    "codellama-13b-python": (40, 5120, 40, 40, 13824, 32000),
    "codellama-34b-python": (48, 8192, 64, 8, 22016, 32000),
    "mistral-7b": (32, 4096, 32, 8, 14336, 32000),
}
SHAPES = {
    name: {"model_type": "gpt2", "n_layer": layers, "n_embd": width, "n_head": heads, "vocab_size": 50257}
    for name, (layers, width, heads) in GPT2_SIZES.items()
}
SHAPES |= {
    name: {"model_type": "codegen", "n_layer": layers, "n_embd": width, "n_head": heads, "vocab_size": 51200}
    for name, (layers, width, heads) in CODEGEN_SIZES.items()
}
SHAPES |= {
    name: {
        "model_type": "mistral" if name == "mistral-7b" else "llama",
        "num_hidden_layers": layers,
        "hidden_size": width,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "intermediate_size": inner,
        "vocab_size": words,
    }
    for name, (layers, width, heads, groups, inner, words) in LLAMA_SIZES.items()
}

ALL_LINEAR = {"type": "LORA", "r": 16, "target_modules": "all-linear"}
C_ATTN = {"type": "LORA", "r": 16, "target_modules": ["c_attn"]}
PREFIX_20 = {"type": "PREFIX_TUNING", "num_virtual_tokens": 20}
PROMPT_20 = {"type": "PROMPT_TUNING", "num_virtual_tokens": 20}
# Table 3 of "A Comparative Study of PEFT Methods for Python Code Generation" (Männistö, Attieh, Tiedemann, NoDaLiDa
# 2025), as its shapes give it: all linear layers and c_attn alone, prefix and prompt of 20 tokens; percentages of LoRA
# with the adapter in the sum, of the others without. The paper prints other ones in some cells: c_attn's for its three
# smallest models, and for LoRA of gpt2-m, prefix and prompt of gpt2-l what no setting that it names gives.
STUDY_OF_2025 = {
    "gpt2": (124_439_808, 2_359_296, 368_640, 15_360, (1.861, 0.472, 0.296, 0.012)),
    "gpt2-m": (354_823_168, 6_291_456, 983_040, 20_480, (1.742, 0.441, 0.277, 0.006)),
    "gpt2-l": (774_030_080, 11_796_480, 1_843_200, 25_600, (1.501, 0.380, 0.238, 0.0033)),
    "gpt2-xl": (1_557_611_200, 19_660_800, 3_072_000, 32_000, (1.247, 0.315, 0.197, 0.0021)),
    "codellama-7b": (6_738_546_688, 39_976_960, 5_242_880, 81_920, (0.590, None, 0.078, 0.0012)),
    "mistral-7b": (7_241_732_096, 41_943_040, 1_310_720, 81_920, (0.576, None, 0.018, 0.0011)),
}


@pytest.mark.parametrize("name", STUDY_OF_2025)
def test_counts_of_the_study_of_2025(name):
    total, lora, prefix, prompt, percent = STUDY_OF_2025[name]
    config = SHAPES[name]
    assert count_parameters(config, None) == Parameters(total, total)
    methods = [ALL_LINEAR, C_ATTN if "gpt2" in name else None, PREFIX_20, PROMPT_20]
    found = [method and count_parameters(config, method) for method in methods]
    assert [x.trainable for x in (found[0], found[2], found[3])] == [lora, prefix, prompt]
    shares = [x and (x.percent if number < 2 else 100 * x.trainable / total) for number, x in enumerate(found)]
    assert shares == pytest.approx(list(percent), abs=0.0005001)


# Table 3 of "Exploring Parameter-Efficient Fine-Tuning Techniques for Code Generation with Large Language Models"
# (Weyssow et al., arXiv 2308.10462): LoRA of r = 16 on q, k and v; IA3 on these and on the MLP, at its inputs; a prompt
# of 20 virtual tokens, and a prefix of 10 (the text says 20). The paper prints them rounded: 12.5M, 1M, 0.08M, 2.6M.
STUDY_OF_2024 = {
    "codegen-350m": (1_310_720, 163_840, 20_480, 409_600),
    "codegen2-1b": (2_097_152, 262_144, 40_960, 655_360),
    "codegen2-3.7b": (4_194_304, 524_288, 81_920, 1_310_720),
    "codegen2-7b": (8_388_608, 1_048_576, 81_920, 2_621_440),
    "codellama-7b": (12_582_912, 1_007_616, 81_920, 2_621_440),
    "codellama-7b-python": (12_582_912, 1_007_616, 81_920, 2_621_440),
}


@pytest.mark.parametrize("name", STUDY_OF_2024)
def test_counts_of_the_study_of_2024(name):
    fused = SHAPES[name]["model_type"] == "codegen"
    attention = ["qkv_proj"] if fused else ["q_proj", "k_proj", "v_proj"]
    mlp = ["fc_in", "fc_out"] if fused else ["gate_proj", "up_proj", "down_proj"]
    methods = [
        {"type": "LORA", "r": 16, "target_modules": attention},
        {"type": "IA3", "target_modules": attention + mlp, "feedforward_modules": mlp},
        PROMPT_20,
        PREFIX_20 | {"num_virtual_tokens": 10},
    ]
    assert tuple(count_parameters(SHAPES[name], method).trainable for method in methods) == STUDY_OF_2024[name]


def test_sizes_of_that_study_s_models():
    total = {name: count_parameters(SHAPES[name], None).total for name in SHAPES if name not in STUDY_OF_2025}
    assert total["codegen-350m"] == 356_712_448
    billions = {name: round(total[name] / 1e9, 3) for name in ("codegen2-1b", "codegen2-3.7b", "codegen2-7b")}
    assert billions == {"codegen2-1b": 1.015, "codegen2-3.7b": 3.641, "codegen2-7b": 6.863}
    assert total["codellama-7b-python"] == 6_738_415_616
    assert total["codellama-13b-python"] == 13_015_864_320
    assert total["codellama-34b-python"] == 33_743_970_304
    lora = {"type": "LORA", "r": 16, "target_modules": ["q_proj", "k_proj", "v_proj"]}
    found = [count_parameters(SHAPES[f"codellama-{size}-python"], lora).trainable for size in ("13b", "34b")]
    assert found == [19_660_800, 26_738_688]
