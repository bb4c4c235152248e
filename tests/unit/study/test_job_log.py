"""How far a job is, read from the lines that jobs write."""

from types import SimpleNamespace

import pytest
from codetune.base.progress import BYTES, Stretch
from codetune.study.job_log import Progress, read_progress
from codetune.training import progress
from codetune.training.cost import CostMeter
from codetune.training.validation import Validation


def read(tmp_path, *lines):
    log = tmp_path / "seed0.log"
    log.write_text("".join(f"{line}\n" for line in lines))
    return read_progress(log)


def told(what, done=0, seconds=60.0, **options):
    stretch = Stretch(what, began=1000 - seconds, **options)
    stretch.add(done)
    return stretch.told(1000)


def test_the_lines_of_a_training_are_read_as_they_are_written(tmp_path, monkeypatch, capsys):
    clock = SimpleNamespace(value=100.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.value))
    monkeypatch.setattr(progress, "memory_in_words", lambda: "11.3 GiB of GPU memory")
    meter = CostMeter(clock=lambda: clock.value, energy=lambda: None)
    callback = progress.Progress(Validation(0, interval=5, patience=None), meter)
    state = SimpleNamespace(global_step=0, max_steps=20, log_history=[])
    callback.on_train_begin(None, state, None)
    for step in range(1, 6):
        clock.value += 10
        state.global_step = step
        state.log_history.append({"step": step, "loss": 2.0 - step / 10, "num_tokens": 5000.0 * step})
        callback.on_log(None, state, None)
    with meter.evaluating():
        clock.value += 30
    state.log_history.append({"step": 5, "eval_loss": 1.75})
    callback.on_log(None, state, None)
    found = read(tmp_path, "GPUs of this job: GPU-1, GPU-2", *capsys.readouterr().out.splitlines())
    assert found.doing == "training"
    assert found.share == 5 / 20
    assert found.loss == "1.5"
    assert found.speed == "500 tokens/s"
    assert found.left == "4 minutes"
    assert found.memory == "11.3 GiB"
    assert found.gpus == "GPU-1, GPU-2"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (told("scoring", 240, unit="samples", total=1001), {"doing": "scoring", "share": 0.23, "left": "3 minutes"}),
        (told("downloading x", 5 * 10**8, unit=BYTES, total=2 * 10**9), {"share": 0.25, "speed": "8.3 MB/s"}),
        (told("loading the weights"), {"doing": "loading the weights", "share": None}),
        (
            f"{told('training', 15, unit='micro-batches', total=60)}; {told('evaluation', 1, unit='samples', total=4)}",
            {"doing": "evaluation", "share": 0.25, "left": "3 minutes"},
        ),
        (
            f"{told('generation', 100, unit='prompts', total=200)}, 1,234 tokens/s, 9.1 GiB of GPU memory",
            {"doing": "generation", "share": 0.5, "speed": "1,234 tokens/s", "memory": "9.1 GiB"},
        ),
        (
            f"{told('generation', 0, unit='prompts', total=200)}; {told('a batch', 1, unit='tokens', total=4)}",
            {"doing": "a batch", "share": 0.0, "left": ""},  # the time left is that of the batch
        ),
        ("waiting for 1 of 4 GPU(s) to become free", {"waits": True}),
    ],
)
def test_signs_of_life_are_read_as_they_are_written(tmp_path, line, expected):
    found = read(tmp_path, line)
    assert {key: getattr(found, key) for key in expected} == expected
    assert found.last == line


def test_nothing_is_known_without_a_log_or_of_an_empty_or_odd_one(tmp_path):
    assert read_progress(tmp_path / "missing.log") == Progress()
    assert read(tmp_path) == Progress()
    assert (
        read(tmp_path, "\udcff".encode(errors="surrogateescape").decode(errors="replace"), ":;: of , %").share is None
    )


def test_of_a_log_of_many_megabytes_the_newest_lines_are_read(tmp_path):
    lines = [told("scoring", count, unit="samples", total=100_000) for count in range(0, 100_000, 2)]
    assert read(tmp_path, "GPUs of this job: GPU-7", *lines).share == 0.99
    assert read(tmp_path, "GPUs of this job: GPU-7", *lines).gpus == "GPU-7"
