"""Weights that are incomplete, quantised already or not finite are refused where they come from."""

import json
import math
import shutil

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.models.checkpoints import fetch_model
from codetune.models.loading import load_base
from codetune.models.weight_files import check_weight_files
from codetune.study.model import INDEX, Source
from damages import safetensors_damages
from miniatures import FAMILIES, FP32, MODEL
from safetensors.torch import load_file, save_file

BOTH = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
FLOATS = (torch.bfloat16, torch.float16, torch.float32, torch.float64)
NOT_FINITE = (math.nan, math.inf, -math.inf)
SMALL = {"a.weight": torch.zeros(300), "b.weight": torch.ones(2, 3)}


def save(folder, weights=SMALL, name="model.safetensors"):
    save_file(weights, folder / name, {"format": "pt"})


def save_shards(folder, shards, placed):
    for name, weights in zip(BOTH, shards, strict=True):
        save(folder, weights, name)
    (folder / INDEX).write_text(json.dumps({"weight_map": placed}))


def said(folder, source="org/model"):
    with pytest.raises(StudyError) as found:
        check_weight_files(folder, source)
    text = str(found.value)
    assert text.startswith(f"{source}: ")
    assert "\n" not in text
    return text


@pytest.mark.parametrize("type_", FLOATS)
def test_the_largest_and_smallest_numbers_are_finite(tmp_path, type_):
    large = torch.finfo(torch.bfloat16 if type_ != torch.float16 else type_).max
    for value in (large, -large, torch.finfo(type_).tiny, torch.finfo(type_).smallest_normal / 4, -0.0):
        save(tmp_path, {"a.weight": torch.full((5,), value, dtype=type_)})
        check_weight_files(tmp_path, "org/model")


@pytest.mark.parametrize("value", [*NOT_FINITE, 3.4e38, -3.4e38])
@pytest.mark.parametrize("type_", FLOATS)
def test_one_value_that_is_not_finite_is_found_wherever_it_is(tmp_path, type_, value):
    for place, shape in ((0, (1,)), (-1, (3, 7)), (300_000, (700_000,)), (-1, (700_001,))):
        weights = torch.zeros(shape, dtype=type_)
        weights.view(-1)[place] = value
        save(tmp_path, SMALL | {"c.bias": weights})
        assert "c.bias has a value that is not finite" in said(tmp_path)


def test_double_precision_that_no_model_can_compute_with_is_not_finite(tmp_path):
    save(tmp_path, {"a.weight": torch.tensor([1e39, 0.0, -1e300, 1.0], dtype=torch.float64)})
    assert "a.weight has 2 values that are not finite" in said(tmp_path)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_checkpoint_of_nan_alone_is_refused_when_it_is_fetched_and_when_it_is_loaded(checkpoints, tmp_path, name):
    folder = shutil.copytree(checkpoints / name, tmp_path / "checkpoint")
    weights = load_file(folder / "model.safetensors")
    save(folder, {key: torch.full_like(value, math.nan) for key, value in weights.items()})
    with pytest.raises(StudyError, match=r"131,072 values that are not finite"):
        fetch_model(Source(path=str(folder)), tmp_path / "model", weights=True)
    assert not (tmp_path / "model").exists()
    with pytest.raises(StudyError, match=r"and \d+ more have values that are not finite"):
        load_base(folder, FP32)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constant_weights_are_no_mistake(checkpoints, tmp_path, value):
    folder = shutil.copytree(checkpoints / MODEL, tmp_path / "checkpoint")
    weights = load_file(folder / "model.safetensors")
    save(folder, {key: torch.full_like(tensor, value) for key, tensor in weights.items()})
    fetch_model(Source(path=str(folder)), tmp_path / "model", weights=True)
    load_base(folder, FP32)


@pytest.mark.parametrize("type_", [torch.int8, torch.uint8, torch.int32, torch.int64, torch.float8_e4m3fn])
def test_weights_that_are_codes_are_refused(tmp_path, type_):
    save(tmp_path, SMALL | {"layer.weight": torch.zeros(4, 4).to(type_)})
    assert "layer.weight is of type" in said(tmp_path)
    save(tmp_path, SMALL | {"layer.qweight": torch.zeros(4, 4).to(type_)})
    assert "the weights are quantised already" in said(tmp_path)


def test_masks_and_positions_may_be_whole_numbers(tmp_path):
    more = {"attn.bias": torch.ones(4, dtype=torch.uint8), "mask": torch.ones(3, dtype=torch.bool)}
    save(tmp_path, SMALL | more | {"position_ids": torch.arange(4)})
    check_weight_files(tmp_path, "org/model")


def test_shards_hold_what_the_index_says(tmp_path):
    one, two = {"a.weight": torch.zeros(2)}, {"b.weight": torch.zeros(2)}
    placed = {"a.weight": BOTH[0], "b.weight": BOTH[1]}
    save_shards(tmp_path, (one, two), placed)
    check_weight_files(tmp_path, "org/model")
    for shards, index, message in (
        ((one, two), {"a.weight": BOTH[1], "b.weight": BOTH[1]}, f"says that a.weight is in {BOTH[1]}, and it is not"),
        ((two, one), placed, f"says that a.weight is in {BOTH[0]}, and it is not"),
        ((one, two), placed | {"c.weight": BOTH[0]}, "says that c.weight is in"),
        ((one, one | two), placed, f"a.weight is in {BOTH[0]} and in {BOTH[1]}"),
        ((one, two), placed | {"c.weight": "model-3.safetensors"}, "names model-3.safetensors, which is not there"),
    ):
        save_shards(tmp_path, shards, index)
        assert message in said(tmp_path)


def test_shards_without_an_index_are_refused(tmp_path):
    save(tmp_path, name=BOTH[0])
    assert f"there is neither model.safetensors nor {INDEX}" in said(tmp_path)


def test_one_file_goes_before_an_index_as_it_does_for_transformers(tmp_path):
    save_shards(tmp_path, ({"a.weight": torch.tensor([math.nan])}, SMALL), {"a.weight": BOTH[0]})
    save(tmp_path)
    check_weight_files(tmp_path, "org/model")


QUANTIZED = {
    "bitsandbytes": {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
    "gptq": {"quantization_config": {"quant_method": "gptq", "bits": 4}},
    "awq": {"quantization_config": {"quant_method": "awq"}},
    "fp8": {"quantization_config": {"quant_method": "fp8"}},
    "mxfp4": {"text_config": {"quantization_config": {"quant_method": "mxfp4"}}},
    "compressed-tensors": {"compression_config": {"quant_method": "compressed-tensors"}},
    "": {"quantization_config": {}},
}


@pytest.mark.parametrize("method", QUANTIZED)
@pytest.mark.parametrize("weights", [True, False])
def test_a_checkpoint_that_is_quantised_already_is_refused_by_its_configuration(checkpoints, tmp_path, method, weights):
    folder = shutil.copytree(checkpoints / MODEL, tmp_path / "checkpoint")
    config = json.loads((folder / "config.json").read_text()) | QUANTIZED[method]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(StudyError, match="quantised already") as found:
        fetch_model(Source(path=str(folder)), tmp_path / "model", weights)
    assert f"({method})" in str(found.value) or not method
    assert not (tmp_path / "model").exists()
    if "quantization_config" in config:
        with pytest.raises(StudyError, match="quantised already"):
            load_base(folder, FP32)


def test_a_quantisation_of_null_is_none(checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints / MODEL, tmp_path / "checkpoint")
    config = json.loads((folder / "config.json").read_text()) | {"quantization_config": None}
    (folder / "config.json").write_text(json.dumps(config))
    fetch_model(Source(path=str(folder)), tmp_path / "model", weights=True)
    load_base(folder, FP32)


def test_a_damaged_file_is_one_line_or_left_to_the_loading(checkpoints, tmp_path):
    raw = (checkpoints / MODEL / "model.safetensors").read_bytes()
    left = []
    for name, content in safetensors_damages(raw).items():
        (tmp_path / "model.safetensors").write_bytes(content)
        try:
            check_weight_files(tmp_path, "org/model")
            left.append(name)
        except StudyError as error:
            assert str(error).startswith("org/model: ")
    assert left == ["a head without tensors", "another shape than bytes", "an entry that is null"]


@pytest.mark.parametrize(
    "entry",
    [
        None, [], 5, {}, {"dtype": "F32"}, {"dtype": None, "data_offsets": [0, 4]},
        {"dtype": "F32", "data_offsets": [0]}, {"dtype": "F32", "data_offsets": [8, 4]},
        {"dtype": "F32", "data_offsets": [0.0, 4.0]}, {"dtype": "F32", "data_offsets": ["0", "4"]},
        {"dtype": "F32", "data_offsets": [0, 3]}, {"dtype": "F32", "data_offsets": [-8000, 4]},
        {"dtype": ["F32"], "data_offsets": [0, 4]}, {"dtype": "F32", "data_offsets": [0, 10**30]},
    ],
)  # fmt: skip
def test_a_head_of_another_shape_is_one_line(tmp_path, entry):
    head = json.dumps({"layer.weight": entry}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + bytes(8))
    said(tmp_path)


def test_checking_weights_says_how_far_it_is(tmp_path, stretches):
    save(tmp_path)
    check_weight_files(tmp_path, "org/model")
    assert [(one.what, one.done, one.total) for one in stretches] == [
        ("checking the weights in model.safetensors", 2, 2)
    ]
