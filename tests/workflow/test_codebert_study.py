"""The plan of CodeBERT as a trained row beside the paper's study: it waits for a commit, and adds one training."""

import pytest
import yaml
from codetune.study.config import load_study
from codetune.study.unpinned import TO_BE_FILLED_IN
from conftest import ROOT
from small_study import copy_workflow, plan, planned, snakemake
from snakemake.utils import update_config

OVERLAY = ("--configfile", "config/studies/codebert.yaml")


def read(name):
    return yaml.safe_load((ROOT / "config" / name).read_text())


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return copy_workflow(tmp_path_factory.mktemp("codebert"))


@pytest.fixture(scope="module")
def filled_in(tmp_path_factory):
    folder = copy_workflow(tmp_path_factory.mktemp("codebert"))
    path = folder / OVERLAY[1]
    text = path.read_text()
    assert text.count(TO_BE_FILLED_IN) == 1
    path.write_text(text.replace(TO_BE_FILLED_IN, "a" * 40))
    return folder


def test_until_its_commit_is_known_the_paper_s_study_is_planned_as_it_is(project):
    done = snakemake("-n", "--cores", "all", *OVERLAY, cwd=project)
    text = done.stdout + done.stderr
    assert planned(done) == plan(cwd=project)
    (line,) = [line for line in text.splitlines() if line.startswith("config: models.codebert.")]
    assert line.startswith("config: models.codebert.revision: to-be-filled-in. Until then 1 run is left out (full)")


def test_with_its_commit_one_run_is_planned_beside_those_of_the_paper(filled_in):
    jobs = plan(*OVERLAY, cwd=filled_in) - plan(cwd=filled_in)
    tested = ("prompt", "generate", "score")  # on CodeAlpaca-20k and HumanEval
    trained = ("download_model", "download_tokenizer", "tokenize", "finetune", "curve", "score_curve", "record")
    assert {rule: jobs[rule] for rule in tested} == dict.fromkeys(tested, 2)
    assert {rule: jobs[rule] for rule in trained} == dict.fromkeys(trained, 1)
    assert (jobs["execute"], jobs["publish"]) == (1, 1)


def test_the_row_alone_is_planned_by_its_name(filled_in):
    jobs = plan("codebert", *OVERLAY, cwd=filled_in)
    assert (jobs["finetune"], jobs["record"], jobs["download_model"], jobs["table"]) == (1, 1, 1, 0)


def test_the_overlay_has_all_runs_of_the_paper_s_study_and_trains_as_codexglue_does():
    config, overlay = read("config.yaml"), read("studies/codebert.yaml")
    assert overlay["runs"][:-1] == config["runs"]
    update_config(config, overlay)
    config["models"]["codebert"]["revision"] = "0" * 40
    study = load_study(config)
    (run,) = [run for run in study.training_runs if run.model == "codebert"]
    settings, tuning = study.for_training(run).settings, study.for_training(run).tuning
    assert tuning.kind == "full"
    assert (settings.learning_rate, settings.optimizer, settings.batch_size, settings.epochs) == (5e-5, "adamw", 32, 10)
    assert (settings.schedule, settings.warmup_steps, settings.weight_decay) == ("linear", 0.1, 0.0)
    assert study.methods["full"].baselines == []
