"""Rule choose: of the trials of a search, which becomes the run's training, and what is told of the others."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from codetune.base.errors import StudyError
from codetune.base.files import write_json
from codetune.base.manifests import checked_folder, read_manifest, write_manifest
from codetune.base.plain import read_as, to_plain
from codetune.study.facts import TrainingFacts
from codetune.study.search import DivergedFacts, SearchFacts
from codetune.training.choose import TrialFiles, choose
from codetune.training.finetune import finetune
from codetune.training.validation import Validation
from conftest import ROOT
from fake_records import fake_method, fake_model, fake_plan, fake_training
from jsonschema import Draft202012Validator
from test_finetune import inputs, outputs_in, plan  # noqa: F401 (fixtures)

NAMES = ("tuned/manifest.json", "checkpoints/manifest.json", "training_log.jsonl", "training.json")
SCHEMA = json.loads((ROOT / "workflow/schemas/search.schema.json").read_text())


def files_in(folder):
    return TrialFiles(*(str(folder / name) for name in NAMES))


def a_trial(folder, loss):
    """What a training with this lowest validation loss leaves; None: one that diverged."""
    for name in ("tuned", "checkpoints/step-000050", "checkpoints/step-000100"):
        (folder / name).mkdir(parents=True)
        if loss is not None:
            (folder / name / "adapter_model.safetensors").write_text(f"{loss} of {folder.name} in {name}")
    write_manifest(folder / "tuned")
    write_manifest(folder / "checkpoints")
    (folder / "training_log.jsonl").write_text(f'{{"step": 100, "eval_loss": {json.dumps(loss)}}}\n')
    facts = fake_training(fake_plan(fake_model("llama"), fake_method("lora")))
    found = replace(facts, result=replace(facts.result, best_validation_loss=loss or 0.0))
    facts = DivergedFacts(facts.plan, facts.inputs_sha256, "the training diverged", 7, 12.5) if loss is None else found
    write_json(folder / "training.json", to_plain(facts))
    return files_in(folder)


def chosen_of(folder, *losses):
    """Chooses among trials with these losses; gives the facts."""
    trials = {f"lora@{n}": {"learning_rate": n / 1000} for n in range(1, len(losses) + 1)}
    found = [a_trial(folder / name, loss) for name, loss in zip(trials, losses, strict=True)]
    choose(trials, found, files_in(folder / "lora"), str(folder / "lora/search.json"))
    Draft202012Validator(SCHEMA).validate(json.loads((folder / "lora/search.json").read_text()))
    return read_as(folder / "lora/search.json", SearchFacts)


CASES = [
    ((1.5, 0.5, 0.9), "lora@2"),
    ((0.5, 0.5, 0.9), "lora@1"),
    ((None, 0.9, None), "lora@2"),
    ((0.9, 0.0), "lora@2"),
    ((3.0,), "lora@1"),
]


@pytest.mark.parametrize(("losses", "chosen"), CASES, ids=str)
def test_the_lowest_finite_loss_is_chosen_and_the_first_of_equal_ones(tmp_path, losses, chosen):
    facts = chosen_of(tmp_path, *losses)
    assert facts.chosen == chosen
    assert [trial.best_validation_loss for trial in facts.trials] == list(losses)
    assert facts.searched == {"learning_rate": [trial.values["learning_rate"] for trial in facts.trials]}
    assert facts.seconds == sum(trial.seconds for trial in facts.trials)
    for trial in facts.trials:
        assert (trial.best_step is None) == (trial.best_validation_loss is None)


def test_the_run_has_the_files_of_the_chosen_trial_as_links(tmp_path):
    chosen_of(tmp_path, 0.9, 0.5)
    trial, run = tmp_path / "lora@2", tmp_path / "lora"
    for name in NAMES:
        assert (run / name).read_bytes() == (trial / name).read_bytes()
        assert not (run / name).samefile(trial / name)  # what Snakemake touches is the run's own
    for name in ("tuned", "checkpoints"):
        files = read_manifest(run / name / "manifest.json").files
        assert files
        assert all((run / name / file).samefile(trial / name / file) for file in files)
        checked_folder(run / name / "manifest.json")
        checked_folder(trial / name / "manifest.json")


def test_a_second_choice_replaces_the_first_and_leaves_the_trials_as_they_are(tmp_path):
    chosen_of(tmp_path, 0.9, 0.5)
    (tmp_path / "lora@2" / "tuned" / "adapter_model.safetensors").with_name("more").write_text("x")
    write_manifest(tmp_path / "lora@2" / "tuned")
    found = {f"lora@{n}": {"learning_rate": n} for n in (1, 2)}
    for trials in ({"lora@1": found["lora@1"]}, found):
        choose(
            trials,
            [files_in(tmp_path / name) for name in trials],
            files_in(tmp_path / "lora"),
            str(tmp_path / "lora/search.json"),
        )
        for folder in ("lora", *trials):
            checked_folder(tmp_path / folder / "tuned" / "manifest.json")
            checked_folder(tmp_path / folder / "checkpoints" / "manifest.json")
    assert (tmp_path / "lora/tuned/more").exists()


def test_if_all_diverge_there_is_no_result(tmp_path):
    with pytest.raises(StudyError, match="all 2 trials diverged: no validation loss is a number") as said:
        chosen_of(tmp_path, None, None)
    assert "\n" not in str(said.value)
    assert not (tmp_path / "lora").exists()


def test_a_chosen_trial_whose_files_changed_is_refused(tmp_path):
    trials = {"lora@1": {"learning_rate": 1}}
    files = a_trial(tmp_path / "lora@1", 0.5)
    (tmp_path / "lora@1/checkpoints/step-000100/adapter_model.safetensors").unlink()
    with pytest.raises(StudyError, match="step-000100/adapter_model.safetensors is missing"):
        choose(trials, [files], files_in(tmp_path / "lora"), str(tmp_path / "lora/search.json"))
    assert not (tmp_path / "lora/tuned").exists()
    assert not (tmp_path / "lora/search.json").exists()


@pytest.mark.parametrize("damaged", ["", "[]", "{}", '{"diverged": 1}', '{"diverged": "yes"}'])
def test_a_damaged_training_json_is_one_line(tmp_path, damaged):
    files = a_trial(tmp_path / "lora@1", 0.5)
    Path(files.facts).write_text(damaged)
    with pytest.raises(StudyError, match="lora@1/training.json") as said:
        choose({"lora@1": {}}, [files], files_in(tmp_path / "lora"), str(tmp_path / "lora/search.json"))
    assert "\n" not in str(said.value)


def test_a_trial_that_diverges_says_so_where_another_training_ends_with_an_error(inputs, plan, tmp_path, monkeypatch):  # noqa: F811
    """Beside one that goes well it is no more than a line of the search."""
    good, bad = tmp_path / "lora@1", tmp_path / "lora@2"
    finetune(inputs, outputs_in(good), plan, "code", is_trial=True)
    undefined = {"eval_loss": math.nan, "eval_bits_per_byte": math.nan}
    monkeypatch.setattr(Validation, "measure", lambda *_: undefined)
    with pytest.raises(StudyError, match="the training diverged"):
        finetune(inputs, outputs_in(bad), plan, "code")
    finetune(inputs, outputs_in(bad), plan, "code", is_trial=True)  # takes up what the other left
    facts = read_as(bad / "training.json", DivergedFacts)
    assert (facts.plan, facts.steps) == (plan, 6)
    assert facts.inputs_sha256 == read_as(good / "training.json", TrainingFacts).inputs_sha256
    assert sorted(path.name for path in bad.iterdir()) == [Path(name).parts[0] for name in sorted(NAMES)]
    assert [checked_folder(bad / name) for name in NAMES[:2]] == [bad / "tuned", bad / "checkpoints"]
    trials = {name: {"learning_rate": 1e-3} for name in ("lora@1", "lora@2")}
    choose(trials, [files_in(good), files_in(bad)], files_in(tmp_path / "lora"), str(tmp_path / "search.json"))
    found = read_as(tmp_path / "search.json", SearchFacts)
    assert found.chosen == "lora@1"
    assert found.trials[1].problem == facts.diverged
