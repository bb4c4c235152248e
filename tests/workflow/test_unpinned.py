"""The plan of a study of which one model's commit is still to be filled in."""

import json

import pytest
from codetune.study.unpinned import TO_BE_FILLED_IN
from small_study import copy_workflow, planned, snakemake

WAITING = "config: models.gemma-2-2b.revision: to-be-filled-in. Until then 3 runs are left out"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = copy_workflow(tmp_path_factory.mktemp("unpinned"))
    (folder / "mine.yaml").write_text(json.dumps({"models": {"gemma-2-2b": {"revision": TO_BE_FILLED_IN}}}))
    return folder


def ask(project, *targets):
    return snakemake("-n", "--cores", "1", "--configfile", "mine.yaml", "--", *targets, cwd=project)


def test_all_other_runs_are_planned_and_one_line_says_which_wait(project):
    done = ask(project)
    jobs, text = planned(done), done.stdout + done.stderr
    assert (jobs["finetune"], jobs["download_model"], jobs["record"]) == (4, 5, 15)
    assert [line.startswith(WAITING) for line in text.splitlines() if "gemma-2-2b" in line] == [True]


@pytest.mark.parametrize("targets", [["gemma-2-2b"], ["gemma-2-2b", "qwen2.5-3b"]])
def test_who_asks_for_what_is_left_out_is_refused_in_one_line(targets, project):
    done = ask(project, *targets)
    text = done.stdout + done.stderr
    assert done.returncode == 1
    (line,) = [line for line in text.splitlines() if "error" in line.lower()]
    assert line.startswith("error: all runs of gemma-2-2b wait for models.gemma-2-2b.revision.")
    assert "Traceback" not in text


def test_what_else_is_asked_for_is_planned(project):
    assert planned(ask(project, "qwen2.5-3b"))["finetune"] == 1
