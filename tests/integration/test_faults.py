"""The fault campaign in small: `make faults` is the same at length."""

import subprocess
import sys
import time

import pytest
from fault_campaign import campaign, left_alone, make_study
from restart_campaign import Writers, restart_campaign, restart_here

JOB = """
import time
print("unfinished work is kept in results/runs/d/m/qlora/seed0/unfinished/finetune", flush=True)
time.sleep(2)
print("done in 2.0 s", flush=True)
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, checkpoints):
    """A project of one model, untuned and tuned, and the hashes of what its study gives."""
    folder = tmp_path_factory.mktemp("faults")
    return left_alone(make_study(folder, checkpoints, models=1, methods=("base", "qlora")))


def test_a_study_that_is_killed_again_and_again_ends_with_the_same_bytes(undisturbed):
    summary = campaign(*undisturbed, kills=3, seed=3, longest=14.0)
    print(summary)
    assert "3 faults" in summary
    assert "equal the undisturbed study's, byte for byte" in summary


def test_a_study_restarted_while_its_jobs_are_alive_never_has_two_writers(undisturbed):
    summary = restart_campaign(*undisturbed, restarts=2, seed=1, again=restart_here, longest=14.0)
    print(summary)
    assert summary.startswith("2 restarts while jobs were alive")
    assert "never two writers in one" in summary


@pytest.mark.parametrize("number", [1, 2])
def test_two_writers_would_be_seen(tmp_path, number):
    """Holds the test above to what it says."""
    jobs = []
    for name in [f"tmp{index}.finetune.py" for index in range(number)]:
        (tmp_path / name).write_text(JOB)
        with open(tmp_path / f"{name}.log", "w") as log:
            jobs.append(subprocess.Popen([sys.executable, tmp_path / name], cwd=tmp_path, stdout=log))
    writers = Writers(tmp_path)
    writers.start()
    time.sleep(1.5)
    if number == 2:
        with pytest.raises(SystemExit, match="two processes wrote in .*/unfinished/finetune"):
            writers.end()
    else:
        writers.end()
    assert len(writers.seen) == 1
    for job in jobs:
        job.wait()
