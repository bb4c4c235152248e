"""GPU claims: one device is never in two hands."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest
from codetune.base.devices import claim_gpus, device_pool
from codetune.base.errors import StudyError
from conftest import ROOT


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("codetune.base.devices.POLL_SECONDS", 0.05)
    monkeypatch.setattr(
        "codetune.base.devices.CLAIM", str(tmp_path)[-60:]
    )  # apart from other tests, and from real jobs


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """A stand-in that lists three GPUs, one of them in parts."""
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(
        "#!/bin/sh\n"
        "case $1 in --query*) printf '0, GPU-aa\\n1, GPU-bb\\n2, GPU-cc\\n';; *) printf 'GPU 0: x (UUID: GPU-aa)\\n"
        "  MIG 3g.20gb Device 0: (UUID: MIG-11)\\n  MIG 3g.20gb Device 1: (UUID: MIG-22)\\n';; esac\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    return tool


def test_the_pool_names_each_gpu_by_its_uuid(nvidia_smi, monkeypatch):
    assert device_pool() == ["GPU-aa", "GPU-bb", "GPU-cc"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-aa,0")
    assert device_pool() == ["GPU-cc", "GPU-aa"]


FULL = "GPU-01234567-89ab-cdef-0123-456789abcdef"


@pytest.mark.parametrize(
    ("visible", "pool"),
    [
        ("", []),
        ("  ", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("none", []),
        ("7", []),
        ("GPU-", []),  # of which GPU is this the beginning?
        ("GPU-dd", []),
        ("0,-1,2", ["GPU-aa"]),  # as CUDA has it: what follows is hidden
        ("1,7,0", ["GPU-bb"]),
        (" 2 , 0,", ["GPU-cc", "GPU-aa"]),
        ("02", ["GPU-cc"]),
        ("0,0,GPU-aa,GPU-a", ["GPU-aa"]),  # one device by three names
        ("GPU-c,GPU-b", ["GPU-cc", "GPU-bb"]),
        (f"{FULL},{FULL}", [FULL]),
        ("MIG-1", ["MIG-11"]),
        ("MIG-2,MIG-22", ["MIG-22"]),
        ("MIG-3", []),
    ],
)
def test_cuda_visible_devices_names_the_devices_that_cuda_takes_it_for(nvidia_smi, monkeypatch, visible, pool):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert device_pool() == pool


def test_without_nvidia_smi_names_stay_as_they_are(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1, GPU-a,MIG-GPU-a/1/0,-1,2")
    assert device_pool() == ["1", "GPU-a", "MIG-GPU-a/1/0"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert device_pool() == []


def test_too_few_devices_are_an_error_that_names_the_variable(nvidia_smi, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    with (
        pytest.raises(StudyError, match=r"1 GPU\(s\), none found\. Run .* CUDA_VISIBLE_DEVICES \(now '7'\)"),
        claim_gpus(1),
    ):
        pass


@pytest.mark.parametrize("failure", ["exit 9", "echo 'Unknown Error'; exit 15", "exit 0", "kill -9 $$", "sleep 20"])
def test_nvidia_smi_is_asked_again_when_it_fails(nvidia_smi, monkeypatch, tmp_path, failure):
    monkeypatch.setattr("codetune.base.nvidia.LIMIT", 0.5)
    monkeypatch.setattr("codetune.base.nvidia.PAUSE", 0.01)
    once = f"if mkdir {tmp_path}/asked 2>/dev/null; then {failure}; fi"
    nvidia_smi.write_text(nvidia_smi.read_text().replace("\n", f"\n{once}\n", 1))
    assert device_pool() == ["GPU-aa", "GPU-bb", "GPU-cc"]


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        ("echo 'Failed to initialize NVML'; exit 18", r"fails with status 18 \(Failed to initialize NVML\)"),
        ("trap '' TERM; sleep 20", "gives no answer within 0 s"),
    ],
)
def test_when_nvidia_smi_gives_no_answer_at_all_one_line_says_so_soon(nvidia_smi, monkeypatch, failure, said):
    monkeypatch.setattr("codetune.base.nvidia.LIMIT", 0.2)
    monkeypatch.setattr("codetune.base.nvidia.PATIENCE", 0.3)
    monkeypatch.setattr("codetune.base.nvidia.PAUSE", 0.01)
    nvidia_smi.write_text(f"#!/bin/sh\n{failure}\n")
    began = time.monotonic()
    with pytest.raises(StudyError, match=rf"nvidia-smi {said}.*--resources gpu=0"), claim_gpus(1):
        pass
    assert time.monotonic() - began < 5


def test_a_machine_without_devices_is_known_at_once(nvidia_smi):
    nvidia_smi.write_text("#!/bin/sh\necho 'No devices were found'; exit 6\n")
    assert device_pool() == []


def test_none_asked_hides_all(nvidia_smi):
    with claim_gpus(0) as devices:
        assert devices == []
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


def test_more_asked_than_there_are_is_an_error(nvidia_smi):
    with pytest.raises(StudyError, match=r"asks for 4 GPU\(s\), 3 found .*--resources gpu=0"), claim_gpus(4):
        pass


def test_no_gpu_is_an_error(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(StudyError, match="none found"), claim_gpus(1):
        pass


def test_slurm_s_own_assignment_is_left_alone_and_claimed_within_its_job(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    with claim_gpus(1):
        monkeypatch.setenv("SLURM_JOB_ID", "1")
        with claim_gpus(1) as devices:  # the same number in another job is another device
            assert devices == ["5"]


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


HOLD = """
    import json, os, sys, time
    from pathlib import Path
    from codetune.base import devices as gpus, nvidia
    gpus.POLL_SECONDS = nvidia.PAUSE = 0.05
    if "AS_USER" in os.environ:
        os.setuid(int(os.environ["AS_USER"]))
        os.umask(0o077)
    count, gpus.CLAIM, note, seconds = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), float(sys.argv[4])
    with gpus.claim_gpus(count) as devices:
        temporary = note.with_suffix(".tmp")
        temporary.write_text(json.dumps([devices, os.environ["CUDA_VISIBLE_DEVICES"], time.time()]))
        temporary.rename(note)
        time.sleep(seconds)
        note.with_suffix(".end").write_text(str(time.time()))
"""


def hold(count, note, seconds, pool="0,1,2", variables=None):
    """A process that claims devices, notes which, and keeps them; all notes of a test lie in one folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts"), **(variables or {})}
    if pool is not None:
        environment["CUDA_VISIBLE_DEVICES"] = pool
    command = [sys.executable, "-c", textwrap.dedent(HOLD), str(count), str(note.parent)[-60:], str(note), str(seconds)]
    return subprocess.Popen(command, env=environment)


# Three devices, named in all the ways in which jobs may find them; an index and a UUID may be one device.
POOLS = {
    "CUDA_VISIBLE_DEVICES": ["0,1,2"],
    "nvidia-smi": [None, "0,1,2", "GPU-cc,GPU-aa,GPU-bb", "2,0", "GPU-a,GPU-b,GPU-c", "1,1,0,GPU-a,2,-1"],
}
FAILS_NOW_AND_THEN = "case $(od -An -N1 -tu1 /dev/urandom) in *[02468]) exit 9;; esac"


@pytest.mark.parametrize("way", POOLS)
def test_under_stress_no_device_is_in_two_hands_and_none_is_lost(tmp_path, request, way):
    """Jobs for one, two and no device, with lives of all lengths, a quarter of them killed at random moments."""
    if way == "nvidia-smi":
        tool = request.getfixturevalue("nvidia_smi")
        tool.write_text(tool.read_text().replace("\n", f"\n{FAILS_NOW_AND_THEN}\n", 1))
    chance = random.Random(way)
    notes = [tmp_path / f"{number}.json" for number in range(28)]
    wanted = [(1, 1, 2, 1, 0, 2, 1)[number % 7] for number in range(len(notes))]
    jobs, ends = [], {}
    for note, count in zip(notes, wanted, strict=True):
        temporary = {"TMPDIR": str(tmp_path / note.stem)}
        jobs.append(hold(count, note, chance.uniform(0, 0.6), chance.choice(POOLS[way]), temporary))
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
    assert hold(3, tmp_path / "all.json", 0, POOLS[way][0]).wait(30) == 0  # nothing leaked


def test_a_killed_job_gives_its_device_back(tmp_path):
    job = hold(1, tmp_path / "a.json", 60, pool="0")
    while not (tmp_path / "a.json").exists():
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert hold(1, tmp_path / "b.json", 0, pool="0").wait(30) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be other users")
def test_a_device_passes_from_user_to_user_whatever_their_umask(tmp_path):
    tmp_path.chmod(0o777)
    for folder in tmp_path.relative_to(tempfile.gettempdir()).parents[:-1]:
        (Path(tempfile.gettempdir()) / folder).chmod(0o755)
    notes = [tmp_path / f"{user}.json" for user in (1001, 1002, 1003)]
    jobs = [hold(1, note, 0.3, "0", {"AS_USER": note.stem}) for note in notes]
    assert [job.wait(30) for job in jobs] == [0, 0, 0]
    starts = sorted(json.loads(note.read_text())[2] for note in notes)
    assert min(starts[1] - starts[0], starts[2] - starts[1]) > 0.25


def test_two_jobs_for_one_device_within_one_slurm_job_take_turns(tmp_path, monkeypatch):
    """`--resources gpu=2` in an allocation of one device."""
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    jobs = [hold(1, tmp_path / f"{number}.json", 0.5, pool="0") for number in range(2)]
    assert all(job.wait(30) == 0 for job in jobs)
    starts = [json.loads((tmp_path / f"{number}.json").read_text())[2] for number in range(2)]
    assert abs(starts[0] - starts[1]) > 0.4


@pytest.fixture
def sizes(tmp_path, monkeypatch):
    """A stand-in that lists a GPU of 24 GB and one of 80 GB, in two parts."""
    tool = tmp_path / "sizes" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(
        "#!/bin/sh\n"
        "case $1 in --query-gpu=index*) printf '0, GPU-aa\\n1, GPU-bb\\n';; --query-gpu=uuid*) printf "
        "'GPU-aa, 24564\\nGPU-bb, 81920\\n';; *) printf 'GPU 0: A5000 (UUID: GPU-aa)\\nGPU 1: A100 (UUID: GPU-bb)\\n"
        "  MIG 3g.40gb     Device 0: (UUID: MIG-11)\\n  MIG 1g.10gb     Device  1: (UUID: MIG-22)\\n';; esac\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("visible", "least", "claimed"),
    [
        (None, 24, {"GPU-aa", "GPU-bb"}),
        (None, 25, {"GPU-aa", "GPU-bb"}),  # 24,564 MiB are 25.8 GB
        (None, 60, {"GPU-bb"}),
        ("0", 24, {"GPU-aa"}),
        ("MIG-11,MIG-22", 24, {"MIG-11"}),
        (FULL, 500, {FULL}),  # nobody knows how large it is
    ],
)
def test_a_job_that_needs_memory_gets_a_gpu_that_has_it(sizes, monkeypatch, visible, least, claimed):
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    for _ in range(5):
        with claim_gpus(1, least) as (device,):
            assert device in claimed


@pytest.mark.parametrize(
    ("visible", "least", "message"),
    [
        (None, 100, "with 100 GB of memory .*'gpu_memory_gb'.* 0 of 2 here have that: the largest has 85.9 GB"),
        ("0", 60, "0 of 1 here have that: the largest has 25.8 GB. Run it where there are larger"),
        ("MIG-22", 24, "the largest has 10.0 GB"),
    ],
)
def test_gpus_that_are_too_small_are_refused_in_one_line(sizes, monkeypatch, visible, least, message):
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(StudyError, match=message) as error, claim_gpus(1, least):
        pass
    assert "\n" not in str(error.value)


def test_on_a_cpu_no_memory_of_a_gpu_is_asked_for():
    with claim_gpus(0, 500) as devices:
        assert devices == []
