"""One writer per output: whoever is killed, wherever the other process runs, and where the file system has no locks."""

import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from codetune.base.errors import StudyError
from codetune.base.holders import SILENCE, holder_of
from codetune.base.locks import FOLDER, lock_of, one_writer, try_lock, wait_for_writers
from lock_holders import lock_holders


@pytest.fixture
def lock(tmp_path):
    (tmp_path / "results").mkdir()
    return lock_of(tmp_path / "results" / "adapter", [str(tmp_path / "results")])


@pytest.fixture
def hold(lock, tmp_path):
    with lock_holders(lock, tmp_path) as start:
        yield start


def heard(lines):
    return lines.append


def taken(lock, patience=0.3):
    """Takes the lock and gives it back; what was said meanwhile."""
    said = []
    with one_writer(lock, "results/adapter", 0, heard(said), patience):
        assert holder_of(lock).pid == os.getpid()
    return said


def pretend(lock, **fields):
    """Changes what a lock's file says of its holder, as if that were elsewhere."""
    facts = json.loads(lock.read_text())
    lock.write_text(json.dumps(facts | fields))


# --- Where the lock lies ---------------------------------------------------------------------------------------------


def test_the_lock_lies_in_the_root_folder_of_what_it_guards_and_is_no_output(tmp_path):
    roots = [str(tmp_path / "results"), str(tmp_path / "elsewhere" / "resources")]
    run = tmp_path / "results" / "runs" / "d" / "m" / "qlora" / "seed0"
    assert lock_of(run / "adapter", roots) == tmp_path / "results" / FOLDER / "runs--d--m--qlora--seed0--adapter.lock"
    assert lock_of(run / "curve.json", roots) != lock_of(run / "adapter", roots)
    model = tmp_path / "elsewhere" / "resources" / "models" / "m"
    assert lock_of(model, roots).parent == tmp_path / "elsewhere" / "resources" / FOLDER
    assert len(lock_of(run / ("x" * 250), roots).name) < 255
    long = [tmp_path / "results" / "runs" / ("d" * 64) / (first + "m" * 63) / "x" / ("y" * 64) for first in "ab"]
    assert len({lock_of(output / "tuned", roots) for output in long}) == 2


def test_two_projects_that_share_a_folder_meet_at_one_lock(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "shared")
    one = lock_of(tmp_path / "shared" / "models" / "m", [str(tmp_path / "a"), str(tmp_path / "shared")])
    assert lock_of(tmp_path / "link" / "models" / "m", [str(tmp_path / "b"), str(tmp_path / "link")]) == one


# --- Held, given back, left behind -----------------------------------------------------------------------------------


def test_a_second_writer_is_refused_with_the_name_of_the_first(lock, hold):
    first = hold()
    with pytest.raises(StudyError) as refusal:
        taken(lock)
    assert str(refusal.value).startswith(f"results/adapter is being written by process {first.pid} on ")
    assert f"(kill {first.pid} on " in str(refusal.value)


def test_a_second_writer_waits_for_one_that_ends_in_time_and_says_so(lock, hold):
    first = hold(1.0)
    assert taken(lock, patience=20)[0].startswith(f"waiting for process {first.pid} on ")
    assert first.wait(10) == 0


def test_nothing_is_left_of_a_lock_that_was_given_back(lock):
    assert taken(lock) == []
    assert list(lock.parent.iterdir()) == []


@pytest.mark.parametrize("mode", ["", "no locks"])
def test_the_lock_of_a_killed_process_is_free_at_once(lock, hold, mode, monkeypatch):
    first = hold(mode=mode)
    first.kill()
    first.wait()
    assert lock.exists()
    start = time.monotonic()
    hold(mode=mode)
    assert time.monotonic() - start < 10


def test_a_stopped_process_keeps_its_lock(lock, hold):
    first = hold()
    first.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    with pytest.raises(StudyError, match=f"process {first.pid}"):
        taken(lock)
    first.send_signal(signal.SIGCONT)


def test_of_many_at_once_one_writes_at_a_time(lock, tmp_path):
    inside, most = [], []

    def write(number):
        with one_writer(lock, "results/adapter", 0, print, patience=60):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.01)
            inside.remove(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(8)))
    assert most == [1] * 8


def test_a_lock_whose_file_is_removed_by_its_holder_is_not_taken_on_the_removed_file(lock):
    lock.parent.mkdir()
    first = try_lock(lock)
    lock.unlink()
    second = try_lock(lock)
    assert second is not None
    assert try_lock(lock) is None
    for handle in (first, second):
        os.close(handle)


def test_a_full_disk_is_named(lock, monkeypatch):
    monkeypatch.setattr(os, "pwrite", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match=f"No space left on device: '{lock}'"):
        taken(lock)


# --- On other machines, and without locks ----------------------------------------------------------------------------


def left_by_another_machine(lock, age, job=None):
    """A lock's file as a process on another machine left it, its last sign of life some seconds ago."""
    taken(lock)
    with one_writer(lock, "results/adapter", 0, print):
        text = lock.read_text()
    lock.write_text(text)
    pretend(lock, machine="another", host="node7", pid=77, job=job)
    os.utime(lock, (time.time() - age,) * 2)


def test_a_process_elsewhere_that_gave_a_sign_of_life_is_not_disturbed(lock):
    left_by_another_machine(lock, age=5)
    with pytest.raises(StudyError, match=r"process 77 on node7 since .*\(kill 77 on node7\)"):
        taken(lock)


def test_a_process_elsewhere_that_gave_none_for_long_is_dead(lock):
    left_by_another_machine(lock, age=2 * SILENCE)
    assert taken(lock) == []


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A stand-in for squeue, which lists the jobs of a file."""
    tool = tmp_path / "bin" / "squeue"
    tool.parent.mkdir()
    tool.write_text(
        f'#!/bin/sh\ngrep -q "^$3$" {tmp_path}/jobs && echo RUNNING && exit 0\n'
        'echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return tmp_path / "jobs"


def test_slurm_knows_of_a_process_in_one_of_its_jobs(lock, slurm):
    slurm.write_text("17\n")
    left_by_another_machine(lock, age=2 * SILENCE, job="17")  # suspended, say
    with pytest.raises(StudyError, match=r"\(SLURM job 17\) since .*\(scancel 17\)"):
        taken(lock)
    slurm.write_text("")
    left_by_another_machine(lock, age=1, job="17")
    assert taken(lock) == []


def test_a_job_that_slurm_started_again_elsewhere_does_not_wait_for_itself(lock, slurm, monkeypatch):
    slurm.write_text("17\n")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    left_by_another_machine(lock, age=2 * SILENCE, job="17")
    assert taken(lock) == []


def test_a_file_system_without_locks_is_named_and_a_second_start_refused(lock, hold):
    first = hold(mode="no locks")
    second = hold(mode="no locks", wait=False)
    out, _ = second.communicate(timeout=30)
    assert second.returncode == 1
    assert f"is being written by process {first.pid}" in out
    first.terminate()
    assert "the file system has no locks (flock)" in first.communicate()[0]


def test_of_two_at_once_without_locks_one_writes(lock, hold):
    both = [hold(1.5, mode="no locks", wait=False) for _ in range(2)]
    outs = [process.communicate(timeout=60)[0] for process in both]
    inside = sorted(
        tuple(map(float, line.split()[1:])) for out in outs for line in out.splitlines() if line.startswith("inside")
    )
    assert inside
    assert all(one[1] <= other[0] for one, other in pairwise(inside))
    assert sum("is being written by" in out for out in outs) == 2 - len(inside)


def test_a_process_whose_place_was_taken_ends_itself(lock, hold):
    first = hold()
    pretend(lock, machine="another", host="node7", pid=77)
    assert first.wait(10) == 1
    assert "taken over by process 77 on node7" in first.communicate()[0]


def test_a_lock_file_that_is_removed_is_made_again(lock, hold):
    first = hold(3.0)
    lock.unlink()
    deadline = time.monotonic() + 2
    while holder_of(lock) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(StudyError, match=f"process {first.pid}"):
        taken(lock)
    assert first.wait(10) == 0
    assert list(lock.parent.iterdir()) == []


# --- Before a workflow starts ----------------------------------------------------------------------------------------


def test_a_start_waits_for_the_jobs_of_a_killed_workflow(lock, hold, tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    first = hold(1.0, WORKFLOW=str(gone.pid))
    said = []
    wait_for_writers({lock: "results/adapter"}, heard(said))
    assert first.wait(5) == 0
    assert said == [
        f"waiting for {said[0].removeprefix('waiting for ').partition(' to save')[0]} to save and end: its workflow is "
        "gone, and it still writes results/adapter"
    ]
    assert f"process {first.pid}" in said[0]


def test_a_start_beside_a_living_workflow_is_refused(lock, hold):
    first = hold(WORKFLOW=str(os.getpid()))
    with pytest.raises(StudyError, match=f"being written by process {first.pid}"):
        wait_for_writers({lock: "results/adapter"}, print)
    wait_for_writers({lock.with_name("another.lock"): "results/another"}, print)


def test_what_is_no_lock_s_content_names_nobody(tmp_path):
    path = Path(tmp_path / "x.lock")
    assert holder_of(path) is None
    for text in ("", "{}", "[1]", "\x00", '{"host": 1}'):
        path.write_text(text)
        assert holder_of(path) is None
