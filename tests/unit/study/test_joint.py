"""Joint training data in a study: what is made from what, and what tests it."""

import copy

import pytest
from codetune.base.errors import StudyError
from codetune.study.config import load_study
from codetune.study.joint import Joint
from codetune.study.publications import publications_of
from codetune.study.runs import Evaluation, Run
from paper_config import edit, paper_config

FIRST, JOINT = "codealpaca-20k", "both"


def config_with(entry, **runs):
    """The paper's config with a second data set, joint data, and one entry of runs."""
    config = paper_config()
    more = copy.deepcopy(config["datasets"][FIRST])
    config = edit(edit(config, ["datasets", "more"], more), ["datasets", JOINT], entry)
    on = {"datasets": [JOINT], "models": ["gemma-2-2b"], "methods": ["base", "qlora"], "seeds": [0]}
    return edit(config, ["runs"], [on | runs])


def test_joint_data_are_tested_on_the_test_set_of_each_part():
    study = load_study(config_with({"joint": [FIRST, "more"], "seed": 3}))
    assert study.joints == {JOINT: Joint(JOINT, [FIRST, "more"], 3)}
    tuned, untuned = Run(JOINT, "gemma-2-2b", "qlora", 0), Run("none", "gemma-2-2b", "base", 0)
    for run in (tuned, untuned):
        assert study.of_run(run) == [Evaluation(run, FIRST), Evaluation(run, "more")]
    assert study.used_datasets == [FIRST, "more"]  # which are downloaded and split
    assert study.used_joints == [study.joints[JOINT]]
    assert [one["dataset"] for one in study.token_sets] == [JOINT]
    assert study.leak_checks == [{"dataset": JOINT, "test": test} for test in (FIRST, "more")]


def test_joint_data_may_be_tested_on_other_sets_and_retrieved_from():
    config = config_with({"joint": [FIRST, "more"]}, models=["none"], methods=["retrieval"], tests=["more"])
    study = load_study(config)
    assert study.evaluations == [Evaluation(Run(JOINT, "none", "retrieval", 0), "more")]
    assert study.used_datasets == [FIRST, "more"]
    assert study.joints[JOINT].seed == 0


def test_joint_data_that_no_run_uses_are_not_made():
    assert load_study(config_with({"joint": [FIRST, "more"]}, datasets=["more"])).used_joints == []


@pytest.mark.parametrize(
    ("entry", "runs", "message"),
    [
        ({"joint": [FIRST, "mor"]}, {}, "datasets.both.joint: 'mor' is unknown; did you mean 'more'?"),
        ({"joint": [FIRST, JOINT]}, {}, "datasets.both.joint: 'both' is joint itself; name the data sets"),
        ({"joint": [FIRST]}, {}, "datasets.both.joint"),
        ({"joint": [FIRST, FIRST]}, {}, "datasets.both.joint"),
        ({"joint": [FIRST, "more"], "license": "MIT"}, {}, "datasets.both: 'license' says nothing with 'joint'; leave"),
        (
            {"joint": [FIRST, "more"]},
            {"tests": [JOINT]},
            "runs[0].tests: 'both' is joint, which has no test part",
        ),
        ({}, {}, "datasets.both"),
    ],
    ids=str,
)
def test_a_mistake_gives_one_clear_line(entry, runs, message):
    with pytest.raises(StudyError) as caught:
        load_study(config_with(entry, **runs))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_seed_that_shuffles_nothing_is_refused():
    config = edit(config_with({"joint": [FIRST, "more"]}), ["datasets", "more", "seed"], 1)
    with pytest.raises(StudyError, match="datasets.more: 'seed' is for 'joint'; write 'split: {seed: ...}'"):
        load_study(config)


def test_a_model_card_names_what_the_joint_data_are_from():
    config = config_with({"joint": [FIRST, "more"]})
    run = Run(JOINT, "gemma-2-2b", "qlora", 0)
    found = publications_of(config, run, [FIRST, "more"])
    assert found.trained_on == [FIRST, "more"]
    assert [one.repo for one in found.training] == ["sahil2801/CodeAlpaca-20k"] * 2
    assert publications_of(config, Run("more", "gemma-2-2b", "qlora", 0), [FIRST]).trained_on == ["more"]
