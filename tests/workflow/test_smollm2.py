"""The plans of the studies of SmolLM2, before and after what they need is made."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from small_study import copy_workflow, plan, snakemake

OVERLAYS = ["config/smollm2.yaml", "config/smollm2-real.yaml", "config/smollm2-all.yaml"]


@pytest.fixture
def project(tmp_path):
    """A fresh copy of the workflow, in which nothing was made."""
    return copy_workflow(tmp_path)


def make(project):
    """Puts something in the place of the data and the model: a plan reads neither."""
    made = project / "build" / "smollm2"
    (made / "model").mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (made / "model" / name).write_text("{}")
    for name in ("samples.json", "code_alpaca_20k.json"):
        (made / name).write_text("[]")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_study_is_one_model_untuned_and_tuned_in_two_templates_and_a_retrieval(count, project):
    make(project)
    jobs = plan("--configfile", *OVERLAYS[:count], cwd=project)
    assert (jobs["finetune"], jobs["curve"], jobs["publish"]) == (2, 2, 2)
    assert (jobs["generate"], jobs["retrieve"], jobs["score"], jobs["record"]) == (4, 1, 5, 5)
    assert (jobs["tokenize"], jobs["prompt"]) == (2, 2)  # one per template
    assert jobs["download_model"] == jobs["download_tokenizer"] == jobs["download_dataset"] == 1
    assert jobs["card"] == 1


def test_three_open_choices_are_run_beside_the_default_on_real_data(project):
    make(project)
    jobs = plan("--configfile", *OVERLAYS[:2], "config/smollm2-variants.yaml", cwd=project)
    assert (jobs["finetune"], jobs["curve"], jobs["generate"], jobs["record"]) == (4, 4, 6, 6)
    assert (jobs["tokenize"], jobs["prompt"], jobs["table"]) == (2, 2, 8)


EXAMPLES = ["config/smollm2.yaml", "config/datasets.yaml", "config/smollm2-examples.yaml"]


def make_conala(project):
    (project / "build" / "smollm2" / "conala").mkdir()
    for part in ("train", "test"):
        (project / "build" / "smollm2" / "conala" / f"conala-{part}.json").write_text("[]")


def test_a_study_of_other_models_is_run_by_its_four_methods_with_one_rate_each(project):
    make(project)
    make_conala(project)
    overlays = ["datasets.yaml", "studies/peft-methods.yaml", "smollm2-peft-methods.yaml"]
    jobs = plan("--configfile", *(f"config/{name}" for name in overlays), cwd=project)
    assert (jobs["finetune"], jobs["generate"], jobs["record"], jobs["answers"]) == (4, 5, 5, 1)
    assert "choose" not in jobs
    assert jobs["download_model"] == jobs["download_dataset"] == 1


def make_resplit(project):
    (project / "build" / "smollm2" / "conala-resplit").mkdir()
    for part in ("train", "dev", "test"):
        (project / "build" / "smollm2" / "conala-resplit" / f"cmd_{part}.oracle_man.full.json").write_text("[]")


def test_tuning_and_examples_are_compared_as_another_study_does_but_for_two_questions(project):
    make(project)
    make_resplit(project)
    overlays = ["datasets.yaml", "studies/peft-or-icl.yaml", "smollm2-peft-or-icl.yaml"]
    jobs = plan("--configfile", *(f"config/{name}" for name in overlays), cwd=project)
    assert (jobs["finetune"], jobs["record"], jobs["answers"], jobs["join"]) == (7, 11, 1, 1)


def test_retrieved_examples_by_a_real_encoder_and_by_words_are_compared_with_random_ones_and_tuning(project):
    make(project)
    make_resplit(project)
    (project / "build" / "smollm2" / "encoder").mkdir()
    overlays = ["datasets.yaml", "studies/rag-and-execution.yaml", "smollm2-rag-and-execution.yaml"]
    jobs = plan("--configfile", *(f"config/{name}" for name in overlays), cwd=project)
    assert (jobs["finetune"], jobs["generate"], jobs["record"], jobs["answers"]) == (1, 7, 8, 1)
    assert (jobs["embed"], jobs["download_encoder"], jobs["download_dataset"]) == (2, 1, 1)


def test_examples_are_compared_with_tuning_on_one_data_set_and_on_two(project):
    make(project)
    make_conala(project)
    jobs = plan("--configfile", *EXAMPLES, cwd=project)
    assert (jobs["finetune"], jobs["join"], jobs["leaks"]) == (2, 1, 2)
    assert (jobs["examples"], jobs["generate"], jobs["retrieve"], jobs["record"]) == (7, 10, 1, 11)


MISSING = [
    (OVERLAYS[:1], "samples.json", "make smollm2`"),
    (OVERLAYS[:1], "model", "make smollm2`"),
    (OVERLAYS[:2], "code_alpaca_20k.json", "make smollm2 DATA=path/to/code_alpaca_20k.json`"),
    (OVERLAYS[:3], "code_alpaca_20k.json", "make smollm2 DATA=path/to/code_alpaca_20k.json`"),
]


@pytest.mark.parametrize(("overlays", "missing", "command"), MISSING)
def test_what_is_not_made_yet_is_one_line_with_the_command_that_makes_it(overlays, missing, command, project):
    make(project)
    (project / "build/smollm2" / missing).rename(project / "elsewhere")
    done = snakemake("-n", "--cores", "1", "--configfile", *overlays, cwd=project)
    assert done.returncode == 1
    assert f"there is no build/smollm2/{missing} (seen from {project}). Run `{command}." in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def run_make(*asked: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run make as from a shell: under `make test`, a make within a make would say which folder it enters."""
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(["make", *asked], cwd=cwd, env=env, capture_output=True, text=True, check=False)


# Where the data set lies in the project's folder; the second is where make puts its link.
PLACES = ["my data/code alpaca's.json", "build/smollm2/code_alpaca_20k.json"]


@pytest.mark.parametrize("data", PLACES)
def test_make_links_to_the_data_wherever_they_lie_and_again_by_the_link_itself(data, project):
    for made in ("bin/python", "bin/snakemake", ".venv/.installed", data):
        (project / made).parent.mkdir(parents=True, exist_ok=True)
        (project / made).write_text("#!/bin/sh\n")
        (project / made).chmod(0o755)
    shutil.copy(ROOT / "Makefile", project)
    (project / "requirements.lock").touch()
    (project / ".venv/.installed").touch()
    (project / "build/smollm2").mkdir(parents=True, exist_ok=True)
    for given in (data, project / data, "build/smollm2/code_alpaca_20k.json"):
        done = run_make("smollm2", f"DATA={given}", "BIN=bin", cwd=project)
        assert done.returncode == 0, done.stderr
        assert (project / "build/smollm2/code_alpaca_20k.json").samefile(project / data)


@pytest.mark.parametrize(
    ("asked", "missing"),
    [
        (["smollm2-methods"], "error: give the data set: make smollm2-methods DATA=path/to/code_alpaca_20k.json"),
        (["smollm2", "DATA=nowhere.json"], "error: give the data set: make smollm2 DATA=path/to/code_alpaca_20k.json"),
        (["smollm2-rag-and-execution"], "error: give CoNaLa: CONALA=path/to/folder, with DocPrompting's cmd_train."),
        (["smollm2-peft-methods", "CONALA=."], "error: give CoNaLa: CONALA=path/to/folder, with conala-train.json"),
    ],
)
def test_make_says_what_is_not_given_before_it_installs_anything(asked, missing, tmp_path):
    for name in ("Makefile", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    done = run_make(*asked, "PYTHON=no-python", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout.startswith(missing)
    assert "no-python" not in done.stdout + done.stderr
