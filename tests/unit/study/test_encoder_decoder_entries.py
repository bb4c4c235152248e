"""What is asked of encoder-decoders at the start: no packing, no chat, and soft prompts that PEFT has for them."""

import copy

import pytest
import yaml
from codetune.base.errors import StudyError
from codetune.base.plain import declared
from codetune.study.config import load_study
from conftest import ROOT

CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
TRAINED = {"batch_size": 8, "epochs": 1, "micro_batch": 4, "training": {"packing": False}}


def study(methods, entry=None, peft=None):
    """A study with one encoder-decoder."""
    config = copy.deepcopy(CONFIG)
    config["models"]["t5"] = {"repo": "some/t5", "revision": "0" * 40, "kind": "encoder-decoder", **TRAINED} | (
        entry or {}
    )
    config["methods"]["full"] = {"full": True, "quantization": "none"}
    config["methods"]["soft"] = {"peft": peft or {"type": "PROMPT_TUNING", "num_virtual_tokens": 4}}
    config["runs"] = [{"datasets": ["codealpaca-20k"], "models": ["t5"], "methods": methods, "seeds": [0]}]
    return load_study(config)


def test_the_entry_says_what_the_model_is():
    model = study(["base", "qlora", "soft"]).models["t5"]
    assert model.is_encoder_decoder
    assert declared(model)["kind"] == "encoder-decoder"
    assert "kind" not in declared(study(["base"]).models["gemma-2-2b"])  # so that nothing of it is computed again


def test_no_other_kind_is_known():
    with pytest.raises(StudyError, match=r"^config: models\.t5\.kind: "):
        study(["base"], {"kind": "decoder"})


@pytest.mark.parametrize(
    ("methods", "entry", "peft", "message"),
    [
        (
            ["base", "qlora"],
            {"training": {}},
            None,
            r"models\.t5: inputs of an encoder-decoder are not packed\. Add 'pa",
        ),
        (["base-chat"], {}, None, r"models\.t5: an encoder-decoder has no turns of a chat, .* 'base-chat' is 'chat'\."),
        (["base"], {"template": "chat"}, None, r"models\.t5: an encoder-decoder has no turns .* 'base' is 'chat'\."),
        (
            ["base", "soft"],
            {},
            {"type": "MULTITASK_PROMPT_TUNING", "num_virtual_tokens": 4},
            r"methods\.soft\.peft\.type: MULTITASK_PROMPT_TUNING cannot be trained on an encoder-decoder, and",
        ),
    ],
)
def test_what_only_a_decoder_alone_can_do_is_refused(methods, entry, peft, message):
    with pytest.raises(StudyError, match=rf"^config: {message}"):
        study(methods, entry, peft)


def test_an_untuned_one_may_leave_out_the_settings_of_a_training():
    assert study(["base"], {"training": {}}).used_models == ["t5"]


@pytest.mark.parametrize("method", ["base", "qlora", "soft"])
def test_an_encoder_alone_is_refused_by_methods_that_do_not_train_its_decoder(method):
    message = rf"models\.t5: an encoder alone writes noise until the decoder behind it is trained, .* '{method}'"
    with pytest.raises(StudyError, match=f"^config: {message}"):
        study([method, "full"], {"kind": "encoder"})


def test_an_encoder_alone_is_trained_as_a_whole_and_gains_over_nothing():
    found = study(["full"], {"kind": "encoder"})
    assert found.models["t5"].is_encoder_decoder
    assert declared(found.models["t5"])["kind"] == "encoder"
    assert found.methods["full"].baselines == []
    with pytest.raises(StudyError, match=r"^config: methods\.full: there is no untuned method with weights held alike"):
        study(["full"])


def test_what_is_refused_of_an_encoder_is_said_of_an_encoder():
    with pytest.raises(StudyError, match=r"^config: models\.t5: inputs of an encoder are not packed\. Add 'packing"):
        study(["full"], {"kind": "encoder", "training": {}})
    with pytest.raises(StudyError, match=r"^config: models\.t5: an encoder has no turns of a chat, and its template"):
        study(["full"], {"kind": "encoder", "template": "chat"})


def test_other_models_of_the_same_method_keep_their_baselines():
    config = copy.deepcopy(CONFIG)
    config["models"]["m"] = {"repo": "some/m", "revision": "0" * 40, "kind": "encoder", **TRAINED}
    config["methods"] |= {"full": {"full": True, "quantization": "none"}, "base-bf16": {"quantization": "none"}}
    on = {"datasets": ["codealpaca-20k"], "seeds": [0]}
    config["runs"] = [
        on | {"models": ["gemma-2-2b"], "methods": ["full", "base-bf16"]},
        on | {"models": ["m"], "methods": ["full"]},
    ]
    assert load_study(config).methods["full"].baselines == ["base-bf16"]
