"""Which repositories a part of the study comes from."""

import pytest
from codetune.study.config import load_study
from codetune.study.downloads import repositories_of
from paper_config import edit, paper_config

DATA = "codealpaca-20k"


@pytest.fixture
def config():
    return paper_config()


def test_the_whole_study_comes_from_seven(config):
    study = load_study(config)
    found = repositories_of(study, study.models, study.datasets)
    assert [entry["name"] for entry in found] == [
        "sahil2801/CodeAlpaca-20k",
        "meta-llama/Llama-3.2-1B-Instruct",
        "meta-llama/Llama-3.2-3B-Instruct",
        "google/gemma-2-2b-it",
        "Qwen/Qwen2.5-1.5B-Instruct",
        "Qwen/Qwen2.5-3B-Instruct",
        "microsoft/Phi-3-mini-4k-instruct",
    ]
    assert [entry["kind"] for entry in found] == ["dataset"] + ["model"] * 6
    assert [entry["file"] for entry in found] == ["code_alpaca_20k.json"] + ["config.json"] * 6
    assert all(len(entry["revision"]) == 40 for entry in found)


def test_only_what_is_named_is_there_and_each_repository_once(config):
    same = edit(config, ["models", "twin"], {**config["models"]["gemma-2-2b"], "label": "Twin"})
    (found,) = repositories_of(load_study(same), ["twin", "gemma-2-2b", "twin"], [])
    assert found["name"] == "google/gemma-2-2b-it"


def test_two_revisions_of_a_repository_are_two(config):
    other = {**config["models"]["gemma-2-2b"], "label": "Other", "revision": "a" * 40}
    found = repositories_of(load_study(edit(config, ["models", "other"], other)), ["other", "gemma-2-2b"], [])
    assert len({entry["revision"] for entry in found}) == 2


def test_local_files_and_checkpoints_have_none(config, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "data.json").write_text("[]")
    local = edit(config, ["models", "gemma-2-2b", "path"], str(tmp_path))
    local = edit(local, ["datasets", DATA, "path"], str(tmp_path / "data.json"))
    assert repositories_of(load_study(local), ["gemma-2-2b"], [DATA]) == []
