"""Encoder-decoders: told by config.json, loaded by the class of their architecture, and held against the config."""

import json

import pytest
import torch
import yaml
from codetune.base.errors import StudyError
from codetune.models.architecture import kind_of, read_is_apart, read_kind
from codetune.models.loading import load_base
from codetune.models.targets import check_architecture, check_models
from codetune.study.config import load_study
from codetune.study.method import Quantization
from conftest import ROOT
from tiny_t5 import CODET5P, build_t5
from transformers import AutoModelForSeq2SeqLM, T5ForConditionalGeneration

WHOLE = Quantization("none", double=True, compute_dtype="float32")
CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
RUNS = [{"datasets": ["codealpaca-20k"], "models": ["t5"], "methods": ["base"], "seeds": [0]}]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return build_t5(tmp_path_factory.mktemp("t5") / "t5", steps=2)


def test_the_built_in_class_loads_it_from_safetensors(checkpoint):
    model = load_base(checkpoint, WHOLE)
    assert isinstance(model, T5ForConditionalGeneration)
    assert not model.training
    expected = AutoModelForSeq2SeqLM.from_pretrained(checkpoint).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_its_weights_can_be_held_in_fewer_bits(checkpoint, kind):
    """All but the second layer of each feed-forward network, which the library keeps whole in this architecture."""
    model = load_base(checkpoint, Quantization(kind, double=True, compute_dtype="float32"))
    whole = load_base(checkpoint, WHOLE)
    kinds = {name.rpartition(".")[2]: type(module).__name__ for name, module in model.named_modules()}
    assert kinds["q"] != "Linear"
    assert kinds["wo"] == kinds["lm_head"] == "Linear"
    batch = {"input_ids": torch.tensor([[5, 6, 7]]), "decoder_input_ids": torch.tensor([[0, 8]])}
    with torch.no_grad():
        found, expected = (one(**batch).logits for one in (model, whole))
    assert 0 < (found - expected).norm() / expected.norm() < 0.2


def test_config_json_says_what_it_is(checkpoint):
    assert read_kind(checkpoint) == "encoder-decoder"
    assert read_is_apart(checkpoint)
    assert kind_of({"model_type": "t5"}, "m") == "encoder-decoder"  # which need not say it
    assert kind_of({"model_type": "t5", "is_encoder_decoder": False}, "m") is None
    assert kind_of({"model_type": "llama"}, "m") is None
    with pytest.raises(StudyError, match=r"^m: this encoder-decoder is of the type bart, and known are .* t5\. Take"):
        kind_of({"model_type": "bart", "is_encoder_decoder": True}, "m")


def test_another_encoder_decoder_is_not_loaded(checkpoint, tmp_path):
    for file in checkpoint.iterdir():
        (tmp_path / file.name).symlink_to(file)
    config = json.loads((checkpoint / "config.json").read_text())
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "mt5"}))
    with pytest.raises(StudyError, match="this encoder-decoder is of the type mt5"):
        load_base(tmp_path, WHOLE)


def study_with(entry):
    """A study whose one model is in a folder."""
    entry = {"label": "T5", "family": "T5", "parameters": 0.2, **entry}
    return load_study({**CONFIG, "models": {**CONFIG["models"], "t5": entry}, "runs": RUNS})


@pytest.mark.parametrize(
    ("config", "entry", "message"),
    [
        (CODET5P["220m"], {}, r"models\.t5: its config\.json says that it is an encoder-decoder; add 'kind: encoder-"),
        (
            {"model_type": "llama"},
            {"kind": "encoder-decoder"},
            r"models\.t5\.kind: its config\.json says that it is no encoder-decoder \(model_type llama\); leave",
        ),
        (
            {"model_type": "bart", "is_encoder_decoder": True},
            {"kind": "encoder-decoder"},
            r"models\.t5: this encoder-decoder is of the type bart",
        ),
    ],
)
def test_an_entry_that_says_otherwise_is_refused_at_the_start(tmp_path, config, entry, message):
    (tmp_path / "config.json").write_text(json.dumps(config))
    study = study_with({"path": str(tmp_path), **entry})
    with pytest.raises(StudyError, match=rf"^config: {message}"):
        check_models(study, "resources")


def test_an_entry_that_says_so_is_taken(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CODET5P["220m"]))
    check_models(study_with({"path": str(tmp_path), "kind": "encoder-decoder"}), "resources")
    # of a model that has not been downloaded yet, nothing is known
    check_models(study_with({"repo": "some/t5", "revision": "0" * 40}), "resources")


@pytest.mark.parametrize(
    "names", [["q", "v"], ["SelfAttention.q"], ["decoder.block.0.layer.1.EncDecAttention.o", "wi"]]
)
def test_its_layers_are_known_before_it_is_loaded(names):
    check_architecture({"type": "LORA", "target_modules": names}, CODET5P["220m"], "T5")
    with pytest.raises(StudyError, match="^T5 has no q_proj to adapt"):
        check_architecture({"type": "LORA", "target_modules": ["q_proj", *names]}, CODET5P["220m"], "T5")
