"""What memory the GPUs of runs need, as the config says it of models and methods."""

import pytest
from codetune.base.errors import StudyError
from codetune.study.config import load_study
from codetune.study.gpu_memory import describe_gpu_memory, gpu_memory_of
from codetune.study.runs import Run
from paper_config import edit, paper_config


def study_with(**needs):
    config = paper_config()
    for model, needed in needs.items():
        config["models"][model.replace("_", "-")]["gpu_memory_gb"] = needed
    return load_study(config)


def run(model, method="qlora"):
    return Run("codealpaca-20k", model, method, 0)


def test_a_number_holds_for_all_methods_of_a_model_and_for_no_other_model():
    study = study_with(phi_3_mini=40)
    assert gpu_memory_of(study, run("phi-3-mini", "base")) == 40
    assert gpu_memory_of(study, run("gemma-2-2b", "base")) is None


def test_methods_can_need_different_memory_and_one_that_is_not_named_is_not_checked():
    study = study_with(gemma_2_2b={"qlora": 40, "base": 24})
    needs = [gpu_memory_of(study, run("gemma-2-2b", method)) for method in ("qlora", "base", "base-chat")]
    assert needs == [40, 24, None]


def test_a_trial_of_a_search_needs_what_its_method_needs():
    config = edit(paper_config(), ["models", "gemma-2-2b", "gpu_memory_gb"], {"qlora": 40})
    study = load_study(edit(config, ["methods", "qlora", "training"], {"learning_rate": [1e-4, 2e-4]}))
    trials = study.trials_of(run("gemma-2-2b"))
    assert [gpu_memory_of(study, trial) for trial in trials] == [40, 40]


def test_a_retrieval_needs_no_gpu():
    assert gpu_memory_of(study_with(phi_3_mini=40), run("none", "retrieval")) is None


def test_no_plan_of_a_training_depends_on_it():
    assert study_with(gemma_2_2b=40).for_training(run("gemma-2-2b")) == study_with().for_training(run("gemma-2-2b"))


def test_one_line_names_the_runs_that_need_more_than_the_least():
    study = study_with(gemma_2_2b={"qlora": 40, "base": 24}, phi_3_mini=24)
    assert describe_gpu_memory(study) == (
        "GPUs: of the 18 runs, 3 need 24 GB, 1 need 40 GB (gemma-2-2b qlora). A job refuses a smaller one."
    )
    assert describe_gpu_memory(study_with()) is None


def test_a_method_that_is_not_there_is_a_mistake():
    with pytest.raises(StudyError, match="models.gemma-2-2b.gpu_memory_gb: 'qlor' is unknown; did you mean 'qlora'"):
        study_with(gemma_2_2b={"qlor": 40})


@pytest.mark.parametrize("needed", [0, 2.5, "24", {}, {"qlora": 0}])
def test_it_is_a_whole_number_of_gigabytes(needed):
    with pytest.raises(StudyError, match=r"models.gemma-2-2b.gpu_memory_gb"):
        study_with(gemma_2_2b=needed)


def test_no_record_of_a_run_holds_it():
    assert study_with(phi_3_mini=40).models == study_with().models
