"""GPU claims: one device is never in two hands."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from codetune.devices import claim_gpus, device_pool
from codetune.errors import StudyError
from conftest import ROOT


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("codetune.devices.POLL_SECONDS", 0.05)


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


HOLD = """
    import json, os, sys, time
    from pathlib import Path
    import codetune.devices
    codetune.devices.POLL_SECONDS = 0.05
    with codetune.devices.claim_gpus(int(sys.argv[1]), Path(sys.argv[2])) as devices:
        start = time.time()
        Path(sys.argv[3]).write_text(json.dumps(devices))
        time.sleep(float(sys.argv[4]))
        Path(sys.argv[3]).write_text(json.dumps([devices, start, time.time()]))
"""


def hold(count, locks, note, seconds, pool="0,1,2"):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), str(count), str(locks), str(note), str(seconds)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": pool, "PYTHONPATH": str(ROOT / "workflow/scripts")},
    )


def test_no_two_jobs_hold_one_device_at_once(tmp_path):
    locks = tmp_path / "locks"
    locks.mkdir()
    jobs = [hold(1 + number % 2, locks, tmp_path / f"{number}.json", 0.2 + 0.1 * (number % 3)) for number in range(10)]
    assert all(job.wait(60) == 0 for job in jobs)
    held = [json.loads((tmp_path / f"{number}.json").read_text()) for number in range(10)]
    for number, (devices, start, end) in enumerate(held):
        assert len(devices) == 1 + number % 2
        for others, other_start, other_end in held[:number]:
            together = start < other_end and other_start < end
            assert not (together and set(devices) & set(others))


def test_a_killed_job_gives_its_device_back(tmp_path):
    locks = tmp_path / "locks"
    locks.mkdir()
    job = hold(1, locks, tmp_path / "a.json", 60, pool="0")
    while not (tmp_path / "a.json").exists():
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert hold(1, locks, tmp_path / "b.json", 0, pool="0").wait(30) == 0
