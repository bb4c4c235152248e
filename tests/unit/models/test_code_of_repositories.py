"""Checkpoints whose config.json names code of their own, and old ones of which only a proposal has safetensors."""

import json
import re
import shutil

import pytest
from codetune.base.errors import StudyError
from codetune.models.checkpoints import fetch_model
from codetune.study.model import Source
from downloads import fetch as download
from hubserver import MODEL, OTHER_REVISION, REVISION, declare, running_hub


def fetch(folder, config, weights=False):
    """Fetches a local checkpoint that consists of a config.json and a tokenizer."""
    source = folder / "source"
    source.mkdir()
    (source / "config.json").write_text(json.dumps(config))
    (source / "tokenizer.json").write_text("{}")
    fetch_model(Source(path=str(source)), folder / "model", weights)


@pytest.mark.parametrize("name", ["AutoModelForCausalLM", "AutoModelForSeq2SeqLM", "AutoModel"])
def test_a_model_of_code_of_its_own_is_refused_with_the_reason_before_its_weights_come(name, tmp_path):
    with pytest.raises(
        StudyError, match="'mine.M'.*which is not run here.*'codegen'.*mix them up.*no auto_map"
    ) as error:
        fetch(tmp_path, {"model_type": "codegen", "auto_map": {"AutoConfig": "mine.C", name: "mine.M"}})
    assert "\n" not in str(error.value)
    assert not (tmp_path / "model").exists()


ALLOWED = [
    {"model_type": "phi3", "auto_map": {"AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM"}},
    {"model_type": "codegen"},
    {"model_type": "codegen", "auto_map": None},
    {"model_type": "llama", "auto_map": {"AutoTokenizer": ["mine.T", None], "AutoConfig": "mine.C"}},
]


@pytest.mark.parametrize("config", ALLOWED)
def test_what_transformers_has_taken_over_and_what_names_no_model_is_taken(config, tmp_path):
    fetch(tmp_path, config)
    assert (tmp_path / "model/manifest.json").exists()


def test_codegen2_is_refused_and_every_published_config_of_the_default_study_is_not(real, tmp_path):
    found = sorted((real / "tokenizers").glob("*/config*.json"))
    refused = []
    for number, path in enumerate(found):
        (tmp_path / str(number)).mkdir()
        try:
            fetch(tmp_path / str(number), json.loads(path.read_text()))
        except StudyError as error:
            assert "mix them up" in str(error)
            refused.append(path.parent.name)
    assert refused == ["codegen2"]
    assert {"phi-3-mini-4k-instruct", "gemma-2", "llama-3.2", "qwen2.5"} <= {path.parent.name for path in found}


@pytest.fixture
def hub():
    """A hub whose model has pickled weights alone, and at another commit the proposed safetensors beside them."""
    with running_hub() as server:
        old = {name: body for name, body in MODEL.items() if not name.endswith(".safetensors")}
        for revision, files in ((REVISION, old), (OTHER_REVISION, MODEL)):
            server.files["org/model", revision] = dict(files)
            server.declared["org/model", revision] = {name: declare(name, body) for name, body in files.items()}
        yield server


def test_of_pickled_weights_alone_nothing_is_fetched_and_the_line_says_where_others_may_be(hub, tmp_path):
    said = download(hub, Source(repo="org/model", revision=REVISION), tmp_path / "model")
    assert re.search(r"'revision', .*`git ls-remote https://huggingface.co/org/model 'refs/pr/\*'`", said.error)
    assert said.log.splitlines() == [said.error]
    assert not (hub.asked_for("pytorch_model.bin") or (tmp_path / "model").exists())


def test_the_commit_of_a_conversion_is_a_revision_like_any_other(hub, tmp_path):
    download(hub, Source(repo="org/model", revision=OTHER_REVISION), tmp_path / "model")
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {"config.json", "tokenizer.json", "model.safetensors", "manifest.json"}
    assert not hub.asked_for("pytorch_model.bin")


def test_a_local_folder_has_no_proposals(tmp_path):
    (tmp_path / "source").mkdir()
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / "source" / name).write_text("{}")
    shutil.copy(tmp_path / "source/config.json", tmp_path / "source/pytorch_model.bin")
    with pytest.raises(StudyError, match="are not loaded. Convert them, or name another"):
        fetch_model(Source(path=str(tmp_path / "source")), tmp_path / "model", weights=True)
