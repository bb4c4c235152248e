"""Signs of life: what a silent log says, when, and what it never does."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from codetune.base import devices, hub, locks, progress
from codetune.base.files import sha256_of_file
from codetune.base.hub_errors import Repository
from codetune.base.progress import BYTES, Stretch, counted, doing, duration, signs_of_life
from codetune.report.checking import _perform_all
from codetune.report.origins import Check
from conftest import ROOT


def stretch_after(seconds, done, *arguments):
    """A stretch that began so long before second 1,000, and what it says then."""
    stretch = Stretch(*arguments, began=1000 - seconds)
    stretch.add(done)
    return stretch.told(1000)


@pytest.mark.parametrize(
    ("seconds", "done", "arguments", "expected"),
    [
        (60, 240, ("evaluation", "samples", 1001), "evaluation: 240 of 1,001 samples, 23 %, about 3 minutes left"),
        (60, 0, ("scoring", "samples", 2002), "scoring: 0 of 2,002 samples, 0 %"),
        (60, 2002, ("scoring", "samples", 2002), "scoring: 2,002 of 2,002 samples, 100 %"),
        (60, 2001, ("scoring", "samples", 2002), "scoring: 2,001 of 2,002 samples, 99 %, about 0 seconds left"),
        (60, 9, ("scoring", "samples", 8), "scoring: 9 of 8 samples, 112 %"),
        (200, 0, ("loading the weights",), "loading the weights: for 3 minutes so far"),
        (0, 0, ("loading the weights",), "loading the weights: for 0 seconds so far"),
        (60, 100, ("generation", "prompts", 500, 300), "generation: 400 of 500 prompts, 80 %, about 60 seconds left"),
        (
            30,
            900_000_000,
            ("download of model.safetensors", BYTES, 5_000_000_000, 300_000_000),
            "download of model.safetensors: 1.20 of 5.00 GB, 24 %, 30.0 MB/s, about 2 minutes left",
        ),
        (0, 0, ("download of a", BYTES, 5_000_000), "download of a: 0.00 of 5.00 MB, 0 %, 0.0 MB/s"),
    ],
)
def test_a_stretch_says_what_is_done_and_how_far_it_is(seconds, done, arguments, expected):
    assert stretch_after(seconds, done, *arguments) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.4, "0 seconds"),
        (1, "1 second"),
        (99.4, "99 seconds"),
        (99.6, "2 minutes"),
        (5399, "90 minutes"),
        (5400, "1.5 hours"),
        (360_000, "100.0 hours"),
    ],
)
def test_times_are_told_in_words(seconds, expected):
    assert duration(seconds) == expected


@pytest.fixture
def log(tmp_path):
    """A log that is open for writing, and a watch of it whose clock stands 3 minutes after its beginning."""
    times = iter([0.0])
    handle = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT)
    yield handle, progress._Watch(handle, lambda: next(times, 180.0)), tmp_path / "log"
    os.close(handle)


def test_a_line_comes_at_the_second_look_that_finds_nothing_new_and_then_at_every_second_one(log):
    _, watch, path = log
    found = []
    for _ in range(6):
        watch.look()
        found.append(path.read_text().count("\n"))
    assert found == [0, 1, 1, 2, 2, 3]
    assert path.read_text().splitlines() == ["at work: for 3 minutes so far"] * 3


def test_a_log_that_others_write_to_stays_as_it_is(log):
    handle, watch, path = log
    for number in range(20):
        watch.look()
        if number % 2 == 0:  # a line per two looks
            os.write(handle, b"step\n")
    assert set(path.read_text().splitlines()) == {"step"}
    watch.look()
    watch.look()
    assert path.read_text().splitlines()[-1].startswith("at work")


def test_a_line_tells_all_stretches_the_outermost_first(log):
    _, watch, path = log
    with doing("curve", "checkpoints", 12), doing("loading\nthe \x1b weights \udcff"):
        watch.look()
        watch.look()
    (line,) = path.read_text().splitlines()
    assert line.startswith("curve: 0 of 12 checkpoints, 0 %; loading\\nthe \\x1b weights \\udcff: for ")


def test_what_is_counted_is_as_far_as_its_items_are_done():
    found = []
    for item in counted("abc", "spelling", "letters"):
        (stretch,) = progress._stretches
        found.append((item, stretch.done, stretch.total))
    assert found == [("a", 0, 3), ("b", 1, 3), ("c", 2, 3)]
    assert not progress._stretches


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_ends_the_stretches_that_it_passes(error):
    def fail():
        with doing("outer"):
            for _ in counted("abc", "inner", "letters"):
                with doing("innermost"):
                    raise error

    with pytest.raises(error):
        fail()
    assert not progress._stretches


def test_a_loop_that_is_left_early_is_over():
    for _ in counted("abc", "spelling", "letters"):
        break
    assert not progress._stretches


@pytest.fixture
def hasty(monkeypatch):
    """Looks come all the time."""
    monkeypatch.setattr(progress, "LOOK", 0.001)


@pytest.mark.parametrize("ending", [None, ValueError, KeyboardInterrupt])
def test_no_line_comes_before_the_block_or_after_it_however_it_ends(tmp_path, hasty, ending):
    with (tmp_path / "log").open("w+b", buffering=0) as log:
        threads = threading.active_count()
        try:
            with doing("waiting"), signs_of_life(log.fileno()):
                deadline = time.monotonic() + 20
                while not (tmp_path / "log").stat().st_size and time.monotonic() < deadline:
                    time.sleep(0.001)
                if ending:
                    raise ending
        except (ValueError, KeyboardInterrupt):
            pass
        log.write(b"error: this is the end\n")
        time.sleep(0.05)
        assert threading.active_count() == threads
    *lines, last = (tmp_path / "log").read_text().splitlines()
    assert lines
    assert all(line.startswith("waiting: for ") for line in lines)
    assert last == "error: this is the end"


def test_nothing_comes_of_what_ends_soon(tmp_path):
    with (tmp_path / "log").open("w+b") as log:
        began = time.monotonic()
        with signs_of_life(log.fileno()), doing("waiting"):
            time.sleep(0.1)
        assert time.monotonic() - began < 5  # the end does not wait for the next look
    assert (tmp_path / "log").read_text() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_no_matter_of_the_signs(hasty, capfd):
    with Path("/dev/full").open("wb", buffering=0) as full, signs_of_life(full.fileno()):
        time.sleep(0.05)
    assert capfd.readouterr() == ("", "")


def test_a_process_without_an_error_stream_is_none_the_worse(hasty):
    handle = os.dup(1)
    os.close(handle)
    with signs_of_life(handle):
        time.sleep(0.05)


def test_hashing_says_how_far_it_is_and_gives_the_known_hash(tmp_path, stretches):
    (tmp_path / "x").write_bytes(b"abc" * 1_000_000)
    assert sha256_of_file(tmp_path / "x") == "f4096a131e7e6ebfa7a512b5c299e13b065df34d15624ee1202ab394cc4d7e90"
    assert [(one.what, one.done, one.total) for one in stretches] == [
        (f"hashing {tmp_path / 'x'}", 3_000_000, 3_000_000)
    ]


# A job whose log is looked at all the time, in which another process starts again and again, and which is told to end
# while it waits for the system.
JOB = """
    import os, sys, time
    from types import SimpleNamespace
    from codetune.base import jobs, progress
    from codetune.base.confined import Confined, ExceededError
    from pathlib import Path
    folder = Path(sys.argv[1])
    progress.LOOK = 0.0001
    job_object = SimpleNamespace(
        log=[folder / "log"], output=[folder / "results" / "output"], threads=1, params={}, resources={},
        config={"results": folder / "results", "resources": folder / "resources"},
    )
    def crash():
        os.abort()
    with jobs.job(job_object):
        for _ in progress.counted(range(50), "crashing", "processes"):
            try:
                Confined(crash)()
            except ExceededError:
                print("crashed", flush=True)
        (folder / "mark").touch()
        if sys.argv[2] == "long":
            time.sleep(60)
"""


@pytest.mark.parametrize("mode", ["short", "long"])
def test_signs_get_along_with_forks_and_signals(tmp_path, mode):
    code = textwrap.dedent(JOB)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts"), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), mode], env=environment)
    deadline = time.monotonic() + 60
    while not (tmp_path / "mark").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    if mode == "long":
        process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == (143 if mode == "long" else 0)
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines.count("crashed") == 50
    assert any(line.startswith("crashing: ") and " of 50 processes" in line for line in lines)
    assert lines[-1].startswith("error: stopped by SIGTERM" if mode == "long" else "done in")


def test_a_download_says_how_far_it_is_and_where_it_went_on(tmp_path, monkeypatch, stretches):
    """Also from a hub that sends all of the file once more, though half of it is here."""
    chunks, repo = [b"x" * 1000] * 4, Repository("org/model", "0" * 40, "model")
    found = []

    def iter_raw():
        for chunk in chunks:
            yield chunk
            found.append((stretches[-1].what, stretches[-1].done, stretches[-1].total))

    for sent, headers, first in ((200, {}, 0), (206, {"Content-Range": "bytes 4000-7999/8000"}, 4000)):
        response = SimpleNamespace(status_code=sent, headers=headers, iter_raw=iter_raw)
        monkeypatch.setattr(hub, "answer", lambda *_, response=response, **__: nullcontext(response))
        found.clear()
        file = hub.HubFile("model.safetensors", 4000 + first, "0" * 40, None)
        hub._fetch_file(repo, file, tmp_path / "model.safetensors")
        assert found == [
            ("download of model.safetensors from org/model", first + done, 4000 + first)
            for done in (1000, 2000, 3000, 4000)
        ]
        assert stretches[-1].first == first


def test_what_waits_says_for_what(tmp_path, monkeypatch, stretches):
    monkeypatch.setattr(hub, "WAITS", (0.0,))
    calls = iter([ConnectionError("gone"), None])
    repo = Repository("org/model", "0" * 40, "model")

    def call():
        if error := next(calls):
            raise error

    hub._ask_hub(repo, call)
    with locks.one_writer(tmp_path / "lock", "results/x", 0, print):
        pass
    monkeypatch.setattr(devices, "device_pool", lambda: ["0"])
    monkeypatch.setattr(devices, "_claim_together", lambda *_: {})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with devices.claim_gpus(1):
        pass
    assert [one.what for one in stretches] == [
        "waiting to ask for org/model again",
        "waiting for the process that writes results/x",
        "waiting for a free GPU",
    ]


@pytest.mark.parametrize("cores", [1, 2])
def test_a_check_of_results_says_how_far_it_is(stretches, cores):
    found = _perform_all([Check(list, []), Check(partial(list, ["wrong"]), []), Check(list, [], long=True)], cores)
    assert found == [[], ["wrong"], []]
    assert [(one.what, one.done, one.total) for one in stretches] == [("check of the results", 3, 3)]
