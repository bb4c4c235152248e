"""From the configuration to the study: its runs, and what each depends on."""

import copy
import json

import pytest
from codetune.base.errors import StudyError
from codetune.base.plain import from_plain, to_plain
from codetune.study.config import load_study
from codetune.study.method import Quantization
from codetune.study.model import Memory, Source
from codetune.study.runs import Evaluation, Run
from codetune.study.training import TrainingPlan, TrainingSettings
from paper_config import edit, paper_config
from tunings import FULL, lora


@pytest.fixture
def config():
    return paper_config()


def test_the_paper_s_study_is_five_tuned_models_six_untuned_in_two_templates_and_a_retrieval(config):
    study = load_study(config)
    assert len(study.training_runs) == 5
    assert len(study.runs) == 5 + 2 * 6 + 1
    untuned = {run.model for run in study.runs if run not in study.training_runs}
    assert len(untuned) == len([*study.used_models, "none"]) == 7
    assert [evaluation.run for evaluation in study.evaluations] == study.runs


def with_two_datasets(config, runs):
    """The config with a second data set, `more`, and other runs."""
    more = copy.deepcopy(config["datasets"]["codealpaca-20k"])
    return edit(edit(config, ["datasets", "more"], more), ["runs"], runs)


def runs_of(*datasets, models=("gemma-2-2b",), methods=("base", "qlora"), seeds=(0,)):
    """An entry of the config's `runs`."""
    return {"datasets": list(datasets), "models": list(models), "methods": list(methods), "seeds": list(seeds)}


def test_seeds_multiply_the_tuned_runs_only(config):
    study = load_study(edit(config, ["runs", 0, "seeds"], [0, 1, 2]))
    assert len(study.training_runs) == 5 * 3
    assert {run.seed for run in study.training_runs} == {0, 1, 2}
    untuned = [run for run in study.runs if run.data == "none"]
    assert len(untuned) == 2 * 6
    assert {run.seed for run in untuned} == {0}


def test_a_retrieval_is_one_run_per_data_set_without_a_model(config):
    entry = runs_of("codealpaca-20k", "more", models=["none"], methods=["retrieval"], seeds=[3, 4])
    study = load_study(with_two_datasets(config, [entry]))
    runs = [Run(data, "none", "retrieval", 0) for data in ("codealpaca-20k", "more")]
    assert study.evaluations == [Evaluation(run, run.data) for run in runs]
    assert all(run.retrieves for run in runs)
    assert study.training_runs == study.used_models == study.token_sets == study.prompt_sets == []
    assert study.used_datasets == ["codealpaca-20k", "more"]
    assert study.model_of(runs[0]).label == "Most similar training sample"


@pytest.mark.parametrize("entries", [[("codealpaca-20k", "more")], [("codealpaca-20k",), ("more",)]], ids=str)
def test_an_untuned_model_is_one_run_on_all_data_sets_and_a_tuned_one_is_a_run_per_data_set(config, entries):
    study = load_study(with_two_datasets(config, [runs_of(*datasets, seeds=[4, 5]) for datasets in entries]))
    untuned = Run("none", "gemma-2-2b", "base", 0)
    assert study.runs.count(untuned) == 1
    assert study.of_run(untuned) == [Evaluation(untuned, "codealpaca-20k"), Evaluation(untuned, "more")]
    assert set(study.training_runs) == {
        Run(data, "gemma-2-2b", "qlora", seed) for data in ("codealpaca-20k", "more") for seed in (4, 5)
    }
    assert [evaluation.run.data for evaluation in study.of_test("more")] == ["none", "more", "more"]


def test_the_study_s_data_sets_are_those_that_runs_name(config):
    study = load_study(with_two_datasets(config, [runs_of("more")]))
    assert study.tests == study.used_datasets == ["more"]
    assert list(study.datasets) == ["codealpaca-20k", "more"]


def test_an_evaluation_that_two_entries_name_is_an_error(config):
    twice = with_two_datasets(config, [runs_of("more", seeds=[3]), runs_of("more", methods=["qlora"], seeds=[3])])
    with pytest.raises(StudyError, match="runs: more, gemma-2-2b, qlora, seed 3 on more is named twice. Remove one"):
        load_study(twice)


def test_a_run_is_evaluated_on_the_test_sets_that_its_entry_names(config):
    entry = runs_of("codealpaca-20k", methods=["base", "qlora"], seeds=[4, 5]) | {"tests": ["more", "codealpaca-20k"]}
    study = load_study(with_two_datasets(config, [entry]))
    untuned = Run("none", "gemma-2-2b", "base", 0)
    tuned = [Run("codealpaca-20k", "gemma-2-2b", "qlora", seed) for seed in (4, 5)]
    assert study.runs == [untuned, *tuned]
    assert study.leak_checks == [{"dataset": "codealpaca-20k", "test": test} for test in study.tests]
    assert study.trainings == tuned
    for run in study.runs:
        assert study.of_run(run) == [Evaluation(run, "more"), Evaluation(run, "codealpaca-20k")]
    assert study.tests == ["more", "codealpaca-20k"]
    assert study.used_datasets == ["codealpaca-20k", "more"]
    assert [one["test"] for one in study.prompt_sets] == study.tests
    assert [one["dataset"] for one in study.token_sets] == ["codealpaca-20k"]


def test_an_untuned_model_is_evaluated_once_per_test_set_whatever_it_is_compared_with(config):
    both = {"tests": ["codealpaca-20k", "more"]}
    study = load_study(with_two_datasets(config, [runs_of("codealpaca-20k") | both, runs_of("more") | both]))
    untuned = [one for one in study.evaluations if one.run.data == "none"]
    assert untuned == [Evaluation(Run("none", "gemma-2-2b", "base", 0), test) for test in both["tests"]]
    assert len(study.of_test("more")) == len(study.of_test("codealpaca-20k")) == 3


def test_a_training_depends_on_these_settings(config):
    study = load_study(edit(config, ["runs", 0, "seeds"], [7]))
    run = Run("codealpaca-20k", "qwen2.5-1.5b", "qlora", 7)
    assert run in study.training_runs
    every = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    assert study.for_training(run) == TrainingPlan(
        source=Source(repo="Qwen/Qwen2.5-1.5B-Instruct", revision="989aa7980e4cf806f80c7fef2b1adb7bc71aa306"),
        memory=Memory(micro_batch=4, gradient_checkpointing=False),
        tuning=lora(r=8, lora_alpha=16, lora_dropout=0.05, target_modules=every),
        quantization=Quantization("nf4", double=True, compute_dtype="bfloat16"),
        settings=TrainingSettings(2.0e-4, "cosine", 0, 0.0, 1.0, 1, 5, batch_size=128, epochs=50, max_length=1024),
        seed=7,
    )


@pytest.mark.parametrize(
    ("model", "method", "patience", "epochs"),
    [
        ({}, {}, 5, 50),
        ({"patience": 6}, {}, 6, 50),
        ({}, {"patience": 7, "epochs": 3}, 7, 3),
        ({"patience": 6}, {"patience": 7}, 7, 50),
        ({"patience": "none"}, {}, None, 50),
        ({"patience": "none"}, {"patience": 7}, 7, 50),
        ({"patience": 6}, {"patience": "none"}, None, 50),
    ],
)
def test_a_method_s_training_settings_go_before_the_model_s_and_these_before_the_study_s(
    config, model, method, patience, epochs
):
    changed = edit(config, ["models", "gemma-2-2b", "training"], model)
    study = load_study(edit(changed, ["methods", "qlora", "training"], method))
    plans = {run.model: study.for_training(run).settings for run in study.training_runs}
    assert (plans["gemma-2-2b"].patience, plans["gemma-2-2b"].epochs) == (patience, epochs)
    others = plans["llama-3.2-1b"]
    of_method = None if method.get("patience") == "none" else method.get("patience", 5)
    assert (others.patience, others.epochs) == (of_method, method.get("epochs", 50))
    assert plans["gemma-2-2b"].learning_rate == others.learning_rate == 2.0e-4


def test_without_patience_a_plan_says_so_and_with_it_the_plan_is_what_it_was(config):
    """What a plan is decides on reruns, so the number stays a number."""
    study = load_study(edit(config, ["training", "patience"], "none"))
    (plan, *_) = (study.for_training(run) for run in study.training_runs)
    plain = json.loads(json.dumps(to_plain(plan)))
    assert plain["settings"]["patience"] is None
    assert from_plain(plain, TrainingPlan, "the plan") == plan
    (other, *_) = (load_study(config).for_training(run) for run in study.training_runs)
    assert to_plain(other)["settings"] == plain["settings"] | {"patience": 5}
    assert [*to_plain(other)["settings"]] == [*plain["settings"]]


def test_what_a_method_sets_a_model_need_not(config):
    config = edit(config, ["models", "gemma-2-2b", "epochs"], ...)
    study = load_study(edit(config, ["methods", "qlora", "training"], {"epochs": 2}))
    assert {study.for_training(run).settings.epochs for run in study.training_runs} == {2}


@pytest.mark.parametrize("of_study", ["paper", "chat"])
@pytest.mark.parametrize("of_model", [None, "paper", "chat"])
@pytest.mark.parametrize("of_method", [None, "paper", "chat"])
@pytest.mark.parametrize("method", ["base", "qlora"])
def test_a_method_s_prompt_goes_before_a_model_s_template_and_that_before_the_study_s(
    config, of_study, of_model, of_method, method
):
    config = edit(config, ["tokenization", "template"], of_study)
    config["models"]["gemma-2-2b"] |= {"template": of_model} if of_model else {}
    config["methods"][method] |= {"prompt": of_method} if of_method else {}
    study = load_study(config)
    run = next(run for run in study.runs if (run.model, run.method) == ("gemma-2-2b", method))
    expected = of_method or of_model or of_study
    assert study.template_of(run) == expected
    (evaluation,) = study.of_run(run)
    assert study.prompt_set_of(evaluation) in study.prompt_sets
    assert study.prompt_set_of(evaluation)["prompt"] == expected
    if run in study.training_runs:
        assert study.token_set_of(run) in study.token_sets
        assert study.token_set_of(run)["template"] == expected


def test_token_sets_and_prompts_are_per_model_and_template_and_none_is_named_twice(config):
    study = load_study(config)
    assert len(study.prompt_sets) == 2 * 6
    assert len(study.token_sets) == 5
    study = load_study(edit(config, ["tokenization", "template"], "chat"))  # base and base-chat have the same prompts
    assert len(study.prompt_sets) == 6
    config["methods"]["qlora-chat"] = config["methods"]["qlora"] | {"prompt": "chat"}
    config["runs"][0]["methods"].append("qlora-chat")
    sets = load_study(config).token_sets
    assert len(sets) == 2 * 5
    assert {(entry["template"], entry["model"]) for entry in sets} == {
        (template, model) for template in ("paper", "chat") for model in config["runs"][0]["models"]
    }


def test_a_config_whose_methods_name_no_prompt_needs_none(config):
    config["methods"]["base-chat"] = {}
    study = load_study(edit(config, ["prompts"], ...))
    assert {study.template_of(run) for run in study.runs} == {"paper"}


def test_a_local_path_replaces_the_hub(config, tmp_path):
    changed = edit(config, ["models", "gemma-2-2b", "path"], str(tmp_path))
    study = load_study(changed)
    assert study.models["gemma-2-2b"].source == Source(path=str(tmp_path))
    assert len(study.runs) == 18


@pytest.mark.parametrize("folder", ["/scratch/me/results", "../results", "my results", "results/deep/er"])
def test_any_other_folder_will_do(config, folder):
    assert len(load_study(edit(config, ["results"], folder)).runs) == 18


@pytest.mark.parametrize(("precision", "compute"), [("float32",) * 2, ("bfloat16",) * 2, ("float32", "bfloat16")])
def test_a_whole_model_is_trained_in_each_precision_that_it_can_compute_in(config, precision, compute):
    entry = {"quantization": "none", "full": True, "baselines": ["base"], "training": {"precision": precision}}
    config = edit(edit(config, ["methods", "full"], entry), ["quantization", "compute_dtype"], compute)
    study = load_study(edit(config, ["runs"], [runs_of("codealpaca-20k", methods=["full"])]))
    plan = study.for_training(study.training_runs[0])
    assert (plan.tuning, plan.settings.precision, plan.quantization.type) == (FULL, precision, "none")


def test_weights_in_bf16_do_not_compute_in_fp32(config):
    entry = {"quantization": "none", "full": True, "baselines": ["base"], "training": {"precision": "bfloat16"}}
    config = edit(edit(config, ["methods", "full"], entry), ["quantization", "compute_dtype"], "float32")
    with pytest.raises(StudyError, match="full: a model whose weights are in bfloat16 cannot compute in float32"):
        load_study(edit(config, ["runs"], [runs_of("codealpaca-20k", methods=["full"])]))
