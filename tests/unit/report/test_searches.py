"""What `make check-results` sees of a search: its trials, and that the best of them is the run's."""

import shutil
from pathlib import Path

import pytest
from codetune.base.files import read_json, write_json
from codetune.report import checking
from codetune.report.checking import check_results
from codetune.study.record import read_record
from finished_study import DATA, finish_study_in, finished_config

RUN, FIRST, SECOND, LAST = (f"results/runs/{DATA}/mine/qlora{n}/seed0" for n in ("", "@1", "@2", "@3"))
SEARCHED = {"learning_rate": [1e-4, 2e-4, 9.0]}


def searching():
    """The finished study with one tuned model, whose learning rate is searched; the last trial diverged."""
    config = finished_config()
    config["models"] = {"mine": config["models"]["mine"]}
    runs = {"datasets": [DATA], "models": ["mine"], "seeds": [0]}
    config["runs"] = [runs | {"methods": ["base"]}, runs | {"methods": ["qlora"]}]
    config["methods"]["qlora"] |= {"training": SEARCHED, "baselines": ["base"]}
    return config


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finish_study_in(tmp_path_factory.mktemp("searched"), searching())


@pytest.fixture
def study(finished, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def problems(study, monkeypatch):
    """Returns what the check finds in all that has to do with a search."""
    perform = checking._perform

    def concerned(task):
        paths = {*task.needs, *task.files.values()}
        return [
            path for path in paths if "@" in path or path.startswith(f"{RUN}/search") or path == f"{RUN}/record.json"
        ]

    monkeypatch.setattr(checking, "_perform", lambda task, *about: perform(task, *about) if concerned(task) else [])
    return lambda: check_results(searching()).problems


def edit(path, *keys, value):
    document = place = read_json(path)
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    write_json(path, document)


def test_a_finished_search_passes_and_its_record_has_the_trials_and_the_chosen_training(study):
    findings = check_results(searching())
    assert (findings.problems, findings.notes) == ([], [])
    record = read_record(f"{RUN}/record.json")
    assert record.method.training == SEARCHED
    assert record.training.plan.settings.learning_rate == 1e-4
    assert [trial.method for trial in record.search.trials] == ["qlora@1", "qlora@2", "qlora@3"]
    assert record.search.chosen == "qlora@1"
    assert "learning_rate 0.0001" in Path("results/tables/table1.md").read_text()


CHANGES = {
    "another trial is said to be chosen": lambda: edit(f"{RUN}/search.json", "chosen", value="qlora@2"),
    "a trial of that name is not there": lambda: edit(f"{RUN}/search.json", "chosen", value="qlora@9"),
    "a trial's loss": lambda: edit(f"{RUN}/search.json", "trials", 1, "best_validation_loss", value=0.1),
    "a trial's own loss": lambda: edit(f"{SECOND}/training.json", "result", "best_validation_loss", value=0.1),
    "a trial's learning rate": lambda: edit(f"{SECOND}/training.json", "plan", "settings", "learning_rate", value=1.0),
    "that of one that diverged": lambda: edit(f"{LAST}/training.json", "plan", "settings", "learning_rate", value=1.0),
    "a trial's data": lambda: edit(f"{SECOND}/training.json", "inputs_sha256", "train", value="0" * 64),
    "the training is another trial's": lambda: shutil.copy(f"{SECOND}/training.json", f"{RUN}/training.json"),
    "a trial's log": lambda: (
        shutil.copy(f"{RUN}/training_log.jsonl", f"{LAST}/training_log.jsonl")
        and edit(f"{SECOND}/training.json", "result", "steps", value=1)
    ),
    "a trial's weights": lambda: edit(f"{SECOND}/training.json", "tuned_sha256", value="0" * 64),
    "weights of one that diverged": lambda: shutil.copytree(f"{FIRST}/tuned", f"{LAST}/tuned", dirs_exist_ok=True),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_search_that_was_changed_does_not_pass(problems, kind):
    CHANGES[kind]()
    found = problems()
    assert found
    assert all("\n" not in line for line in found)
    assert not [line for line in found if "Traceback" in line]


def test_trials_of_values_that_the_config_no_longer_has_are_told(study):
    config = searching()
    config["methods"]["qlora"]["training"] = {"learning_rate": [1e-4, 2e-4]}
    findings = check_results(config)
    assert f"{LAST}/training.json: of no run of this config" in findings.notes
