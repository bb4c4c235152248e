"""The sizes of a model's tunings: PEFT's counts, and what cannot be counted."""

import json
from itertools import product

import pytest
from codetune.base.errors import StudyError
from codetune.base.plain import read_as
from codetune.methods.size import write_sizes
from codetune.models.shapes import lora_parameters, parameters
from codetune.study.method import TuningSettings
from codetune.study.sizes import SizeFacts
from paper_models import PUBLISHED
from tunings import PROJECTIONS, lora


@pytest.fixture
def folder(tmp_path):
    """A folder with a small model's config.json, and nothing else."""

    def made(**keys):
        config = PUBLISHED["Llama-3.2-1B"][0] | {"num_hidden_layers": 2, "vocab_size": 1000, **keys}
        (tmp_path / "config.json").write_text(json.dumps(config))
        return tmp_path

    return made


def sizes_of(folder, **tunings):
    write_sizes(folder, "m", tunings, str(folder / "sizes.json"))
    return read_as(folder / "sizes.json", SizeFacts)


def test_each_method_has_what_it_trains_and_all_there_is(folder):
    soft = TuningSettings("peft", {"type": "PROMPT_TUNING", "num_virtual_tokens": 20})
    found = sizes_of(folder(tie_word_embeddings=True), qlora=lora(r=8), soft=soft, full=TuningSettings("full"))
    assert found.model == "m"
    assert list(found.methods) == ["qlora", "soft", "full"]
    full, qlora = found.methods["full"], found.methods["qlora"]
    assert full.trainable == full.total
    assert full.percent == 100
    assert qlora.trainable == lora_parameters(json.loads((folder() / "config.json").read_text()), 8, PROJECTIONS)
    assert qlora.total == full.total + qlora.trainable
    assert found.methods["soft"].trainable == 20 * 2048
    assert found.size_of(lora(r=8)) == qlora
    with pytest.raises(StudyError, match=r"^sizes/m.json: lacks a tuning \(LORA\)"):
        found.size_of(lora(r=9))


@pytest.mark.parametrize(("name", "rank"), product(PUBLISHED, (8, 16)))
def test_peft_counts_lora_as_the_paper_s_equation_does(tmp_path, name, rank):
    """The formula, which the audit of the paper has, and PEFT: of all of the paper's models at both of its ranks."""
    config = PUBLISHED[name][0] | {"vocab_size": 1000, "tie_word_embeddings": True}
    if config["head_dim"] is None:
        del config["head_dim"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = sizes_of(tmp_path, qlora=lora(r=rank)).methods["qlora"]
    assert found.trainable == lora_parameters(PUBLISHED[name][0], rank, PROJECTIONS)
    matrices = parameters(PUBLISHED[name][0] | {"vocab_size": 1000})
    assert found.total - found.trainable == pytest.approx(sum(matrices.values()), rel=2e-3)  # with norms and biases


def test_modules_that_a_model_lacks_are_one_line_before_anything_is_trained(folder):
    with pytest.raises(StudyError, match="^m has no qkv_proj to adapt") as found:
        sizes_of(folder(), qlora=lora(target_modules=["qkv_proj"]))
    assert "Its linear layers are q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj." in str(found.value)
    assert not (folder() / "sizes.json").exists()
    with pytest.raises(StudyError, match=r"^m has no q_proj, k_proj, v_proj, gate_proj, up_proj to adapt .* Its"):
        sizes_of(folder(model_type="phi3", pad_token_id=0), qlora=lora())


@pytest.mark.parametrize(
    "keys",
    [
        {"modules_to_save": ["lmhead"]},
        {"exclude_modules": ["lmhead"]},
        {"target_parameters": ["lmhead"]},
        {"rank_pattern": {"lmhead": 4}},
        {"alpha_pattern": {"q_proj": 4, "lmhead": 4}},
    ],
)
def test_a_name_that_peft_would_pass_over_is_one_line(folder, keys):
    said = rf"^a model of type llama has no lmhead \({next(iter(keys))} of the method's peft\)"
    with pytest.raises(StudyError, match=said):
        sizes_of(folder(), qlora=lora(**keys))
    sizes_of(folder(), qlora=lora(modules_to_save=["norm"], rank_pattern={r".*\.0\..*": 2}, exclude_modules="mlp"))


def test_a_method_that_trains_nothing_is_one_line(folder):
    cartridge = TuningSettings("peft", {"type": "CARTRIDGE", "num_virtual_tokens": 4, "num_frozen_tokens": 4})
    with pytest.raises(StudyError, match=r"^config: methods.soft: nothing of m would be trained"):
        sizes_of(folder(), soft=cartridge)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model_type": "no-such-type"}', '{"model_type": 3}'])
def test_a_config_json_that_is_none_is_one_line(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(StudyError) as found:
        sizes_of(tmp_path, qlora=lora())
    assert "\n" not in str(found.value)
