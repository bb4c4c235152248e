"""A list under a method's training: which trainings it stands for, and which lists are refused."""

import pytest
from codetune.base.errors import StudyError
from codetune.study.config import load_study
from codetune.study.runs import Run
from paper_config import edit, paper_config

TRAINING = ["methods", "qlora", "training"]


def searching(**training):
    """The paper's config with one tuned model and two seeds, whose training searches."""
    config = edit(paper_config(), ["runs", 0, "models"], ["gemma-2-2b"])
    return edit(edit(config, ["runs", 0, "seeds"], [0, 1]), TRAINING, training)


def test_a_list_is_one_training_per_value_for_each_seed():
    study = load_study(searching(learning_rate=[1e-4, 5e-4, 2e-4]))
    run, other = study.training_runs
    assert study.trials_of(run) == [Run("codealpaca-20k", "gemma-2-2b", f"qlora@{n}", 0) for n in (1, 2, 3)]
    assert study.trainings == study.trials_of(run) + study.trials_of(other)
    assert [study.for_training(one).settings.learning_rate for one in study.trainings] == [1e-4, 5e-4, 2e-4] * 2
    assert [study.for_training(one).seed for one in study.trainings] == [0] * 3 + [1] * 3
    assert [run.system.method for run in study.planned] == ["qlora@1", "qlora@2", "qlora@3"]
    assert run in study.runs
    assert not {*study.trainings} & {*study.runs}


def test_several_lists_are_their_product_and_what_is_no_list_holds_for_all():
    study = load_study(searching(learning_rate=[1e-4, 2e-4], epochs=[2, 4], weight_decay=0.1, patience=["none", 3]))
    combinations = [(rate, epochs, patience) for rate in (1e-4, 2e-4) for epochs in (2, 4) for patience in ("none", 3)]
    assert study.values_of("qlora") == {
        f"qlora@{number}": dict(zip(("learning_rate", "epochs", "patience"), values, strict=True))
        for number, values in enumerate(combinations, start=1)
    }
    plans = [study.for_training(trial) for trial in study.trials_of(study.training_runs[0])]
    assert [plan.settings.patience for plan in plans] == [None, 3] * 4
    assert {plan.settings.weight_decay for plan in plans} == {0.1}


def test_a_trial_has_the_template_and_the_data_of_its_run():
    config = edit(searching(learning_rate=[1e-4, 2e-4]), ["methods", "qlora", "prompt"], "chat")
    study = load_study(config)
    run, _ = study.training_runs
    for trial in study.trials_of(run):
        assert study.token_set_of(trial) == study.token_set_of(run)
        assert study.method_of(trial).baselines == study.method_of(run).baselines
    assert len(study.token_sets) == 1


def test_a_value_that_is_added_at_the_end_leaves_the_earlier_trainings_as_they_are():
    few, more = (load_study(searching(learning_rate=rates)) for rates in ([1e-4, 2e-4], [1e-4, 2e-4, 5e-4]))
    for study_run in few.training_runs:
        trials = few.trials_of(study_run)
        assert more.trials_of(study_run)[:2] == trials
        assert [more.for_training(trial) for trial in trials] == [few.for_training(trial) for trial in trials]


def test_a_method_without_a_list_has_no_trials():
    study = load_study(searching(learning_rate=1e-4))
    assert (study.trials, study.trials_of(study.training_runs[0])) == ({}, [])
    assert study.trainings == study.training_runs


def test_a_list_of_peft_s_own_is_no_search():
    modules = load_study(searching(learning_rate=1e-4)).methods["qlora"].tuning.peft["target_modules"]
    assert len(modules) == 7


AT = "config: methods.qlora.training"
REFUSED = [
    ({"learning_rate": []}, f"{AT}.learning_rate: [] is empty"),
    ({"learning_rate": [2e-4, 0.0002]}, "lists the same entry twice"),
    ({"epochs": [1, 1.0]}, "lists the same entry twice"),
    ({"learning_rate": [1e-4, "2e-4"]}, f'{AT}.learning_rate[1]: "2e-4" is not of type number; write 0.0002'),
    ({"learning_rate": [1e-4, None]}, f"{AT}.learning_rate[1]: null is not of type number"),
    ({"learning_rate": [1e-4, [2e-4]]}, f"{AT}.learning_rate[1]: [0.0002] is not of type number"),
    ({"learning_rate": [1e-4, 11]}, f"{AT}.learning_rate[1]: 11 is above 10"),
    ({"learning_rate": {"from": 1}}, f'{AT}.learning_rate: {{"from": 1}} is not of type number'),
    ({"optimizer": ["adamw", "sgd"]}, f'{AT}.optimizer[1]: "sgd" is not one of adamw, adafactor, adamw_8bit'),
    ({"packing": [True, 1]}, f"{AT}.packing[1]: 1 is not of type boolean"),
    ({"patience": [2, "never"]}, f'{AT}.patience[1]: "never" is not a number of evaluations'),
    ({"learning_rates": [1e-4]}, f"{AT}: 'learning_rates' is unknown; did you mean 'learning_rate'?"),
    ({"batch_size": [128, 5]}, "models.gemma-2-2b: batch_size 5 is not a multiple of micro_batch 2 (method qlora)"),
    ({"warmup_steps": [*range(6000)]}, "12,000 trainings are more than 10,000"),
    (
        {"warmup_steps": [*range(500)], "epochs": [*range(1, 500)], "weight_decay": [*range(50)]},
        f"{AT}: its lists have 12,475,000 combinations",
    ),
]


@pytest.mark.parametrize(("training", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_a_list_that_cannot_be_searched_gives_one_line(training, said):
    with pytest.raises(StudyError) as error:
        load_study(searching(**training))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("place", "values"),
    [
        (["training", "learning_rate"], [1e-4, 2e-4]),
        (["training", "optimizer"], ["adamw", "adafactor"]),
        (["models", "gemma-2-2b", "training"], {"learning_rate": [1e-4, 2e-4]}),
        (["models", "gemma-2-2b", "epochs"], [1, 2]),
        (["methods", "qlora", "peft", "r"], [8, 16]),
        (["methods", "qlora", "peft", "use_dora"], [True, False]),
    ],
    ids=str,
)
def test_a_list_elsewhere_is_refused_with_the_place_where_it_may_stand(place, values):
    with pytest.raises(StudyError, match="a list of values to search may stand only under a method's training"):
        load_study(edit(paper_config(), place, values))


def test_no_name_in_a_config_can_be_that_of_a_trial():
    config = paper_config()
    with pytest.raises(StudyError, match="methods"):
        load_study(edit(config, ["methods", "qlora@1"], config["methods"]["qlora"]))
    with pytest.raises(StudyError, match=r"'qlora@1' is unknown; did you mean 'qlora'\?"):
        load_study(edit(searching(learning_rate=[1e-4, 2e-4]), ["runs", 0, "methods"], ["base", "qlora@1"]))
