"""An encoder alone, as CodeBERT is: loaded with a fresh decoder, saved as a pair, and held against the config."""

import json
import shutil

import pytest
import torch
import yaml
from codetune.base.errors import StudyError
from codetune.methods.full import FullTuning
from codetune.models.architecture import check_decoder_is_trained, kind_of, read_kind
from codetune.models.caches import cache_bytes
from codetune.models.context import context_of, read_context
from codetune.models.device import set_determinism
from codetune.models.fresh_decoder import with_decoder
from codetune.models.loading import load_base, read_config
from codetune.models.targets import check_models
from codetune.study.config import load_study
from codetune.study.method import TuningSettings
from codetune.study.model import Source
from conftest import ROOT
from miniatures import WHOLE
from safetensors.torch import load_file, save_file
from tiny_roberta import CODEBERT, POSITIONS, SIZES, build_roberta
from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM, EncoderDecoderModel
from tunings import FULL, lora

CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
BATCH = {"input_ids": torch.tensor([[0, 7, 8, 2]]), "decoder_input_ids": torch.tensor([[0, 9, 10]])}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return build_roberta(tmp_path_factory.mktemp("roberta") / "roberta")


def load(checkpoint, seed=0):
    set_determinism(seed)
    return load_base(checkpoint, WHOLE)


def copy_with(checkpoint, folder, **weights):
    """A copy of the checkpoint with some weights in the place of its own; None takes one away."""
    shutil.copytree(checkpoint, folder)
    changed = load_file(folder / "model.safetensors") | weights
    kept = {name: one for name, one in changed.items() if one is not None}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_the_encoder_has_the_checkpoint_s_weights_and_its_embeddings_are_the_decoder_s(checkpoint):
    model = load(checkpoint)
    assert isinstance(model, EncoderDecoderModel)
    assert not model.training
    expected = AutoModel.from_pretrained(checkpoint, add_pooling_layer=False).state_dict()
    assert model.encoder.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in model.encoder.state_dict().items())
    embedding = model.encoder.get_input_embeddings().weight
    assert model.decoder.roberta.embeddings is model.encoder.embeddings
    assert model.get_output_embeddings().weight is embedding
    assert "decoder" not in {name.partition(".embeddings.")[0].partition(".")[0] for name, _ in shared(model)}


def shared(model):
    """The embeddings among the parameters, each of which is there once."""
    return [(name, one) for name, one in model.named_parameters() if ".embeddings." in name]


def test_the_decoder_follows_from_the_seed_alone(checkpoint):
    def drawn(seed):
        found = load(checkpoint, seed).state_dict()
        return {name: value for name, value in found.items() if name.startswith("decoder.roberta.encoder.layer")}

    first, again, other = drawn(0), drawn(0), drawn(1)
    assert first
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert [name for name in first if name.endswith("query.weight") and torch.equal(first[name], other[name])] == []


def test_its_configuration_begins_with_the_begin_token_and_has_six_layers_or_as_many_as_the_encoder(checkpoint):
    config = read_config(checkpoint)
    assert (config.decoder_start_token_id, config.pad_token_id, config.eos_token_id) == (0, 1, 2)
    assert (config.encoder.is_decoder, config.encoder.add_cross_attention) == (False, False)
    assert (config.decoder.is_decoder, config.decoder.add_cross_attention) == (True, True)
    assert config.decoder.num_hidden_layers == SIZES["num_hidden_layers"] == config.encoder.num_hidden_layers
    full = with_decoder(AutoConfig.for_model(**CODEBERT))
    assert (full.encoder.num_hidden_layers, full.decoder.num_hidden_layers) == (12, 6)
    assert {one: getattr(full.decoder, one) for one in ("hidden_size", "num_attention_heads", "vocab_size")} == {
        one: CODEBERT[one] for one in ("hidden_size", "num_attention_heads", "vocab_size")
    }
    other = AutoConfig.for_model("t5")
    assert with_decoder(other) is other


def test_what_no_decoder_can_be_trained_without_is_named(checkpoint, tmp_path):
    shutil.copytree(checkpoint, tmp_path / "m")
    config = json.loads((checkpoint / "config.json").read_text()) | {"bos_token_id": None}
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    with pytest.raises(StudyError, match=r"m: config\.json lacks 'bos_token_id', without which no decoder can"):
        load_base(tmp_path / "m", WHOLE)


def test_a_model_with_the_head_of_its_pre_training_has_the_same_encoder(tmp_path):
    """Its weights have other names, and its head is left out."""
    checkpoint = build_roberta(tmp_path / "masked", head=True)
    names = load_file(checkpoint / "model.safetensors")
    assert {name.partition(".")[0] for name in names} == {"roberta", "lm_head"}
    found = load(checkpoint).encoder.state_dict()
    assert all(torch.equal(value, names[f"roberta.{name}"]) for name, value in found.items())


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"encoder.layer.0.output.dense.bias": None}, r"they lack .*encoder\.layer\.0\.output\.dense\.bias\. "),
        ({"encoder.layer.9.bias": torch.ones(3)}, r"they have, without a place in the model, encoder\.layer\.9\."),
        ({"embeddings.LayerNorm.bias": torch.full((64,), torch.nan)}, r"embeddings\.LayerNorm\.bias has values that"),
        ({"embeddings.LayerNorm.bias": torch.ones(3)}, r"some have another shape"),
    ],
)
def test_weights_that_are_not_the_encoder_s_are_refused(checkpoint, tmp_path, weights, message):
    with pytest.raises(StudyError, match=message):
        load_base(copy_with(checkpoint, tmp_path / "m", **weights), WHOLE)


def test_what_is_saved_is_loaded_by_transformers_and_by_the_tuning(checkpoint, tmp_path):
    model, tuning = load(checkpoint), FullTuning(TuningSettings("full"))
    tuning.attach(model, Source(path="somewhere"), 1)
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
    model.config.dtype = torch.float32
    (tmp_path / "tuned").mkdir()
    tuning.save(model, tmp_path / "tuned")
    stranger, found = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "tuned", output_loading_info=True)
    unread = {"encoder.pooler.dense.weight", "encoder.pooler.dense.bias"}
    assert {kind: set(names) for kind, names in found.items() if names} == {"missing_keys": unread}
    assert type(stranger) is EncoderDecoderModel
    own = tuning.load(load(checkpoint, seed=1), tmp_path / "tuned")
    with torch.no_grad():
        expected = model(**BATCH).logits
        assert all(torch.equal(one(**BATCH).logits, expected) for one in (stranger.eval(), own))
    assert (stranger.generation_config.decoder_start_token_id, stranger.generation_config.eos_token_id) == (0, 2)
    written = {file.name for file in (tmp_path / "tuned").iterdir()}
    assert written == {file.name for file in checkpoint.iterdir()}


def test_config_json_says_that_it_is_an_encoder(checkpoint):
    assert read_kind(checkpoint) == "encoder"
    assert kind_of(CODEBERT | {"is_decoder": True}, "m") is None


@pytest.mark.parametrize(
    ("config", "kind", "message"),
    [
        (CODEBERT, None, r"models\.m: its config\.json says that it is an encoder; add 'kind: encoder'$"),
        (CODEBERT, "encoder-decoder", r"models\.m: its config\.json says that it is an encoder; write 'kind: encoder'"),
        ({"model_type": "llama"}, "encoder", r"models\.m\.kind: its config\.json says that it is no encoder \(mod"),
    ],
)
def test_an_entry_that_says_otherwise_is_refused_at_the_start(tmp_path, config, kind, message):
    (tmp_path / "config.json").write_text(json.dumps(config))
    entry = {"label": "M", "family": "M", "parameters": 0.2, "path": str(tmp_path)} | ({"kind": kind} if kind else {})
    study = load_study({**CONFIG, "models": {**CONFIG["models"], "m": entry}})
    with pytest.raises(StudyError, match=rf"^config: {message}"):
        check_models(study, "resources")


@pytest.mark.parametrize("tuning", [None, lora()])
def test_a_decoder_that_is_not_trained_computes_nothing(checkpoint, tuning):
    with pytest.raises(StudyError, match=r"roberta: an encoder alone writes noise until the decoder behind it is t"):
        check_decoder_is_trained(checkpoint, tuning)
    check_decoder_is_trained(checkpoint, FULL)


def test_its_texts_may_have_as_many_tokens_as_there_are_positions_behind_that_of_padding(checkpoint):
    assert read_context(checkpoint) == POSITIONS
    model = load(checkpoint)
    assert context_of(model.config) == POSITIONS
    assert context_of(AutoConfig.for_model(**CODEBERT)) == 512
    longest = torch.full((1, POSITIONS), 7)
    with torch.no_grad():
        assert model(input_ids=longest, decoder_input_ids=longest).logits.isfinite().all()
        with pytest.raises(RuntimeError, match="out of bounds"):
            model(input_ids=torch.full((1, POSITIONS + 1), 7), decoder_input_ids=longest)


def test_its_decoder_caches_keys_and_values_in_each_of_its_layers(checkpoint):
    config = read_config(checkpoint)
    assert cache_bytes(config, 4) == 2 * SIZES["num_hidden_layers"] * SIZES["hidden_size"] * 4
    assert cache_bytes(with_decoder(AutoConfig.for_model(**CODEBERT)), 2) == 2 * 6 * 768 * 2
