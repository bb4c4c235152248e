"""What all jobs of a study are doing, from their files alone."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from codetune.base.locks import lock_of
from codetune.report.watch import QUIET, State, as_line, headline, look
from codetune.report.watch_table import picture
from codetune.study.config import load_study
from codetune.study.stages import Job, jobs_of
from conftest import ROOT
from finished_study import finish_study_in, finished_config
from lock_holders import lock_holders
from rich.console import Console

STEP = (
    "step 4/16: epoch 0.25, loss 0.81 [4 minutes so far, at most 11 minutes left, 900 tokens/s, 9.1 GiB of GPU memory]"
)


@pytest.fixture
def study(tmp_path):
    """Two jobs after one another, neither of which has begun; returns the jobs and a function that looks at them."""
    first, second = tmp_path / "results/first", tmp_path / "results/second"
    jobs = [
        Job("finetune", "mine qlora", str(first), str(tmp_path / "results/logs/first.log"), on_gpu=True),
        Job("score", "mine qlora", str(second), str(tmp_path / "results/logs/second.log"), (str(first),)),
    ]
    (tmp_path / "results/logs").mkdir(parents=True)
    return jobs, lambda: look(jobs, [str(tmp_path / "results")])


def write(path, *lines, ago=0.0):
    path = Path(path)
    path.write_text("".join(f"{line}\n" for line in lines))
    os.utime(path, (time.time() - ago,) * 2)


def states(sight):
    return [seen.state for seen in sight.jobs]


def shown(sight, width=140, height=30):
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(picture(sight, width, height))
    return captured.get()


def test_what_has_not_begun_waits_for_its_turn_or_for_another(study):
    sight = study[1]()
    assert states(sight) == [State.READY, State.WAITING]
    assert [seen.why for seen in sight.jobs] == ["for its turn, or a GPU", "for finetune"]
    assert headline(sight) == "0 of 2 jobs done, 1 ready, 1 waiting. Nothing has begun yet"


def test_a_job_that_holds_its_lock_runs_and_its_log_says_how_far_it_is(study, tmp_path):
    jobs, looking = study
    write(jobs[0].log, "GPUs of this job: GPU-1", STEP)
    with lock_holders(lock_of(jobs[0].output, [str(tmp_path / "results")]), tmp_path) as start:
        start()
        sight = looking()
    assert states(sight) == [State.RUNNING, State.WAITING]
    assert sight.jobs[1].why == "for finetune (running)"
    line = as_line(sight.jobs[0], sight.now)
    assert line[6:] == "finetune mine qlora: training, 25%, loss 0.81, 900 tokens/s, 9.1 GiB, 11 minutes left"
    text = shown(sight)
    for part in ("25%", "0.81", "900 tokens/s", "11 minutes", "9.1 GiB", "GPU-1", "1 running, 1 waiting"):
        assert part in text
    assert states(looking()) == [State.STOPPED, State.WAITING]  # as soon as the process is gone


@pytest.mark.parametrize(
    ("last", "state", "why"),
    [
        ("error: the disk is full", State.FAILED, "the disk is full"),
        (
            "error: stopped by SIGINT. The same command resumes",
            State.STOPPED,
            "stopped by SIGINT. The same command resumes",
        ),
        (STEP, State.STOPPED, "ended without a word, as if killed"),
        ("done in 3.0 s", State.READY, "for its turn, or a GPU"),  # its outputs were deleted since
    ],
)
def test_a_job_that_nobody_holds_any_more_failed_or_was_stopped(study, last, state, why):
    jobs, looking = study
    write(jobs[0].log, "unfinished work is kept", last, ago=3 * QUIET)
    sight = looking()
    assert (sight.jobs[0].state, sight.jobs[0].why) == (state, why)
    assert not sight.is_at_work
    assert "No job has run since" in headline(sight)


def test_between_two_jobs_the_study_is_at_work(study):
    jobs, looking = study
    write(jobs[0].output, "done", ago=5)
    assert states(looking()) == [State.DONE, State.READY]
    assert looking().is_at_work
    write(jobs[0].output, "done", ago=2 * QUIET)
    assert not looking().is_at_work


def test_what_runs_and_what_failed_comes_first_and_what_has_no_room_is_counted(study):
    jobs, looking = study
    write(jobs[0].output, "done")
    write(jobs[1].log, "error: no [bold]room[/bold]")
    text = shown(looking(), height=7)
    assert "no [bold]room[/bold]" in text
    assert "not shown: 1 done" in text
    assert all(len(line) <= 60 for line in shown(looking(), width=60).splitlines())


def test_a_finished_study_says_so_and_since_when_and_a_script_ends_with_its_state(tmp_path):
    config = finished_config()
    finish_study_in(tmp_path, config)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, str(ROOT / "workflow/scripts/watch.py"), "study.yaml"]
    jobs = jobs_of(load_study(config), config["results"], config["resources"])
    for job in jobs:  # those of which the finished study has but a part
        path = tmp_path / job.output
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"finished: all {len(jobs)} jobs are done, the last one since" in done.stdout
    (tmp_path / jobs[-1].output).unlink()
    os.utime(tmp_path / jobs[0].output)
    gone = subprocess.run([*command, "--once"], cwd=tmp_path, capture_output=True, text=True)
    assert gone.returncode == 1
    assert f"{len(jobs) - 1} of {len(jobs)} jobs done, 1 ready" in gone.stdout


def test_a_config_that_is_not_there_gives_one_line(tmp_path):
    command = [sys.executable, str(ROOT / "workflow/scripts/watch.py"), "missing.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
