"""The study on a cluster: profiles/slurm on a one-node SLURM with GPUs that are none, made for these tests."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import combinations, product
from pathlib import Path

import pytest
import torch
import yaml
from slurm_cluster import SUBMIT, ask, missing_programs, one_node_cluster, tracks_by_cgroup
from small_study import LOCAL, digests, make_project, plan, snakemake

GPU_RULES = {"finetune", "curve", "generate"}
TARGETS = ("table2", "llama-3.2-1b", "gemma-2-2b")  # all that is sent, without what shows it
KILLS = {  # how the first fine-tuning job of a model is ended in its middle, and what SLURM calls that
    "llama-3.2-1b": ("CANCELLED", "scancel {id}"),
    # It hangs first: SLURM looks at time limits only twice a minute.
    "gemma-2-2b": ("TIMEOUT", "scancel --signal=STOP {id}", "scontrol update JobId={id} TimeLimit=0"),
}


# By which constraint on nodes the cluster gives GPUs of which memory.
SIZES = "gpu_constraints=24: small, 40: large"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A running cluster; the environment of commands that use it."""
    if missing := missing_programs():
        pytest.skip(f"SLURM is not installed: no {', '.join(missing)} (apt-get install slurm-wlm munge)")
    if torch.cuda.is_available():
        pytest.skip("this machine has GPUs, which the jobs would use: the cluster's own are none")
    with one_node_cluster(tmp_path_factory.mktemp("slurm"), gpus=4) as environment:
        yield environment


def make_small_project(folder, checkpoints, records, epochs=4):
    """Two models tuned and one untuned, with trainings of several checkpoints, to be killed between them."""
    project = make_project(folder, checkpoints, records[:150])
    config = yaml.safe_load((project / "small.yaml").read_text())
    everywhere = {"datasets": ["codealpaca-20k"], "seeds": [0]}
    config["runs"] = [
        {"models": ["llama-3.2-1b"], "methods": ["base", "qlora"], **everywhere},
        {"models": ["gemma-2-2b"], "methods": ["qlora"], **everywhere},
    ]
    for model in config["models"].values():
        model["epochs"] = epochs
    config["models"]["gemma-2-2b"]["gpu_memory_gb"] = 40
    config["generation"]["max_new_tokens"] = 8
    (project / "small.yaml").write_text(yaml.safe_dump(config))
    return project


@contextmanager
def submitting(folder, cluster, *arguments):
    """Snakemake at work on the cluster."""
    with open(folder / "console.txt", "w") as console:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "snakemake", *SUBMIT, *arguments],
            cwd=folder,
            env={**os.environ, **cluster},
            stdout=console,
            stderr=console,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def finish(process, folder):
    assert process.wait(timeout=600) == 0, (folder / "console.txt").read_text()


def wait_for(what, process, folder, seconds=300):
    """What the function returns once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert process.poll() is None and time.monotonic() < deadline, (folder / "console.txt").read_text()
        time.sleep(0.2)
    return found


def hold(cluster, folder, job):
    """Has a job's end wait, as for a process that cannot be ended at once, until the file that is returned is there."""
    held, release = folder / "held", folder / "release"
    waits = f"trap '' TERM; touch {held}; until test -e {release}; do sleep 0.2; done"
    srun = shutil.which("srun", path=cluster["PATH"])
    step = [srun, f"--jobid={job}", "--overlap", "--quiet", "sh", "-c", waits]
    subprocess.Popen(step, env=os.environ | cluster, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not held.exists():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return release


def jobs(cluster, folder, **fields):
    """The jobs sent from a folder, the oldest first, as SLURM knows them; `rule` and `wildcards` from their comment."""
    lines = ask(cluster, "scontrol", "show", "job", "--oneliner").splitlines()
    found = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines]
    found = [job for job in found if job.get("WorkDir") == str(folder)]
    for job in found:
        job["rule"], *job["wildcards"] = re.split(r"_wildcards_|_", job["Comment"].removeprefix("rule_"))
    found.sort(key=lambda job: int(job["JobId"]))
    return [job for job in found if all(job[key] == value for key, value in fields.items())]


def log_of(folder, rule, data, model, method, seed, test=None, attempt=""):
    name = f"seed{seed}/tests/{test}" if test else f"seed{seed}"
    path = folder / f"results/logs/{rule}/{data}/{model}/{method}/{name}.log{attempt}"
    return path.read_text() if path.exists() else ""


@pytest.fixture(scope="module")
def study(cluster, tmp_path_factory, checkpoints, records):
    """A study finished on the cluster, though its two fine-tuning jobs were killed after their first checkpoint."""
    folder = make_small_project(tmp_path_factory.mktemp("study") / "project", checkpoints, records)
    with submitting(folder, cluster, "--default-resources", SIZES, "--", *TARGETS) as process:
        for model, (_, *commands) in KILLS.items():
            wildcards = ["codealpaca-20k", model, "qlora", "0"]

            def has_a_checkpoint(wildcards=wildcards):
                return re.search(r"^step [1-9].*eval_loss", log_of(folder, "finetune", *wildcards), re.MULTILINE)

            wait_for(has_a_checkpoint, process, folder)
            [job] = jobs(cluster, folder, JobState="RUNNING", rule="finetune", wildcards=wildcards)
            for command in commands:
                ask(cluster, *command.format(id=job["JobId"]).split())
        finish(process, folder)
    return folder


def test_the_results_are_those_of_a_local_run(study, tmp_path, checkpoints, records):
    local = make_small_project(tmp_path / "local", checkpoints, records)
    done = snakemake(*LOCAL, "--cores", "2", "--", *TARGETS, cwd=local)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = digests(local)
    assert len(expected) > 20
    assert digests(study) == expected


@pytest.mark.parametrize("model", KILLS)
def test_a_killed_training_is_sent_again(study, cluster, model):
    sent = [job for job in jobs(cluster, study, rule="finetune") if model in job["wildcards"]]
    assert [job["JobState"] for job in sent] == [KILLS[model][0], "COMPLETED"]
    assert "Finished jobid" not in Path(sent[0]["StdOut"]).read_text()


@pytest.mark.parametrize("model", KILLS)
def test_a_training_sent_again_goes_on_from_its_checkpoint(study, model):
    log = log_of(study, "finetune", "codealpaca-20k", model, "qlora", "0")
    assert re.search(r"^going on after step [1-9]", log, re.MULTILINE)


@pytest.mark.parametrize("model", KILLS)
def test_a_training_that_slurm_ends_saves_its_last_step_and_keeps_its_log(study, model):
    earlier = log_of(study, "finetune", "codealpaca-20k", model, "qlora", "0", attempt=".1")
    saved = re.search(r"^SIGTERM: saved after step (\d+)", earlier, re.MULTILINE)
    assert saved, earlier
    log = log_of(study, "finetune", "codealpaca-20k", model, "qlora", "0")
    assert f"going on after step {saved[1]} of" in log


def test_no_lock_is_left(study):
    assert list(study.rglob("*.lock")) == []


def test_gpu_jobs_at_the_same_time_have_different_gpus(study, cluster):
    done = [job for job in jobs(cluster, study, JobState="COMPLETED") if job["rule"] in GPU_RULES]
    gpus = {
        job["JobId"]: re.search(
            r"^GPUs of this job: (\d)$", log_of(study, job["rule"], *job["wildcards"]), re.MULTILINE
        )
        for job in done
    }
    together = [
        (gpus[one["JobId"]][1], gpus[other["JobId"]][1])
        for one, other in combinations(done, 2)
        if one["StartTime"] < other["EndTime"] and other["StartTime"] < one["EndTime"]
    ]
    assert len(together) >= 2
    assert all(one != other for one, other in together)


def test_only_what_takes_minutes_is_sent_and_only_what_needs_a_gpu_gets_one(study, cluster):
    sent = jobs(cluster, study)
    assert {job["rule"] for job in sent} == {"tokenize", "prompt", *GPU_RULES}
    for job in sent:
        assert job.get("TresPerJob") == ("gres:gpu:1" if job["rule"] in GPU_RULES else None), job
    for log in (study / "results/logs/tokenize").rglob("*.log"):
        assert "GPUs" not in log.read_text()


def test_a_job_asks_for_a_gpu_of_the_memory_that_its_model_needs(study, cluster):
    sent = jobs(cluster, study)
    trained = {job["wildcards"][1]: job["Features"] for job in sent if job["rule"] == "finetune"}
    assert trained == {"gemma-2-2b": "large", "llama-3.2-1b": "(null)"}


def test_ctrl_c_cancels_all_jobs_and_the_same_command_goes_on(study, cluster):
    before = digests(study)
    runs = list((study / "results/runs").glob("*/llama-3.2-1b/*/seed0"))
    for run, name in product(runs, ("predictions.jsonl", "generation.json", "scores.jsonl", "summary.json")):
        (run / "tests/codealpaca-20k" / name).unlink()
    for run in runs:
        (run / "record.json").unlink()

    def one_runs_and_one_waits():
        return jobs(cluster, study, JobState="RUNNING") and jobs(cluster, study, JobState="PENDING")

    most_of_the_memory = ("--set-resources", "generate:mem_mb=150000")  # so that one has to wait
    with submitting(study, cluster, *most_of_the_memory, "--", "llama-3.2-1b") as process:
        wait_for(one_runs_and_one_waits, process, study)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) != 0
    deadline = time.monotonic() + 35  # KillWait is 30 seconds
    while ask(cluster, "squeue", "--noheader"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert not any((run / "tests/codealpaca-20k/predictions.jsonl").exists() for run in runs)
    with submitting(study, cluster, "--", "llama-3.2-1b") as process:
        finish(process, study)
    assert digests(study) == before


TRAINING = ["codealpaca-20k", "gemma-2-2b", "qlora", "0"]
# The training alone. That what follows from an adapter is made as in a local run, the study above shows.
TRAINED = ("--", "results/runs/codealpaca-20k/gemma-2-2b/qlora/seed0/tuned/manifest.json")


@pytest.fixture(scope="module")
def troubled(cluster, tmp_path_factory, checkpoints, records):
    """A training whose Snakemake is killed, that is cancelled, sent again and preempted; what was seen meanwhile."""
    folder = make_small_project(tmp_path_factory.mktemp("troubled") / "project", checkpoints, records, epochs=16)
    seen = {"folder": folder}

    def is_at_work(mark):
        return lambda: re.search(mark, log_of(folder, "finetune", *TRAINING), re.MULTILINE)

    with submitting(folder, cluster, *TRAINED) as process:
        wait_for(is_at_work(r"^step [1-9].*eval_loss"), process, folder)
        process.kill()
    snakemake(*SUBMIT, "--unlock", cwd=folder, **cluster)
    with submitting(folder, cluster, *TRAINED) as process:
        seen["second start"] = process.wait(60), (folder / "console.txt").read_text()
    [job] = jobs(cluster, folder, rule="finetune")
    seen["job"] = job
    release = hold(cluster, folder, job["JobId"])
    ask(cluster, "scancel", job["JobId"])
    with submitting(folder, cluster, *TRAINED) as process:
        wait_for(lambda: "that are ending" in (folder / "console.txt").read_text(), process, folder)
        release.touch()
        wait_for(is_at_work(r"^going on after step[^$]*^step.*eval_loss"), process, folder)
        seen["third start"] = (folder / "console.txt").read_text()
        ask(cluster, "sbatch", "--partition=urgent", "--exclusive", "--wrap=sleep 2", "--output=/dev/null")
        wait_for(lambda: jobs(cluster, folder, rule="finetune", JobState="PENDING"), process, folder)
        [waiting] = jobs(cluster, folder, rule="finetune", JobState="PENDING")
        ask(cluster, "scontrol", "update", f"JobId={waiting['JobId']}", "StartTime=now")  # not in two minutes
        finish(process, folder)
    return seen


def test_a_second_start_is_refused_while_jobs_of_a_killed_snakemake_run(troubled):
    status, console = troubled["second start"]
    number = troubled["job"]["JobId"]
    assert status == 1
    assert f"error: jobs of this folder are in SLURM's queue: {number} (finetune codealpaca-20k gemma-2-2b" in console
    assert f"(scancel {number})" in console
    assert "Traceback" not in console


def test_a_start_waits_for_jobs_that_are_completing(troubled):
    assert f"waiting for jobs of this folder that are ending: {troubled['job']['JobId']} (" in troubled["third start"]


def test_a_preempted_training_is_requeued_and_uses_up_no_retry(troubled, cluster):
    first, second = jobs(cluster, troubled["folder"], rule="finetune")
    assert (first["JobState"], second["JobState"]) == ("CANCELLED", "COMPLETED")
    assert second["Restarts"] == "1"
    preempted = log_of(troubled["folder"], "finetune", *TRAINING, attempt=".1")
    assert re.search(r"^SIGTERM: saved after step", preempted, re.MULTILINE)
    assert f"preempted: SLURM job {second['JobId']} is back in the queue" in preempted
    assert "Trying to restart" not in (troubled["folder"] / "console.txt").read_text()


def test_after_all_that_the_training_is_that_of_an_undisturbed_run(troubled, tmp_path, checkpoints, records):
    local = make_small_project(tmp_path / "local", checkpoints, records, epochs=16)
    done = snakemake(*LOCAL, "--cores", "2", *TRAINED, cwd=local)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = digests(local)
    assert len(expected) > 16  # the log, and an adapter for most epochs
    assert digests(troubled["folder"]) == expected


def test_a_job_that_runs_out_of_memory_is_named(study, cluster):
    if not tracks_by_cgroup():
        pytest.skip("this cluster does not limit memory: that takes root and control groups of version 1")
    too_little = ("--set-resources", "finetune:mem_mb=200", "--retries", "0", "--forcerun", "finetune")
    copy = study.with_name("copy")
    shutil.copytree(study, copy)
    with submitting(copy, cluster, *too_little, *TRAINED) as process:
        assert process.wait(120) == 1
    console = (copy / "console.txt").read_text()
    assert re.search(r"^SLURM job \d+ ran out of memory: 200M did not suffice. Raise 'mem_mb'", console, re.MULTILINE)


def test_the_study_can_be_planned_where_there_is_no_slurm(tmp_path, checkpoints, records):
    folder = make_small_project(tmp_path / "project", checkpoints, records)
    (tmp_path / "bin").mkdir()
    for name in ("bash", "which"):
        (tmp_path / "bin" / name).symlink_to(f"/usr/bin/{name}")
    jobs = plan(*SUBMIT[:4], cwd=folder, PATH=str(tmp_path / "bin"))
    assert jobs["finetune"] == 2
