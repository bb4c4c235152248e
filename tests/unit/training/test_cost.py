"""Time and energy of a training, by a clock and a counter of the test's own."""

from types import SimpleNamespace

import pytest
from codetune.training import progress
from codetune.training.cost import CostMeter, Spent
from codetune.training.progress import Progress, expected_time
from codetune.training.validation import Validation


class Counter:
    """A clock, or a counter of energy, that the test turns on."""

    def __init__(self, value=1000.0):
        self.value = value

    def __call__(self):
        return self.value


@pytest.fixture
def clock():
    return Counter()


@pytest.fixture
def energy():
    return Counter(5e6)


@pytest.fixture
def meter(clock, energy):
    return CostMeter(clock, energy)


def test_evaluations_are_part_of_the_time_and_counted_apart(meter, clock):
    clock.value += 10
    for _ in range(2):
        with meter.evaluating():
            clock.value += 3
    assert meter.spent() == Spent(seconds=16.0, evaluation_seconds=6.0, joules=0.0)


def test_what_earlier_attempts_used_is_added(meter, clock, energy):
    clock.value += 7
    meter.start(Spent(seconds=100.0, evaluation_seconds=20.0, joules=3000.0))
    with meter.evaluating():
        clock.value += 2
        energy.value += 40.5
    assert meter.spent() == Spent(seconds=102.0, evaluation_seconds=22.0, joules=3040.5)


def test_an_evaluation_that_is_cut_off_counts_too(meter, clock):
    with pytest.raises(KeyboardInterrupt), meter.evaluating():
        clock.value += 4
        raise KeyboardInterrupt
    assert meter.spent().evaluation_seconds == 4.0


@pytest.mark.parametrize(("first", "last"), [(None, None), (None, 9.0), (9.0, None)])
def test_energy_that_is_not_measured_throughout_is_none(meter, energy, first, last):
    energy.value = first
    meter.start(Spent(joules=50.0))
    energy.value = last
    assert meter.spent().joules == 50.0


def test_what_is_spent_is_rounded_to_a_tenth(meter, clock, energy):
    clock.value += 1.26
    energy.value += 0.04
    assert meter.spent() == Spent(seconds=1.3, evaluation_seconds=0.0, joules=0.0)


@pytest.mark.parametrize(
    ("parameters", "tokens", "rate", "expected"),
    [
        (134_515_008, 45_000, 225e9, "45,000 tokens through 134.5 million parameters, about 4 minutes"),
        (1_235_814_400, 85_000_000, 174e9, "85,000,000 tokens through 1,235.8 million parameters, about 1341.6 hours"),
        (1_235_814_400, 85_000_000, 1e9, "about 233431.6 hours"),
        (600_000, 1_000, 100e9, "about 0 seconds"),
    ],
)
def test_the_time_of_a_training_on_a_cpu_is_said_in_advance(parameters, tokens, rate, expected):
    assert expected in expected_time(parameters, tokens, rate)


def test_what_is_computed_again_takes_time():
    assert "about 5 minutes" in expected_time(134_515_008, 45_000, 225e9, recomputed=True)


def test_what_is_left_of_a_training_includes_the_validations_to_come(meter, clock, monkeypatch, capsys):
    """Steps of 10 seconds, 6 of which were done before, and validations of 200 seconds each."""
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr(progress, "memory_in_words", lambda: "1.1 GiB of process memory")
    meter.start(Spent(evaluation_seconds=400.0))
    told = Progress(Validation(0, interval=5, patience=None), meter)
    history = [{"step": step, "eval_loss": 1.0} for step in (0, 5)]
    state = SimpleNamespace(global_step=6, max_steps=12, log_history=history)
    told.on_train_begin(None, state, None)
    for step in range(7, 13):
        clock.value += 10
        state.global_step = step
        history.append({"step": step, "loss": 1.0})
        told.on_log(None, state, None)
        if step in (10, 12):
            with meter.evaluating():
                clock.value += 200
            history.append({"step": step, "eval_loss": 1.0})
            told.on_log(None, state, None)
    said = [
        line.partition("[")[2].replace(", 1.1 GiB of process memory", "")
        for line in capsys.readouterr().out.splitlines()
    ]
    assert said == [
        "10 seconds so far, at most 8 minutes left]",
        "20 seconds so far, at most 7 minutes left]",
        "30 seconds so far, at most 7 minutes left]",
        "40 seconds so far, at most 7 minutes left]",
        "4 minutes so far, at most 4 minutes left]",
        "4 minutes so far, at most 4 minutes left]",
        "4 minutes so far, at most 3 minutes left]",
        "8 minutes so far, at most 0 seconds left]",
    ]
