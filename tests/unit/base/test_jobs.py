"""What is around every job: signals, the end of the workflow, time limits, one writer, logs."""

import gc
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from codetune.base.jobs import KEPT_LOGS, importing, keep_log
from conftest import ROOT

JOB = """
    import os, sys, time
    from codetune.base import jobs
    from types import SimpleNamespace
    from codetune.base.signals import signals_deferred
    from pathlib import Path
    log, mark, mode = sys.argv[1:]
    jobs.TIME_TO_SAVE = 1
    folder = Path(log).parent
    job_object = SimpleNamespace(
        log=[log],
        output=[folder / "results" / "output"],
        config={"results": folder / "results", "resources": folder / "resources"},
        threads=1,
        params={},
        resources={"runtime": 3 / 60} | ({"gpu": 1, "gpu_memory_gb": 60} if mode == "large" else {}),
    )
    with jobs.job(job_object):
        print("begun", flush=True)
        Path(mark).touch()
        if "raise" in mode:
            exec(mode)
        if mode == "deferred":
            with signals_deferred() as stop_if_asked:
                while True:
                    time.sleep(0.05)
                    try:
                        stop_if_asked()
                    except BaseException as stop:
                        print(f"saved after {stop}", flush=True)
                        raise
        if mode == "mistake":
            {}["parts"]
        if mode == "panic":
            raise type("PanicException", (BaseException,), {})("no entry found for key")
        time.sleep(60 if mode == "long" else 0)
"""


def start_job(folder, mode, parent=None, **more):
    mark = folder / f"{time.monotonic_ns()}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts"), **more}
    if parent is not None:
        environment["CODETUNE_WORKFLOW_PID"] = str(parent)
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(JOB), str(folder / "job.log"), str(mark), mode],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    return process, mark


def wait_for(path: Path):
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("mode", "line"),
    [
        ("raise MemoryError", "this machine's memory ran out. Run fewer jobs at once"),
        (
            "import torch; raise torch.OutOfMemoryError('CUDA out of memory. Tried')",
            "the GPU's memory ran out (CUDA out of",
        ),
    ],
)
def test_memory_that_runs_out_anywhere_is_one_line(tmp_path, mode, line):
    process, _ = start_job(tmp_path, mode)
    assert process.wait(60) == 1
    text = (tmp_path / "job.log").read_text()
    assert text.splitlines()[-1].startswith(f"error: {line}")
    assert "Traceback" not in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("mode", ["long", "deferred"])
def test_a_signal_ends_a_job_with_one_line(tmp_path, number, mode):
    process, mark = start_job(tmp_path, mode)
    wait_for(mark)
    process.send_signal(number)
    assert process.wait(10) == 128 + number
    text = (tmp_path / "job.log").read_text()
    assert text.endswith(f"error: stopped by {number.name}. The same command resumes from what is saved.\n")
    assert ("saved after" in text) == (mode == "deferred")
    assert "Traceback" not in text


@pytest.mark.parametrize(("mode", "shown"), [("mistake", "KeyError: 'parts'"), ("panic", "PanicException: no entry")])
def test_what_nobody_foresaw_is_one_line_with_its_place(tmp_path, mode, shown):
    process, _ = start_job(tmp_path, mode)
    assert process.wait(30) == 1
    text = (tmp_path / "job.log").read_text()
    assert "Traceback" not in text
    assert [line for line in text.splitlines() if line.startswith("error: ")] == text.splitlines()[-1:]
    assert re.search(rf"error: .*{shown}.* \[<string>:\d+ < .*jobs\.py:\d+\]\. This was not foreseen", text)


def test_a_job_ends_with_the_workflow_that_started_it(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    process, mark = start_job(tmp_path, "deferred", parent.pid)
    wait_for(mark)
    assert process.poll() is None
    parent.kill()
    parent.wait()
    assert process.wait(10) == 128 + signal.SIGTERM
    assert "saved after SIGTERM" in (tmp_path / "job.log").read_text()


def test_a_job_whose_workflow_ended_while_it_started_does_nothing(tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    process, mark = start_job(tmp_path, "long", gone.pid)
    assert process.wait(10) == 128 + signal.SIGTERM
    assert not mark.exists()


def test_a_job_of_a_batch_system_stops_before_its_time_limit(tmp_path):
    start = time.monotonic()
    process, _ = start_job(tmp_path, "deferred", CODETUNE_TIME_LIMITED="yes")
    assert process.wait(20) == 128 + signal.SIGTERM
    assert time.monotonic() - start > 2
    text = (tmp_path / "job.log").read_text()
    assert "the time limit of 0 minutes is near" in text
    assert "saved after SIGTERM" in text


def test_a_job_refuses_a_gpu_that_is_too_small_before_it_begins(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)  # which earlier tests may have set
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(
        "#!/bin/sh\ncase $1 in --query-gpu=index*) echo 0, GPU-aa;; --query-gpu=uuid*) echo GPU-aa, 24564;; *) "
        "echo 'GPU 0: A5000 (UUID: GPU-aa)';; esac\n"
    )
    tool.chmod(0o755)
    path = f"{tool.parent}:{os.environ['PATH']}"
    process, mark = start_job(tmp_path, "large", PATH=path)
    assert process.wait(timeout=60) == 1
    assert not mark.exists()
    (line,) = [line for line in (tmp_path / "job.log").read_text().splitlines() if line.startswith("error")]
    assert "needs 1 GPU(s) with 60 GB of memory" in line
    assert "the largest has 25.8 GB" in line


def test_a_second_signal_does_not_disturb_what_the_first_has_begun(tmp_path):
    process, mark = start_job(tmp_path, "deferred")
    wait_for(mark)
    for _ in range(20):
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.01)
    assert process.wait(10) in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    text = (tmp_path / "job.log").read_text()
    assert text.count("saved after") == 1
    assert "Traceback" not in text


def test_a_job_waits_for_an_earlier_process_of_the_same_job(tmp_path):
    first, mark = start_job(tmp_path, "long")
    wait_for(mark)
    (tmp_path / "job.log").unlink()  # as Snakemake does before a job starts
    second, mark = start_job(tmp_path, "short")
    time.sleep(2)
    assert second.poll() is None
    assert not mark.exists()
    first.kill()
    assert second.wait(30) == 0
    told = f"waiting for process {first.pid} on {socket.gethostname()} since 20"
    assert told in second.stderr.read()
    text = (tmp_path / "job.log").read_text()
    assert text.startswith(told)
    assert "to end: it writes " in text
    assert "\nbegun\ndone in" in text
    assert not list((tmp_path / "results").rglob("*.lock"))


def test_a_job_never_cuts_off_the_log_that_an_earlier_process_writes(tmp_path):
    first, mark = start_job(tmp_path, "deferred")
    wait_for(mark)
    second, _ = start_job(tmp_path, "long")
    wait_for(tmp_path / "job.log.1")
    first.terminate()
    first.wait(10)
    second.kill()
    second.wait()
    assert (tmp_path / "job.log.1").read_text().startswith("begun\nsaved after SIGTERM\nerror: stopped by SIGTERM.")


def test_the_logs_of_failed_attempts_are_kept_until_one_after_a_success_begins(tmp_path):
    log = tmp_path / "seed0.log"
    for number in range(KEPT_LOGS + 2):
        log.write_text(f"attempt {number}\nerror: x\n")
        keep_log(log)
        assert not log.exists()
    kept = [(tmp_path / f"seed0.log.{number}").read_text().split()[1] for number in range(1, KEPT_LOGS + 1)]
    assert kept == [str(number) for number in range(KEPT_LOGS + 1, 1, -1)]
    assert len(list(tmp_path.iterdir())) == KEPT_LOGS
    log.write_text("attempt 9\ndone in 1.0 s\n")
    keep_log(log)
    assert list(tmp_path.iterdir()) == []
    keep_log(log)
    for text in ("an attempt\n", "", ""):  # one that said something, and two that never started
        log.write_text(text)
        keep_log(log)
    assert [path.name for path in tmp_path.iterdir()] == ["seed0.log.1"]


@pytest.mark.parametrize("fails", [False, True])
def test_the_collector_rests_while_a_job_imports_and_leaves_out_what_it_imported(fails):
    before = gc.get_freeze_count()
    try:
        with importing():
            assert not gc.isenabled()
            made = [[] for _ in range(1000)]
            if fails:
                raise ImportError
    except ImportError:
        assert fails
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(made)
