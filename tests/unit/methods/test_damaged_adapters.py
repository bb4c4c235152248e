"""An adapter that is damaged, or not of its settings or its model, costs one line."""

import json
import shutil

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.methods.adapters import ADAPTER, load_adapter, replace_adapter
from codetune.models.loading import load_base
from damages import BROKEN, OTHER_SHAPES, safetensors_damages
from miniatures import FP32, MODEL
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tunings import PROJECTIONS

CONFIG = "adapter_config.json"


@pytest.fixture(scope="module")
def saved(checkpoints, tmp_path_factory):
    """An adapter of rank 4, as PEFT saves it."""
    torch.manual_seed(0)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=PROJECTIONS, task_type="CAUSAL_LM")
    folder = tmp_path_factory.mktemp("adapter")
    get_peft_model(load_base(checkpoints / MODEL, FP32), config).save_pretrained(str(folder))
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "tuned")


@pytest.fixture
def base(checkpoints):
    return load_base(checkpoints / MODEL, FP32)


def said(call, folder):
    with pytest.raises(StudyError) as found:
        call()
    text = str(found.value)
    assert str(folder) in text
    assert "\n" not in text
    assert "Delete that folder and run again" in text
    return text


def test_damaged_weights_are_one_line(base, saved, folder):
    for content in safetensors_damages((saved / ADAPTER).read_bytes()).values():
        (folder / ADAPTER).write_bytes(content)
        said(lambda: load_adapter(base, folder), folder)


def test_weights_of_another_adapter_are_refused(base, saved, folder):
    whole = load_file(saved / ADAPTER)
    name = next(iter(whole))
    changes = [
        lambda weights: weights.pop(name),
        lambda weights: weights.update(more=torch.zeros(3)),
        lambda weights: weights.update({name: torch.zeros(3, 3)}),
        lambda weights: weights.update({name + "x": weights.pop(name)}),
        lambda weights: weights.clear(),
    ]
    for change in changes:
        weights = dict(whole)
        change(weights)
        save_file(weights, folder / ADAPTER)
        said(lambda: load_adapter(base, folder), folder)


SETTINGS = {
    "another rank": {"r": 8},
    "no rank": {"r": 0},
    "a rank of text": {"r": "x"},
    "rank null": {"r": None},
    "modules that do not exist": {"target_modules": ["nope"]},
    "fewer modules": {"target_modules": ["q_proj"]},
    "modules as a broken pattern": {"target_modules": "(("},
    "modules as a number": {"target_modules": 5},
    "another kind": {"peft_type": "IA3"},
    "prompts": {"peft_type": "PROMPT_TUNING"},
    "an unknown kind": {"peft_type": "WHAT"},
    "kind null": {"peft_type": None},
    "magnitudes": {"use_dora": True},
    "layers": {"layers_to_transform": [0]},
    "whole modules": {"modules_to_save": ["lm_head"]},
    "another rank of some": {"rank_pattern": {"q_proj": 3}},
    "a dropout of 5": {"lora_dropout": 5},
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_of_another_adapter_are_refused(base, folder, case):
    settings = json.loads((folder / CONFIG).read_text()) | SETTINGS[case]
    (folder / CONFIG).write_text(json.dumps(settings))
    said(lambda: load_adapter(base, folder), folder)


@pytest.mark.parametrize("content", BROKEN | OTHER_SHAPES)
def test_settings_that_are_none_are_one_line(base, folder, content):
    (folder / CONFIG).write_bytes((BROKEN | OTHER_SHAPES)[content])
    said(lambda: load_adapter(base, folder), folder)


def test_files_that_are_missing_or_folders_are_one_line(base, folder):
    for name in (CONFIG, ADAPTER):
        kept = (folder / name).read_bytes()
        (folder / name).unlink()
        said(lambda: load_adapter(base, folder), folder)
        (folder / name).mkdir()
        said(lambda: load_adapter(base, folder), folder)
        (folder / name).rmdir()
        (folder / name).write_bytes(kept)


def test_the_next_adapter_of_a_curve_is_checked_too(base, saved, folder):
    model = load_adapter(base, saved)
    whole = load_file(saved / ADAPTER)
    name = next(iter(whole))
    for change in (lambda weights: weights.pop(name), lambda weights: weights.update({name: torch.zeros(3, 3)})):
        weights = dict(whole)
        change(weights)
        save_file(weights, folder / ADAPTER)
        said(lambda: replace_adapter(model, folder), folder)
    for content in safetensors_damages((saved / ADAPTER).read_bytes()).values():
        (folder / ADAPTER).write_bytes(content)
        said(lambda: replace_adapter(model, folder), folder)
    replace_adapter(model, saved)
