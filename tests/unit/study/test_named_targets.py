"""Runs that the config gives a name, by which they can be asked for together."""

import pytest
from codetune.base.errors import StudyError
from codetune.study.config import load_study
from codetune.study.left_out import targets_left_out
from codetune.study.runs import Run
from codetune.study.unpinned import TO_BE_FILLED_IN
from paper_config import paper_config

DATA = "codealpaca-20k"


def config_with(*entries):
    config = paper_config()
    config["runs"] = [{"datasets": [DATA], **entry} for entry in entries]
    return config


def test_a_target_has_the_runs_of_all_entries_that_name_it_each_once():
    entries = (
        {"models": ["gemma-2-2b"], "methods": ["base", "qlora"], "targets": ["one", "two"]},
        {"models": ["phi-3-mini"], "methods": ["base"], "targets": ["two"]},
        {"models": ["gemma-2-2b"], "methods": ["base"], "targets": ["two"]},
        {"models": ["qwen2.5-3b"], "methods": ["base"]},
    )
    study = load_study(config_with(*entries))
    gemma = [Run("none", "gemma-2-2b", "base", 0), Run(DATA, "gemma-2-2b", "qlora", 0)]
    phi = Run("none", "phi-3-mini", "base", 0)
    assert (study.runs_of("one"), study.runs_of("two")) == (gemma, [*gemma, phi])
    assert study.runs_of("phi-3-mini") == [phi]
    assert load_study(config_with({key: entries[0][key] for key in ("models", "methods")})).targets == {}


def test_what_is_left_out_is_not_in_a_target_and_a_target_of_nothing_else_says_why():
    entries = (
        {"models": ["gemma-2-2b"], "methods": ["base"], "targets": ["waits", "both"]},
        {"models": ["phi-3-mini"], "methods": ["base"], "targets": ["both"]},
    )
    config = config_with(*entries)
    config["models"]["gemma-2-2b"]["revision"] = TO_BE_FILLED_IN
    study = load_study(config)
    assert [run.model for run in study.runs_of("both")] == ["phi-3-mini"]
    assert targets_left_out(study).keys() == {"gemma-2-2b", "waits"}
    assert targets_left_out(study)["waits"].startswith("all runs of waits wait for models.gemma-2-2b.revision. `git ls")


def test_a_target_cannot_have_the_name_of_a_model():
    entry = {"models": ["gemma-2-2b"], "methods": ["base"], "targets": ["phi-3-mini"]}
    with pytest.raises(StudyError, match=r"runs\[0\].targets: 'phi-3-mini' is a model already; give another name"):
        load_study(config_with(entry))
