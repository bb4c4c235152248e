"""Entries whose commit is still to be filled in: what waits for them is left out, and one line says so."""

import copy

import pytest
from codetune.base.errors import StudyError
from codetune.study.config import load_study
from codetune.study.left_out import targets_left_out
from codetune.study.unpinned import TO_BE_FILLED_IN, describe_unpinned
from paper_config import edit, paper_config

HUB = "https://huggingface.co"
DATA = "codealpaca-20k"


@pytest.fixture
def config():
    return paper_config()


def unpinned(config, kind, name):
    """The config with one entry whose commit is to be filled in."""
    return edit(config, [kind, name, "revision"], TO_BE_FILLED_IN)


def test_the_runs_of_one_model_are_left_out_and_all_others_stay(config):
    whole, left = load_study(config), load_study(unpinned(config, "models", "gemma-2-2b"))
    assert left.runs == [run for run in whole.runs if run.model != "gemma-2-2b"]
    assert "gemma-2-2b" not in left.models
    assert (left.datasets, left.methods) == (whole.datasets, whole.methods)
    (one,) = left.unpinned
    assert one.runs == [run for run in whole.runs if run.model == "gemma-2-2b"]
    assert one.untested == []


def test_a_study_whose_commits_are_all_known_is_what_it_was(config):
    study = load_study(config)
    assert study.unpinned == []
    assert targets_left_out(study) == {}


def test_a_line_says_what_to_fill_in_which_runs_wait_and_how_to_find_the_commit(config):
    study = load_study(unpinned(config, "models", "gemma-2-2b"))
    page = f"{HUB}/google/gemma-2-2b-it"
    assert describe_unpinned(study.unpinned) == [
        "config: models.gemma-2-2b.revision: to-be-filled-in. Until then 3 runs are left out (base, base-chat, qlora). "
        f"`git ls-remote {page} HEAD` prints the newest commit, and {page}/commits/main lists all: fill in the one "
        "that you mean."
    ]
    assert targets_left_out(study)["gemma-2-2b"].startswith(
        "all runs of gemma-2-2b wait for models.gemma-2-2b.revision"
    )


def test_runs_on_two_test_sets_stay_on_the_one_that_is_known(config):
    more = copy.deepcopy(config["datasets"][DATA])
    runs = {"datasets": [DATA], "models": ["gemma-2-2b"], "methods": ["base", "qlora"], "tests": [DATA, "more"]}
    config = unpinned(edit(edit(config, ["datasets", "more"], more), ["runs"], [runs]), "datasets", "more")
    study = load_study(config)
    assert {one.test for one in study.evaluations} == {DATA}
    assert [run.method for run in study.runs] == ["base", "qlora"]
    (one,) = study.unpinned
    assert (one.runs, one.untested) == ([], study.runs)
    assert "Until then 2 runs are not tested on it (base, qlora). " in describe_unpinned([one])[0]
    assert f"{HUB}/datasets/sahil2801/CodeAlpaca-20k/commits/main" in describe_unpinned([one])[0]


def test_what_is_trained_on_joint_data_waits_for_each_part_of_them(config):
    more = copy.deepcopy(config["datasets"][DATA])
    config = edit(edit(config, ["datasets", "more"], more), ["datasets", "both"], {"joint": [DATA, "more"]})
    one = {"models": ["gemma-2-2b"], "methods": ["qlora"], "tests": [DATA]}
    config = edit(config, ["runs"], [{"datasets": ["both"], **one}, {"datasets": [DATA], **one}])
    study = load_study(unpinned(config, "datasets", "more"))
    assert [run.data for run in study.runs] == [DATA]
    assert study.joints == {}
    assert [run.data for run in study.unpinned[0].runs] == ["both"]


def test_examples_by_an_encoder_wait_for_its_commit(config):
    config["encoders"] = {"gte": {"repo": "thenlper/gte-small", "revision": TO_BE_FILLED_IN}}
    examples = {"count": 2, "choose": "similar", "encoder": "gte"}
    config["prompts"]["similar"] = {"template": "paper", "examples": examples}
    config["methods"]["similar"] = {"prompt": "similar"}
    config["runs"][0]["methods"] = ["base", "similar"]
    study = load_study(config)
    assert study.encoders == {}
    assert {run.method for run in study.unpinned[0].runs} == {"similar"}
    assert "similar" not in {run.method for run in study.runs}


def test_an_entry_that_no_run_uses_is_not_mentioned(config):
    config["runs"] = config["runs"][1:]
    study = load_study(unpinned(config, "models", "gemma-2-2b"))
    assert study.unpinned == []
    assert study.runs == load_study(config).runs


def test_a_mistake_in_what_is_left_out_is_found_all_the_same(config):
    config = edit(unpinned(config, "models", "gemma-2-2b"), ["models", "gemma-2-2b", "micro_batch"], 3)
    with pytest.raises(StudyError, match="batch_size 128 is not a multiple of micro_batch 3"):
        load_study(config)


def test_a_study_of_which_nothing_is_left_is_refused_in_one_line(config):
    config["runs"] = [{"datasets": [DATA], "models": ["gemma-2-2b"], "methods": ["base"]}]
    with pytest.raises(StudyError, match=r"all of them wait for models.gemma-2-2b.revision. `git ls-remote https") as e:
        load_study(unpinned(config, "models", "gemma-2-2b"))
    assert "\n" not in str(e.value)


def test_a_repository_on_github_has_its_commits_there(config):
    entry = {"github": "openai/human-eval", "revision": TO_BE_FILLED_IN, "parts": {"test": "data/HumanEval.jsonl.gz"}}
    config["datasets"]["more"] = {**entry, "fields": {"input": "prompt", "output": "o"}, "instruction": "Complete."}
    config["runs"][0]["tests"] = [DATA, "more"]
    assert "https://github.com/openai/human-eval/commits lists" in describe_unpinned(load_study(config).unpinned)[0]
