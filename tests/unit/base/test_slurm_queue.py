"""What is asked of SLURM before jobs are sent, with stand-ins for its commands."""

from pathlib import Path

import pytest
from codetune.base import slurm_queue
from codetune.base.errors import StudyError
from codetune.base.slurm_queue import Request, Sending, cancel_left, check_start, wait_for_room
from slurm_answers import RUN, make_cluster, queued

FINETUNE = Request("finetune", 5, ("gpu",), 480, None)
TOKENIZE = Request("tokenize", 6, (), 20, None)


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    return make_cluster(tmp_path, monkeypatch)


def start(folder, requests=(FINETUNE, TOKENIZE), jobs=50, requeues=True, asks="squeue", interval=40):
    said = []
    check_start(Path(folder), list(requests), Sending(jobs, requeues, asks, interval), said.append)
    return said


def test_a_start_with_nothing_in_the_way_says_nothing_and_looks_at_the_queue_once(cluster, tmp_path):
    assert start(tmp_path) == []
    assert sum(call.startswith("squeue") for call in cluster.calls()) == 1
    assert len(cluster.calls()) == 5


@pytest.mark.parametrize("state", ["RUNNING", "PENDING", "SUSPENDED", "CONFIGURING"])
def test_jobs_of_this_folder_are_named_and_refuse_the_start(cluster, tmp_path, state):
    cluster.answers(
        squeue=queued("17", state, tmp_path)
        + queued("18_[3-9]", "PENDING", tmp_path)
        + queued("19", "COMPLETING", tmp_path)
        + queued("20", "RUNNING", "/elsewhere")
        + queued("21", "RUNNING", tmp_path, name="jupyter", comment="(null)")
    )
    with pytest.raises(StudyError) as refusal:
        start(tmp_path)
    assert str(refusal.value) == (
        f"jobs of this folder are in SLURM's queue: 17 (finetune data gemma qlora 0, {state.lower()}), "
        "18_[3-9] (finetune data gemma qlora 0, pending), 19 (finetune data gemma qlora 0, completing). A second start "
        "would compute the same a second time. Let them end, or cancel them (scancel 17 18 19), then give the same "
        "command again."
    )


def test_jobs_that_are_completing_are_waited_for(cluster, tmp_path):
    ending = queued("17", "COMPLETING", tmp_path, comment="(null)")
    cluster.answers(squeue=[ending, ending, ""])
    assert start(tmp_path) == [f"waiting for jobs of this folder that are ending: 17 ({RUN}, completing)"]


def test_jobs_that_never_complete_refuse_the_start_in_the_end(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(slurm_queue, "COMPLETING_LIMIT", 0.1)
    cluster.answers(squeue=queued("17", "COMPLETING", tmp_path))
    with pytest.raises(StudyError, match="scancel 17"):
        start(tmp_path)


def test_the_folder_is_known_by_any_of_its_names(cluster, tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "project")
    cluster.answers(squeue=queued("17", "RUNNING", tmp_path / "link"))
    with pytest.raises(StudyError, match="17"):
        start(tmp_path / "project")


def test_a_queue_that_cannot_be_read_refuses_the_start(cluster, tmp_path):
    cluster.answers(squeue=None)
    with pytest.raises(StudyError, match=r"queue cannot be read \(slurm: error: no answer\)"):
        start(tmp_path)


def test_a_runtime_that_no_partition_allows_is_refused(cluster, tmp_path):
    with pytest.raises(
        StudyError, match=r"finetune asks for 720 minutes, and partition gpu ends jobs after 480: .*480"
    ):
        start(tmp_path, [Request("finetune", 1, ("gpu",), 720, None)])
    with pytest.raises(StudyError, match="tokenize asks for 61 minutes, and partition cpu"):
        start(tmp_path, [Request("tokenize", 1, (), 61, None)])
    for fitting in [("gpu", "long"), ("long",), ("free",)]:
        assert start(tmp_path, [Request("finetune", 1, fitting, 720, None)]) == []
    assert start(tmp_path, [Request("finetune", 1, ("gpu",), 720, "long-jobs")]) == []


def test_a_partition_that_is_none_is_refused(cluster, tmp_path):
    with pytest.raises(StudyError, match="no partition 'gpus'; it has cpu, gpu, long, free"):
        start(tmp_path, [Request("finetune", 1, ("gpus",), 60, None)])


def test_preemption_without_requeue_is_said(cluster, tmp_path):
    assert "Snakemake waits forever for a preempted job" in start(tmp_path, requeues=False)[0]
    assert start(tmp_path, [TOKENIZE], requeues=False) == []


def test_more_jobs_than_a_qos_allows_are_refused(cluster, tmp_path):
    capped = [Request("finetune", 5, ("gpu",), 60, "capped")]
    cluster.answers(squeue=queued("9", "RUNNING", "/elsewhere", "other", qos="capped"))
    with pytest.raises(StudyError) as refusal:
        start(tmp_path, capped)
    assert str(refusal.value) == (
        "QOS 'capped' allows 4 jobs in SLURM's queue, 1 are there, and 5 would be submitted at once: give '--jobs 3' "
        "or set it in the profile."
    )
    assert start(tmp_path, capped, jobs=3) == []
    assert start(tmp_path, [Request("finetune", 3, ("gpu",), 60, "capped")]) == []
    cluster.answers(squeue=queued("9_[0-3%2]", "PENDING", "/elsewhere", "other", qos="capped"))
    with pytest.raises(StudyError, match="4 are there, and 3 would be submitted at once: wait for some to end"):
        start(tmp_path, capped, jobs=3)


def test_more_jobs_than_an_account_allows_are_refused(cluster, tmp_path):
    cluster.answers(**{"sacctmgr_-nP_show_assoc": "|10\n"})
    with pytest.raises(StudyError, match="your account allows 10 jobs in SLURM's queue, 0 are there, and 11"):
        start(tmp_path)
    cluster.answers(**{"sacctmgr_-nP_show_assoc": "|10\n|\n"})  # one of two accounts has no limit
    assert start(tmp_path) == []


def test_the_default_qos_has_its_limit_too(cluster, tmp_path):
    cluster.answers(**{"sacctmgr_-nP_show_qos": "normal|6\ncapped|4\n"})
    with pytest.raises(StudyError, match="QOS 'normal' allows 6 jobs"):
        start(tmp_path)
    cluster.answers(**{"sacctmgr_-nP_show_assoc": "capped|\n"})
    with pytest.raises(StudyError, match="QOS 'capped' allows 4 jobs"):
        start(tmp_path)


def test_a_cluster_without_accounts_has_no_limits(cluster, tmp_path):
    cluster.answers(**{"sacctmgr_-nP_show_assoc": None, "sacctmgr_-nP_show_qos": None})
    assert start(tmp_path) == []


def test_a_cluster_that_forgets_jobs_soon_is_named(cluster, tmp_path):
    cluster.answers(scontrol_show_config="MinJobAge               = 60 sec\n")
    assert "forgets finished jobs after 60 s" in start(tmp_path)[0]
    assert start(tmp_path, interval=20) == []


def test_asking_sacct_is_said_to_miss_what_is_cancelled(cluster, tmp_path):
    [told] = start(tmp_path, asks="sacct")
    assert told.startswith("Snakemake asks sacct for the state of jobs and does not notice when a job is cancelled")


def test_jobs_that_were_being_sent_when_snakemake_ended_are_cancelled(cluster, tmp_path):
    cluster.answers(
        squeue=queued("17", "RUNNING", tmp_path)
        + queued("18_[3-9]", "PENDING", tmp_path)
        + queued("19", "COMPLETING", tmp_path)
        + queued("20", "RUNNING", "/elsewhere"),
        scancel="",
    )
    said = []
    cancel_left(tmp_path, said.append)
    assert cluster.calls()[-1] == "scancel 17 18"
    assert said[0].startswith("cancelling 17 (finetune data gemma qlora 0, running), 18_[3-9] (")
    cluster.answers(squeue="")
    cancel_left(tmp_path, said.append)
    assert len(said) == 1


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("01:00:00", 60), ("7-00:00:30", 10080.5), ("UNLIMITED", float("inf")), ("1-02:03:00", 1563)],
)
def test_time_limits_are_read_as_slurm_prints_them(text, minutes):
    assert slurm_queue._minutes(text) == minutes


def test_a_refused_submission_waits_for_room(cluster):
    refused = (
        "SLURM sbatch failed. The error message was 'sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch "
        "job submission failed: Job violates accounting/QOS policy'.\n sbatch call: sbatch --parsable --qos=capped -t 9"
    )
    other = queued("3", "RUNNING", "/x", qos="normal")
    full = queued("1", "RUNNING", "/x", qos="capped") + queued("2", "PENDING", "/x", qos="capped")
    cluster.answers(squeue=[full + other, full + other, full, queued("2", "RUNNING", "/x", qos="capped") + other])
    said = []
    wait_for_room(refused, said.append)
    assert said == [
        "SLURM accepts no more of your jobs now (QOSMaxSubmitJobPerUserLimit): waiting until one of 2 in the queue "
        "has ended"
    ]
    assert len(cluster.calls()) == 4
    wait_for_room("SLURM sbatch failed. The error message was 'invalid partition'", said.append)
    assert len(cluster.calls()) == 4
