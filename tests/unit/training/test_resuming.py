"""A training that was cut off goes on where it was and ends with the same bytes."""

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from codetune.base.errors import StudyError
from codetune.base.files import read_json
from codetune.base.signals import Stopped
from codetune.base.unfinished import SEAL
from codetune.methods.trained import TRAINED
from codetune.training.cost import CostMeter
from codetune.training.history import evaluated_steps, log_row
from miniatures import FULL_PLAN, MODEL, PLAN, WHOLE, out_of_memory_beyond, tokens_for, trainer_for
from transformers import TrainerState
from tunings import lora

DROPOUT = replace(PLAN, tuning=lora(lora_dropout=0.1))  # so that the random numbers count


def new_trainer(checkpoints, folder, **settings):
    plan = replace(DROPOUT, settings=replace(PLAN.settings, **{"patience": 9, "epochs": 4, **settings}))
    return trainer_for(checkpoints / MODEL, folder, tokens_for(checkpoints / MODEL, 24), plan)


def outcome(trainer, folder):
    """All that a training's results are made from."""
    adapters = {path.parent.name: path.read_bytes() for path in folder.glob("work/step-*/adapter_model.safetensors")}
    state = trainer.state
    return adapters, [log_row(row) for row in state.log_history if len(log_row(row)) > 2], state.best_global_step


@pytest.fixture(scope="module")
def finished(checkpoints, tmp_path_factory):
    """A training that was not disturbed, and its folder, which nobody changes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    trainer = new_trainer(checkpoints, folder)
    trainer.run()
    return trainer, folder


@pytest.fixture(scope="module")
def undisturbed(finished):
    return outcome(*finished)


def stop_at(call):
    """Stands for a signal that comes just before the given look for one."""
    calls = 0

    def stop_if_asked():
        nonlocal calls
        calls += 1
        if calls == call:
            raise Stopped(signal.SIGTERM)

    return stop_if_asked


def run_and_stop(trainer, call, monkeypatch):
    """Runs until the given look for a signal; returns whether it was stopped."""
    from contextlib import contextmanager

    @contextmanager
    def deferred():
        yield stop_at(call)

    monkeypatch.setattr("codetune.training.trainer.signals_deferred", deferred)
    try:
        trainer.run()
    except Stopped:
        return True
    return False


@pytest.fixture(scope="module")
def stopped(checkpoints, tmp_path_factory):
    """Puts into a folder what a training left that was stopped at the given look; trained once for each look."""
    made = {}

    def put(call, folder):
        if call not in made:
            made[call] = tmp_path_factory.mktemp("stopped")
            with pytest.MonkeyPatch.context() as patch:
                assert run_and_stop(new_trainer(checkpoints, made[call]), call, patch)
        shutil.copytree(made[call], folder, dirs_exist_ok=True)

    return put


def test_the_undisturbed_training_is_long_enough_to_be_disturbed(undisturbed):
    adapters, log, best = undisturbed
    assert len(adapters) >= 4
    assert sum("loss" in row for row in log) >= 8
    assert best is not None


@pytest.mark.parametrize("call", [1, 3, 4, 8, 9, 18, 31])
def test_a_training_stopped_anywhere_goes_on_to_the_same_bytes(
    checkpoints, tmp_path, undisturbed, stopped, monkeypatch, call
):
    """Between micro-batches, before the first step and in the middle of evaluations, and again in the next attempt."""
    stopped(call, tmp_path)
    run_and_stop(new_trainer(checkpoints, tmp_path), 5, monkeypatch)
    trainer = new_trainer(checkpoints, tmp_path)
    assert not run_and_stop(trainer, 10**6, monkeypatch)
    assert outcome(trainer, tmp_path) == undisturbed


def test_that_a_training_was_not_deterministic_is_remembered(checkpoints, tmp_path, monkeypatch):
    """The facts speak of all attempts, also where the last one finds nothing."""
    first = new_trainer(checkpoints, tmp_path)
    monkeypatch.setattr(first, "_twice_the_same", lambda _: [True, False])
    assert run_and_stop(first, 8, monkeypatch)
    last = new_trainer(checkpoints, tmp_path)
    assert not run_and_stop(last, 10**6, monkeypatch)
    assert (first.deterministic, last.deterministic) == (False, False)


OFTEN = {"evaluations_per_epoch": 3}


@pytest.fixture(scope="module")
def evaluated_often(checkpoints, tmp_path_factory):
    folder = tmp_path_factory.mktemp("often")
    trainer = new_trainer(checkpoints, folder, **OFTEN)
    trainer.run()
    return outcome(trainer, folder)


@pytest.mark.parametrize("call", [6, 9, 10])
def test_a_stop_in_an_evaluation_within_an_epoch_is_made_up_for(
    checkpoints, tmp_path, evaluated_often, monkeypatch, call
):
    """The library takes up the random numbers where it is within an epoch, after that evaluation has been done."""
    assert run_and_stop(new_trainer(checkpoints, tmp_path, **OFTEN), call, monkeypatch)
    trainer = new_trainer(checkpoints, tmp_path, **OFTEN)
    run_and_stop(trainer, 10**6, monkeypatch)
    assert outcome(trainer, tmp_path) == evaluated_often


def test_the_places_of_the_stops_are_of_all_kinds(stopped, tmp_path):
    """Holds the test above to what it says: some stops lie in evaluations that are due, some in steps."""
    pending = set()
    for call in (3, 4, 8, 9):
        folder = tmp_path / str(call)
        stopped(call, folder)
        for state in folder.glob("work/state-*"):
            facts = json.loads((state / "trainer_state.json").read_text())
            due = facts["global_step"] % 3 == 0
            pending.add(due and facts["global_step"] not in evaluated_steps(facts["log_history"]))
    assert pending == {True, False}


def damaged(path, how):
    if how == "cut off":
        os.truncate(path, path.stat().st_size // 2)
    elif how == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["cut off", "empty", "missing"])
@pytest.mark.parametrize("name", ["optimizer.pt", TRAINED, "trainer_state.json", SEAL])
def test_a_damaged_state_is_not_used(checkpoints, tmp_path, stopped, monkeypatch, capsys, name, how):
    stopped(20, tmp_path)
    (state,) = tmp_path.glob("work/state-*")
    damaged(state / name, how)
    trainer = new_trainer(checkpoints, tmp_path)
    assert run_and_stop(trainer, 1, monkeypatch)
    printed = capsys.readouterr().out
    assert f"{state.name} is damaged: not used" in printed
    assert "going on after" not in printed
    assert trainer.state.global_step == 0
    assert not state.exists()


@pytest.mark.parametrize("place", ["work/state-*/optimizer.pt", "work/step-*/adapter_model.safetensors"])
def test_a_training_begins_anew_if_its_state_or_an_adapter_kept_before_is_damaged(
    checkpoints, tmp_path, undisturbed, stopped, monkeypatch, place
):
    stopped(20, tmp_path)
    damaged(next(tmp_path.glob(place)), "cut off")
    trainer = new_trainer(checkpoints, tmp_path)
    run_and_stop(trainer, 10**6, monkeypatch)
    assert outcome(trainer, tmp_path) == undisturbed


def test_only_the_last_state_and_the_adapters_are_kept(finished, undisturbed):
    _, folder = finished
    kinds = [path.name.split("-")[0] for path in (folder / "work").iterdir()]
    assert kinds.count("state") == 1
    assert kinds.count("step") == len(undisturbed[0])
    assert not list(folder.rglob("*.tmp"))
    for step in folder.glob("work/step-*"):
        assert not list(step.glob("*.pt"))


def test_a_finished_training_is_not_trained_on(checkpoints, tmp_path, finished, undisturbed):
    """Killed after its last step, before the results were in place."""
    shutil.copytree(finished[1], tmp_path, dirs_exist_ok=True)
    trainer = new_trainer(checkpoints, tmp_path)
    trainer.training_step = None
    trainer.run()
    assert outcome(trainer, tmp_path) == undisturbed


def test_time_and_energy_add_up_over_attempts(checkpoints, tmp_path, monkeypatch):
    counter = iter(range(0, 10**6, 100))
    monkeypatch.setattr("codetune.training.build.CostMeter", lambda: CostMeter(energy=lambda: float(next(counter))))
    assert run_and_stop(new_trainer(checkpoints, tmp_path), 8, monkeypatch)
    (state,) = tmp_path.glob("work/state-*")
    before = json.loads((state / "progress.json").read_text())["spent"]
    trainer = new_trainer(checkpoints, tmp_path)
    run_and_stop(trainer, 8, monkeypatch)
    spent = trainer.meter.spent()
    assert 0 < before["joules"] < spent.joules
    assert spent.seconds > before["seconds"]
    assert spent.evaluation_seconds >= before["evaluation_seconds"]


def test_early_stopping_survives_a_stop(checkpoints, tmp_path, monkeypatch):
    """With a learning rate that spoils the model: the evaluations without improvement count over attempts."""
    spoilt = {"learning_rate": 3.0, "patience": 2}
    whole = new_trainer(checkpoints, tmp_path / "whole", **spoilt)
    whole.run()
    assert whole.state.global_step < whole.state.max_steps
    for call in (14, 20):
        folder = tmp_path / str(call)
        assert run_and_stop(new_trainer(checkpoints, folder, **spoilt), call, monkeypatch)
        for _ in range(2):  # the second time it is over before it begins
            trainer = new_trainer(checkpoints, folder, **spoilt)
            run_and_stop(trainer, 10**6, monkeypatch)
            assert repr(outcome(trainer, folder)) == repr(outcome(whole, tmp_path / "whole"))  # holds losses of nan


def test_the_limit_that_was_found_holds_in_the_next_attempt(checkpoints, tmp_path, monkeypatch):
    trainer = new_trainer(checkpoints, tmp_path)
    out_of_memory_beyond(trainer.model, 1)
    assert run_and_stop(trainer, 8, monkeypatch)
    trainer = new_trainer(checkpoints, tmp_path)
    seen = out_of_memory_beyond(trainer.model, 1)
    run_and_stop(trainer, 8, monkeypatch)
    assert set(seen) == {1}


def lose_the_optimizer(trainer, monkeypatch):
    monkeypatch.setattr(trainer, "_load_optimizer_and_scheduler", lambda checkpoint: None)


def lose_the_weights(trainer, monkeypatch):
    monkeypatch.setattr(trainer, "_load_from_checkpoint", lambda *arguments, **options: None)


def lose_the_step(trainer, monkeypatch):
    loaded = TrainerState.load_from_json

    def load(path):
        state = loaded(path)
        state.global_step -= 1
        return state

    monkeypatch.setattr(TrainerState, "load_from_json", load)


def change_the_state_meanwhile(trainer, monkeypatch):
    load = trainer._load_from_checkpoint

    def load_and_change(checkpoint, *arguments, **options):
        load(checkpoint, *arguments, **options)
        (Path(checkpoint) / "optimizer.pt").write_bytes(b"another's")

    monkeypatch.setattr(trainer, "_load_from_checkpoint", load_and_change)
    lose_the_optimizer(trainer, monkeypatch)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lose_the_optimizer, "the optimizer stands at step 0, the state at 3"),
        (lose_the_weights, r"\d+ of \d+ weights are not those of the state"),
        (lose_the_step, "the training stands at step 2, the state at 3"),
        (change_the_state_meanwhile, "it has changed since it was checked"),
    ],
)
def test_what_is_not_taken_up_as_it_was_saved_is_not_used(checkpoints, tmp_path, stopped, monkeypatch, fault, message):
    """A second process in the same folder once left weights without the optimizer that belongs to them."""
    stopped(11, tmp_path)
    (state,) = tmp_path.glob("work/state-*")
    assert read_json(state / "trainer_state.json")["global_step"] == 3
    trainer = new_trainer(checkpoints, tmp_path)
    fault(trainer, monkeypatch)
    with pytest.raises(StudyError, match=f"{state.name}: what was loaded is not what was saved .{message}"):
        run_and_stop(trainer, 10**6, monkeypatch)


def test_a_training_says_how_far_it_is_also_within_a_step_and_an_evaluation(checkpoints, tmp_path, stretches):
    trainer = new_trainer(checkpoints, tmp_path, epochs=1)
    assert {"choice of the attention", "trial of the loss"} <= {one.what for one in stretches}
    stretches.clear()
    trainer.run()
    found = {one.what: one for one in stretches}
    assert "trial of a step" in found
    training, evaluation = found["training"], found["evaluation"]
    assert training.total == trainer.state.max_steps * trainer.args.gradient_accumulation_steps
    assert trainer.state.max_steps <= training.done <= training.total
    samples = sum(map(len, trainer.eval_dataset["seq_lengths"]))
    assert (evaluation.done, evaluation.total) == (samples, samples)


WHOLE_MODEL = {
    "full": {"optimizer": "adafactor", "precision": "float32"},
    "full, 8 bits": {"optimizer": "adamw_8bit", "precision": "float32"},
    "full, rounded": {"optimizer": "adamw", "precision": "bfloat16"},
}


@pytest.mark.parametrize("kind", WHOLE_MODEL)
def test_a_whole_model_s_training_goes_on_to_the_same_bytes(checkpoints, tmp_path, monkeypatch, kind):
    """Its fp32 weights, each optimizer's state, the random numbers of the rounding, and which checkpoints are kept."""

    def new(folder):
        settings = replace(PLAN.settings, patience=9, epochs=3, warmup_steps=0.2, **WHOLE_MODEL[kind])
        compute = "float32" if settings.precision == "float32" else "bfloat16"
        plan = replace(FULL_PLAN, quantization=replace(WHOLE, compute_dtype=compute), settings=settings)
        trainer = trainer_for(checkpoints / MODEL, folder, tokens_for(checkpoints / MODEL, 24), plan)
        trainer.states.budget = 3.5 * trainer.model.config.dtype.itemsize * trainer.model.num_parameters()
        return trainer

    def result(trainer, folder):
        weights = {path.parent.name: path.read_bytes() for path in folder.glob("work/step-*/model.safetensors")}
        return weights, [log_row(row) for row in trainer.state.log_history if len(log_row(row)) > 2]

    whole = new(tmp_path / "whole")
    whole.run()
    expected = result(whole, tmp_path / "whole")
    assert [len(expected[0]), sum("eval_loss" in row for row in expected[1])] == [2, 1 + 3], "not all have room"
    folder = tmp_path / "stopped"
    assert run_and_stop(new(folder), 13, monkeypatch)
    last = new(folder)
    assert not run_and_stop(last, 10**6, monkeypatch)
    assert last._saved is not None, "it went on, and did not begin anew"
    assert result(last, folder) == expected
