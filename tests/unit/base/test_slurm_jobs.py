"""What a job asks SLURM about itself, and what is asked after a failure, with stand-ins for SLURM's commands."""

from pathlib import Path

import pytest
from codetune.base.errors import StudyError
from codetune.base.slurm import constraint_for, explain_failure, is_listed, put_back_if_preempted
from slurm_answers import make_cluster


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    return make_cluster(tmp_path, monkeypatch)


AT = "2026-11-26T06:06:29"
LATER = "2026-11-26T06:06:59"
ENDS = {  # what `scontrol show job` printed inside a job at SIGTERM, and whether the job has to put itself back
    "preempted, in the time of grace": (
        f"JobState=RUNNING Reason=None Requeue=1 Restarts=0 EndTime={LATER} PreemptEligibleTime={AT} PreemptTime={AT}",
        True,
    ),
    "preempted again": (
        f"JobState=RUNNING Reason=None Requeue=1 Restarts=1 EndTime={LATER} PreemptEligibleTime={AT} PreemptTime={AT}",
        True,
    ),
    "ended by PreemptMode=CANCEL": (
        f"JobState=COMPLETING Reason=None Requeue=1 Restarts=0 EndTime={AT} PreemptEligibleTime={AT} PreemptTime={AT}",
        True,
    ),
    "requeued by SLURM": (f"JobState=COMPLETING Reason=None Requeue=1 Restarts=1 EndTime={AT}", False),
    "cancelled": (
        f"JobState=COMPLETING Reason=None Requeue=1 Restarts=0 EndTime={AT} PreemptEligibleTime={AT} PreemptTime=None",
        False,
    ),
    "cancelled in the time of grace": (
        f"JobState=COMPLETING Reason=None Requeue=1 Restarts=0 EndTime={LATER} PreemptTime={AT}",
        False,
    ),
    "at its time limit": (f"JobState=COMPLETING Reason=TimeLimit Requeue=1 EndTime={AT} PreemptTime=None", False),
    "signalled by somebody": (f"JobState=RUNNING Reason=None Requeue=1 EndTime={LATER} PreemptTime=None", False),
    "of which nothing can be known": (None, False),
}


@pytest.mark.parametrize("case", ENDS)
def test_a_job_puts_itself_back_just_where_it_would_be_lost(cluster, monkeypatch, capsys, case):
    facts, back = ENDS[case]
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    cluster.answers(**{"scontrol_show_job_--oneliner_12": facts, "scontrol_requeue": ""})
    put_back_if_preempted()
    assert ("scontrol requeue 12" in cluster.calls()) == back
    assert ("SLURM job 12 is back in the queue" in capsys.readouterr().out) == back


def test_a_job_that_may_not_be_requeued_just_ends(cluster, monkeypatch, capsys):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    facts = ENDS["preempted, in the time of grace"][0].replace("Requeue=1", "Requeue=0")
    cluster.answers(**{"scontrol_show_job": facts, "scontrol_requeue": None})
    put_back_if_preempted()
    assert capsys.readouterr().out == ""


def test_outside_slurm_nothing_is_asked(cluster):
    put_back_if_preempted()
    assert cluster.calls() == []


@pytest.mark.parametrize(("answer", "listed"), [("RUNNING\n", True), ("", False), (None, None)])
def test_whether_a_job_is_listed(cluster, answer, listed):
    cluster.answers(squeue=answer)
    assert is_listed("12") is listed


FAILED = "SLURM-job '12' failed, SLURM status is: 'FAILED'. "


def test_a_job_killed_for_memory_is_named(cluster, tmp_path):
    log = tmp_path / "12.log"
    log.write_text(
        "slurmstepd-c1: error: Detected 1 oom-kill event(s) in StepId=12.0. Some of your processes may have been "
        "killed by the cgroup out-of-memory handler.\n"
    )
    cluster.answers(scontrol_show_job="JobId=12 JobState=FAILED Reason=NonZeroExitCode MinMemoryNode=200M")
    reason = explain_failure(FAILED, ["results/logs/finetune/x.log", str(log)])
    assert reason.startswith("SLURM job 12 ran out of memory: 200M did not suffice. Raise 'mem_mb'")


def test_a_node_that_does_not_see_the_folder_is_named(cluster, tmp_path):
    cluster.answers(scontrol_show_job="JobId=12 JobState=FAILED Reason=JobLaunchFailure NodeList=g1 BatchHost=g1")
    reason = explain_failure(FAILED, ["x.log", str(tmp_path / "none.log")])
    assert f"could not start on node g1, which does not see {Path.cwd()}" in reason
    assert '"--exclude=g1"' in reason
    log = tmp_path / "12.log"
    log.write_text("slurmstepd-g1: error: couldn't chdir to '/a/b': No such file or directory: going to /tmp instead\n")
    assert "does not see /a/b" in explain_failure(FAILED, ["x.log", str(log)])


def test_other_failures_are_left_to_their_logs(cluster, tmp_path):
    log = tmp_path / "12.log"
    log.write_text("error: the training diverged\n")
    assert explain_failure(FAILED, ["x.log", str(log)]) is None
    assert explain_failure("", ["x.log"]) is None
    assert explain_failure(FAILED, []) is None
    assert cluster.calls() == []


SIZES = "80: h100, 24: a5000|a6000,48:a6000"


SMALLEST = [(10, "a5000|a6000"), (24, "a5000|a6000"), (25, "a6000"), (80, "h100")]


@pytest.mark.parametrize(("needed", "constraint"), SMALLEST)
def test_a_job_asks_for_the_smallest_gpus_that_suffice(needed, constraint):
    assert constraint_for(needed, SIZES) == constraint


def test_a_study_that_needs_a_larger_gpu_than_the_profile_lists_is_refused():
    with pytest.raises(StudyError, match="the largest that the profile lists has 80 GB, and .* is 100. Add"):
        constraint_for(100, SIZES)


@pytest.mark.parametrize("known", ["", "a5000", "24:", "24 a5000", "x: a5000", "24: a5000,"])
def test_constraints_of_another_form_are_refused(known):
    with pytest.raises(StudyError, match="is not a list of sizes in GB .* Mend it in the profile"):
        constraint_for(24, known)
