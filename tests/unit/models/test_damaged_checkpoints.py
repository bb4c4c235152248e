"""A checkpoint that is damaged, or does not fit together, costs one line: when it is fetched, or when it is loaded."""

import json
import math
import shutil
from dataclasses import replace

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.base.libraries import loading
from codetune.models.checkpoints import fetch_model
from codetune.models.loading import load_base, of_the_machine
from codetune.models.tokenizers import load_tokenizer
from codetune.study.model import Source
from damages import BROKEN, OTHER_SHAPES, damage, safetensors_damages
from miniatures import FAMILIES, FP32, MODEL
from safetensors.torch import load_file, save_file

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(checkpoints, tmp_path):
    return shutil.copytree(checkpoints / MODEL, tmp_path / "checkpoint")


@pytest.fixture(scope="module")
def damaged_weights(checkpoints):
    return safetensors_damages((checkpoints / MODEL / WEIGHTS).read_bytes())


def said(call, folder):
    with pytest.raises(StudyError) as found:
        call()
    text = str(found.value)
    assert str(folder) in text
    assert "\n" not in text
    assert len(text) < 700
    assert "again" in text
    return text


def edit(folder, name, **changes):
    path = folder / name
    value = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: entry for key, entry in value.items() if entry != "removed"}))


def test_damaged_weights_are_one_line_when_loaded(folder, damaged_weights):
    for name, content in damaged_weights.items():
        (folder / WEIGHTS).write_bytes(content)
        text = said(lambda: load_base(folder, FP32), folder)
        assert ("do not belong" if name == "a head without tensors" else "cannot be loaded") in text


def test_weights_that_were_cut_off_are_noticed_where_they_come_from(folder, damaged_weights, tmp_path):
    for name in ("empty", "only a length", "half a head", "no body", "half", "a byte less", "a page", "a pickle"):
        (folder / WEIGHTS).write_bytes(damaged_weights[name])
        text = said(lambda: fetch_model(Source(path=str(folder)), tmp_path / "model", weights=True), folder)
        assert "Get the checkpoint again" in text
        assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("content", [*BROKEN, "a folder"])
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"])
def test_broken_json_is_noticed_where_it_comes_from(folder, tmp_path, name, content):
    damage(folder / name, BROKEN.get(content, content))
    try:
        text = said(lambda: fetch_model(Source(path=str(folder)), tmp_path / "model", weights=False), folder)
        assert name in text
    except OSError as error:  # the job's own handler names the file
        assert content == "a folder"
        assert name in error.filename
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("content", BROKEN | OTHER_SHAPES)
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_other_json_is_one_line_when_loaded(folder, name, content):
    damage(folder / name, (BROKEN | OTHER_SHAPES)[content])
    said(lambda: load_base(folder, FP32) if name == "config.json" else load_tokenizer(folder), folder)


INDICES = [b"{}", b"[]", b"null", b'{"weight_map": []}', b'{"weight_map": {"a": 5, "b": "c"}}', b'{"weight_map": null}']


@pytest.mark.parametrize("content", [*INDICES, *BROKEN.values()])
def test_an_index_of_another_shape_is_noticed_where_it_comes_from(folder, tmp_path, content):
    (folder / "model.safetensors.index.json").write_bytes(content)
    said(lambda: fetch_model(Source(path=str(folder)), tmp_path / "model", weights=True), folder)


CONFIGS = {
    "an unknown model": {"model_type": "zzz"},
    "an encoder": {"model_type": "bert"},
    "code of its own": {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}},
    "one layer more": {"num_hidden_layers": 9},
    "one layer only": {"num_hidden_layers": 1},
    "no layer": {"num_hidden_layers": 0},
    "another width": {"hidden_size": 192},
    "no width": {"hidden_size": 0},
    "an impossible width": {"hidden_size": 10**12},
    "another vocabulary": {"vocab_size": 10},
    "a negative vocabulary": {"vocab_size": -1},
    "other heads": {"num_attention_heads": 3},
    "no heads": {"num_attention_heads": 0},
    "other keys": {"num_key_value_heads": 7},
    "another inner width": {"intermediate_size": 3},
    "biases": {"attention_bias": True},
    "an unknown activation": {"hidden_act": "zzz"},
    "width as text": {"hidden_size": "x"},
    "width null": {"hidden_size": None},
    "layers as a list": {"num_hidden_layers": []},
    "an epsilon of text": {"rms_norm_eps": "x"},
    "the type of a model with the same weights": {"model_type": "mistral"},
    "the type of a model with the same shapes": {"model_type": "gemma"},
    "another architecture": {"architectures": ["Qwen2ForCausalLM"]},
    "an embedding of its own for the output": {"tie_word_embeddings": False},
    "frequencies that are not finite": {"rope_parameters": {"rope_type": "default", "rope_theta": float("nan")}},
    "quantisation as a number": {"quantization_config": 5},
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_configuration_of_another_model_is_one_line(folder, case):
    edit(folder, "config.json", **CONFIGS[case])
    said(lambda: load_base(folder, FP32), folder)


def test_weights_of_another_model_are_refused_and_not_drawn_at_random(folder):
    whole = load_file(folder / WEIGHTS)
    name = next(key for key in whole if "q_proj" in key)
    for change, meaning in (
        (lambda weights: weights.pop(name), f"they lack {name}"),
        (lambda weights: weights.update(more=torch.zeros(3)), "without a place in the model, more"),
        (
            lambda weights: weights.update({name: torch.zeros(3, 3)}),
            f"another shape {name.removesuffix('.weight')}",
        ),
        (lambda weights: weights.update({"model.norm.weight": torch.zeros(3)}), "cannot be loaded"),
        (lambda weights: weights.update({"model.norm.weight": torch.tensor(1.0)}), "cannot be loaded"),
        (lambda weights: [weights.pop(key) for key in list(weights) if "layers.1." in key], "more"),
        (lambda weights: weights.clear(), ""),
    ):
        weights = dict(whole)
        change(weights)
        save_file(weights, folder / WEIGHTS, {"format": "pt"})
        assert meaning in said(lambda: load_base(folder, FP32), folder)


def test_a_tied_output_layer_may_be_left_out(folder):
    assert "lm_head.weight" not in load_file(folder / WEIGHTS)
    assert json.loads((folder / "config.json").read_text())["tie_word_embeddings"]
    load_base(folder, FP32)


def test_an_output_layer_that_is_tied_and_saved_must_be_the_embedding(folder):
    weights = load_file(folder / WEIGHTS)
    embedding = weights["model.embed_tokens.weight"]
    save_file(weights | {"lm_head.weight": embedding.clone()}, folder / WEIGHTS, {"format": "pt"})
    load_base(folder, FP32)
    save_file(weights | {"lm_head.weight": embedding + 1}, folder / WEIGHTS, {"format": "pt"})
    with pytest.raises(
        StudyError, match="lm_head.weight is model.embed_tokens.weight .*, but the weights of the two differ"
    ):
        load_base(folder, FP32)


@pytest.mark.parametrize("architectures", [None, ["LlamaModel"], ["SomethingElse"], ["Other", "LlamaForCausalLM"]])
def test_an_architecture_that_is_missing_or_unknown_is_no_mistake(folder, architectures):
    edit(folder, "config.json", architectures=architectures)
    load_base(folder, FP32)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("quantization", [FP32, replace(FP32, type="fp4", double=False)])
def test_one_value_that_is_not_finite_is_noticed_wherever_it_is(checkpoints, tmp_path, name, value, quantization):
    folder = shutil.copytree(checkpoints / name, tmp_path / "checkpoint")
    whole = load_file(folder / WEIGHTS)
    for part in ("embed_tokens.weight", "1.input_layernorm.weight", "model.norm.weight", "1.self_attn.k_proj.weight",
                 "1.mlp.down_proj.weight", *(["k_proj.bias"] if "qwen" in name else [])):  # fmt: skip
        key = next(key for key in whole if key.endswith(part))
        damaged = whole[key].clone()
        damaged.view(-1)[7] = value
        save_file(whole | {key: damaged}, folder / WEIGHTS, {"format": "pt"})
        assert f"{key} has values that are not finite" in said(lambda: load_base(folder, quantization), folder)


@pytest.mark.parametrize("pad", [-1, 10**6, 1024, None])
def test_a_padding_token_outside_the_embedding_is_forgotten(folder, pad):
    edit(folder, "config.json", pad_token_id=pad)
    assert load_base(folder, FP32).config.pad_token_id is None


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), OSError(5, "Input/output error"),
              RuntimeError("CUDA error: an illegal memory access"), KeyboardInterrupt(), SystemExit(3)]
)  # fmt: skip
def test_errors_of_the_machine_are_not_the_checkpoint_s(error):
    with pytest.raises(type(error)), loading("folder", "the checkpoint", "Get it again.", of_the_machine):
        raise error


def test_a_panic_of_a_library_in_rust_is_the_file_s():
    class PanicException(BaseException):  # the name that Rust's bindings give
        pass

    with pytest.raises(StudyError, match="cannot be loaded"), loading("folder", "the tokenizer", "Get it again."):
        raise PanicException("called `Option::unwrap()` on a `None` value")
