"""GPU claims: one device is never in two hands."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from codetune.base.devices import claim_gpus, device_pool
from codetune.base.errors import StudyError
from conftest import ROOT


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("codetune.base.devices.POLL_SECONDS", 0.05)


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """A stand-in that lists three GPUs."""
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\nprintf '0, GPU-aa\\n1, GPU-bb\\n2, GPU-cc\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")


def test_the_pool_names_each_gpu_by_its_uuid(nvidia_smi, monkeypatch):
    assert device_pool() == ["GPU-aa", "GPU-bb", "GPU-cc"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-aa,0")
    assert device_pool() == ["GPU-cc", "GPU-aa"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert device_pool() == []


def test_none_asked_hides_all(nvidia_smi, tmp_path):
    with claim_gpus(0, tmp_path) as devices:
        assert devices == []
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


def test_more_asked_than_there_are_is_an_error(nvidia_smi, tmp_path):
    with pytest.raises(StudyError, match=r"asks for 4 GPU\(s\), 3 found .*--resources gpu=0"), claim_gpus(4, tmp_path):
        pass


def test_no_gpu_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(StudyError, match="none found"), claim_gpus(1, tmp_path):
        pass


def test_slurm_s_own_assignment_is_left_alone_and_locked_within_its_job(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    with claim_gpus(1, tmp_path) as devices:
        monkeypatch.setenv("SLURM_JOB_ID", "1")
        with claim_gpus(1, tmp_path) as devices:  # the same number in another job is another device
            assert devices == ["5"]
            assert sorted(path.name for path in tmp_path.iterdir()) == ["5", "slurm-1-5"]


def test_lock_files_of_slurm_jobs_go_when_these_have_ended(tmp_path, monkeypatch):
    (tmp_path / "slurm-1-0").touch()  # of a job that was killed
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("SLURM_JOB_ID", "2")
    with claim_gpus(1, tmp_path):
        monkeypatch.setenv("SLURM_JOB_ID", "3")
        with claim_gpus(1, tmp_path):
            pass
        assert [path.name for path in tmp_path.iterdir()] == ["slurm-2-0"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["SLURM_STEP_GPUS", "SLURM_JOB_GPUS"])
def test_slurm_s_numbers_count_the_node_s_gpus_where_the_cluster_sets_no_other_variable(nvidia_smi, monkeypatch, name):
    monkeypatch.setenv(name, "2")
    assert device_pool() == ["GPU-cc"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert device_pool() == ["GPU-bb"]


def test_slurm_s_numbers_do_not_count_where_the_other_gpus_are_hidden(nvidia_smi, monkeypatch):
    """The job was given three of a node's eight, and the driver lists just these, from 0."""
    monkeypatch.setenv("SLURM_JOB_GPUS", "3,5,7")
    assert device_pool() == ["GPU-aa", "GPU-bb", "GPU-cc"]


def test_all_users_may_open_a_lock_that_one_of_them_has_made(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    before = os.umask(0o077)
    try:
        with claim_gpus(1, tmp_path):
            assert (tmp_path / "0").stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(before)


HOLD = """
    import json, os, sys, time
    from pathlib import Path
    from codetune.base import devices as gpus
    gpus.POLL_SECONDS = 0.05
    count, locks, note, seconds = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
    with gpus.claim_gpus(count, locks) as devices:
        temporary = note.with_suffix(".tmp")
        temporary.write_text(json.dumps([devices, os.environ["CUDA_VISIBLE_DEVICES"], time.time()]))
        temporary.rename(note)
        time.sleep(seconds)
        note.with_suffix(".end").write_text(str(time.time()))
"""


def hold(count, locks, note, seconds, pool="0,1,2"):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")}
    if pool is not None:
        environment["CUDA_VISIBLE_DEVICES"] = pool
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), str(count), str(locks), str(note), str(seconds)], env=environment
    )


# Three devices, named in all the ways in which jobs may find them; an index and a UUID may be one device.
POOLS = {
    "CUDA_VISIBLE_DEVICES": ["0,1,2"],
    "nvidia-smi": [None, "0,1,2", "GPU-cc,GPU-aa,GPU-bb", "2,0"],
}


@pytest.mark.parametrize("way", POOLS)
def test_under_stress_no_device_is_in_two_hands_and_none_is_lost(tmp_path, request, way):
    """Jobs for one, two and no device, with lives of all lengths, a quarter of them killed at random moments."""
    if way == "nvidia-smi":
        request.getfixturevalue("nvidia_smi")
    chance = random.Random(way)
    locks = tmp_path / "locks"
    locks.mkdir()
    notes = [tmp_path / f"{number}.json" for number in range(28)]
    wanted = [(1, 1, 2, 1, 0, 2, 1)[number % 7] for number in range(len(notes))]
    jobs, ends = [], {}
    for note, count in zip(notes, wanted, strict=True):
        jobs.append(hold(count, locks, note, chance.uniform(0, 0.6), chance.choice(POOLS[way])))
    victims = chance.sample(range(len(jobs)), len(jobs) // 4)
    for number in victims:
        time.sleep(chance.uniform(0, 0.3))
        ends[number] = time.time()
        jobs[number].kill()
    for number, job in enumerate(jobs):
        assert job.wait(60) in ((0, -9) if number in victims else (0,))
    held = []
    for number, (note, count) in enumerate(zip(notes, wanted, strict=True)):
        if not note.exists():
            assert number in victims
            continue
        devices, visible, start = json.loads(note.read_text())
        assert len(devices) == count
        assert visible == ",".join(devices)
        finished = note.with_suffix(".end")
        held.append((devices, start, float(finished.read_text()) if finished.exists() else ends[number]))
    assert sum(bool(devices) for devices, _, _ in held) > 12
    for number, (devices, start, end) in enumerate(held):
        for others, other_start, other_end in held[:number]:
            together = start < other_end and other_start < end
            assert not (together and set(devices) & set(others))
    assert hold(3, locks, tmp_path / "all.json", 0, POOLS[way][0]).wait(30) == 0  # nothing leaked


def test_a_killed_job_gives_its_device_back(tmp_path):
    locks = tmp_path / "locks"
    locks.mkdir()
    job = hold(1, locks, tmp_path / "a.json", 60, pool="0")
    while not (tmp_path / "a.json").exists():
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert hold(1, locks, tmp_path / "b.json", 0, pool="0").wait(30) == 0


def test_two_jobs_for_one_device_within_one_slurm_job_take_turns(tmp_path, monkeypatch):
    """`--resources gpu=2` in an allocation of one device."""
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    locks = tmp_path / "locks"
    locks.mkdir()
    jobs = [hold(1, locks, tmp_path / f"{number}.json", 0.5, pool="0") for number in range(2)]
    assert all(job.wait(30) == 0 for job in jobs)
    starts = [json.loads((tmp_path / f"{number}.json").read_text())[2] for number in range(2)]
    assert abs(starts[0] - starts[1]) > 0.4
