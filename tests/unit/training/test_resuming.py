"""Work that was cut off goes on where it was and ends with the same bytes; memory that runs out costs no work."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.base.files import append_jsonl, read_json, recover_jsonl, write_json
from codetune.base.jobs import KEPT_LOGS, keep_log
from codetune.base.signals import Stopped
from codetune.base.unfinished import SEAL, is_whole, save_sealed, unfinished_work
from codetune.generation.batches import generate
from codetune.generation.generate import prompt_limit
from codetune.models.loading import load_base
from codetune.models.memory import RowLimit
from codetune.models.tokenizers import load_tokenizer
from codetune.training.history import evaluated_steps, log_row
from conftest import ROOT
from test_learning import FP32, GENERATION, LORA, TRAINING, tokens_for, trainer_for
from transformers import TrainerState

MODEL = "llama-3.2-1b"
DROPOUT = {"lora": {**LORA, "dropout": 0.1}}  # so that the random numbers count


def new_trainer(checkpoints, folder, **training):
    settings = {**DROPOUT, "training": {**TRAINING, "patience": 9, **training}}
    return trainer_for(checkpoints / MODEL, folder, tokens_for(checkpoints / MODEL, 24), settings=settings, epochs=4)


def outcome(trainer, folder):
    """All that a training's results are made from."""
    adapters = {path.parent.name: path.read_bytes() for path in folder.glob("work/step-*/adapter_model.safetensors")}
    state = trainer.state
    return adapters, [log_row(row) for row in state.log_history if len(log_row(row)) > 2], state.best_global_step


@pytest.fixture(scope="module")
def undisturbed(checkpoints, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    trainer = new_trainer(checkpoints, folder)
    trainer.run()
    return outcome(trainer, folder)


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

    monkeypatch.setattr("codetune.training.signals_deferred", deferred)
    try:
        trainer.run()
    except Stopped:
        return True
    return False


def test_the_undisturbed_training_is_long_enough_to_be_disturbed(undisturbed):
    adapters, log, best = undisturbed
    assert len(adapters) >= 4
    assert sum("loss" in row for row in log) >= 8
    assert best is not None


@pytest.mark.parametrize("call", [1, 3, 4, 8, 9, 18, 31])
def test_a_training_stopped_anywhere_goes_on_to_the_same_bytes(checkpoints, tmp_path, undisturbed, monkeypatch, call):
    """Between micro-batches, before the first step and in the middle of evaluations, and again in the next attempt."""
    assert run_and_stop(new_trainer(checkpoints, tmp_path), call, monkeypatch)
    run_and_stop(new_trainer(checkpoints, tmp_path), 5, monkeypatch)
    trainer = new_trainer(checkpoints, tmp_path)
    assert not run_and_stop(trainer, 10**6, monkeypatch)
    assert outcome(trainer, tmp_path) == undisturbed


@pytest.mark.parametrize("call", [6, 9, 10])
def test_a_stop_in_an_evaluation_within_an_epoch_is_made_up_for(checkpoints, tmp_path, monkeypatch, call):
    """The library takes up the random numbers where it is within an epoch, after that evaluation has been done."""
    often = {"evaluations_per_epoch": 3}
    whole = new_trainer(checkpoints, tmp_path / "whole", **often)
    whole.run()
    assert run_and_stop(new_trainer(checkpoints, tmp_path / "cut", **often), call, monkeypatch)
    trainer = new_trainer(checkpoints, tmp_path / "cut", **often)
    run_and_stop(trainer, 10**6, monkeypatch)
    assert outcome(trainer, tmp_path / "cut") == outcome(whole, tmp_path / "whole")


def test_the_places_of_the_stops_are_of_all_kinds(checkpoints, tmp_path, monkeypatch):
    """Holds the test above to what it says: some stops lie in evaluations that are due, some in steps."""
    pending = set()
    for call in (3, 4, 8, 9):
        folder = tmp_path / str(call)
        run_and_stop(new_trainer(checkpoints, folder), call, monkeypatch)
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
@pytest.mark.parametrize("name", ["optimizer.pt", "adapter_model.safetensors", "trainer_state.json", SEAL])
def test_a_damaged_state_is_not_used(checkpoints, tmp_path, undisturbed, monkeypatch, capsys, name, how):
    run_and_stop(new_trainer(checkpoints, tmp_path), 20, monkeypatch)
    (state,) = tmp_path.glob("work/state-*")
    damaged(state / name, how)
    trainer = new_trainer(checkpoints, tmp_path)
    run_and_stop(trainer, 10**6, monkeypatch)
    assert f"{state.name} is damaged: not used" in capsys.readouterr().out
    assert outcome(trainer, tmp_path) == undisturbed


def test_a_state_is_not_used_if_an_adapter_kept_before_it_is_damaged(checkpoints, tmp_path, undisturbed, monkeypatch):
    run_and_stop(new_trainer(checkpoints, tmp_path), 20, monkeypatch)
    damaged(next(tmp_path.glob("work/step-*")) / "adapter_model.safetensors", "cut off")
    trainer = new_trainer(checkpoints, tmp_path)
    run_and_stop(trainer, 10**6, monkeypatch)
    assert outcome(trainer, tmp_path) == undisturbed


def test_only_the_last_state_and_the_adapters_are_kept(checkpoints, tmp_path, undisturbed):
    trainer = new_trainer(checkpoints, tmp_path)
    trainer.run()
    kinds = [path.name.split("-")[0] for path in (tmp_path / "work").iterdir()]
    assert kinds.count("state") == 1
    assert kinds.count("step") == len(undisturbed[0])
    assert not list(tmp_path.rglob("*.tmp"))
    for folder in tmp_path.glob("work/step-*"):
        assert not list(folder.glob("*.pt"))


def test_a_finished_training_is_not_trained_on(checkpoints, tmp_path, undisturbed):
    """Killed after its last step, before the results were in place."""
    new_trainer(checkpoints, tmp_path).run()
    trainer = new_trainer(checkpoints, tmp_path)
    trainer.stop_if_asked = None
    trainer.run()
    assert outcome(trainer, tmp_path) == undisturbed


def test_time_and_energy_add_up_over_attempts(checkpoints, tmp_path, monkeypatch):
    counter = iter(range(0, 10**6, 100))
    monkeypatch.setattr("codetune.records.gpu_joules", lambda: float(next(counter)))
    assert run_and_stop(new_trainer(checkpoints, tmp_path), 20, monkeypatch)
    (state,) = tmp_path.glob("work/state-*")
    before = json.loads((state / "progress.json").read_text())["spent"]
    trainer = new_trainer(checkpoints, tmp_path)
    run_and_stop(trainer, 10**6, monkeypatch)
    spent = trainer.spent()
    assert 0 < before["joules"] < spent["joules"]
    assert spent["seconds"] > before["seconds"]
    assert spent["evaluation_seconds"] >= before["evaluation_seconds"]


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


# --- Memory ----------------------------------------------------------------------------------------------------------


def out_of_memory_beyond(model, rows, count_of=lambda inputs: math.ceil(inputs["input_ids"].shape[1] / 128)):
    """Makes the model fail as CUDA does when it gets more rows of up to 128 tokens than this."""
    calls = []
    forward = model.forward

    def limited(*arguments, **inputs):
        count = count_of(inputs)
        calls.append(count)
        if count > rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...")
        return forward(*arguments, **inputs)

    model.forward = limited
    return calls


def gradients(trainer, batches):
    trainer.model.zero_grad()
    items = sum((batch["labels"][:, 1:] != -100).sum() for batch in batches)
    losses = [trainer.training_step(trainer.model, batch, items).item() for batch in batches]
    return losses, [p.grad.clone() for p in trainer.model.parameters() if p.requires_grad]


def test_a_smaller_micro_batch_gives_the_same_gradients(checkpoints, tmp_path, capsys):
    samples = tokens_for(checkpoints / MODEL, 24)
    trainer = trainer_for(checkpoints / MODEL, tmp_path, samples, micro_batch=4)
    rows = list(trainer.train_dataset)
    batches = [trainer.data_collator(rows[start : start + 4]) for start in (0, 4)]
    assert [len(batch["seq_lengths"]) for batch in batches] == [4, 4]
    losses, expected = gradients(trainer, batches)
    seen = out_of_memory_beyond(trainer.model, 1)
    found_losses, found = gradients(trainer, batches)
    assert found_losses == pytest.approx(losses, rel=1e-5)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)
    assert seen[:2] == [4, 2]
    assert set(seen[2:]) == {1}  # the limit holds from then on
    assert trainer.limit.rows == 1
    text = capsys.readouterr().out
    assert "out of memory with 4 sequences at once: going on with 2 (CUDA out of memory)" in text


def test_gradients_of_a_part_that_had_been_added_are_taken_back(checkpoints, tmp_path):
    """Memory may run out in the second part of a micro-batch, when the first has been added already."""
    trainer = trainer_for(checkpoints / MODEL, tmp_path, tokens_for(checkpoints / MODEL, 24), micro_batch=4)
    rows = list(trainer.train_dataset)
    batches = [trainer.data_collator(rows[start : start + 4]) for start in (0, 4)]
    _, expected = gradients(trainer, batches)
    trainer.limit.rows = 2
    forward, calls = trainer.model.forward, []

    def fails_once(*arguments, **inputs):
        calls.append(math.ceil(inputs["input_ids"].shape[1] / 128))
        if len(calls) == 4:  # the second part of the second micro-batch
            raise torch.OutOfMemoryError("CUDA out of memory. ")
        return forward(*arguments, **inputs)

    trainer.model.forward = fails_once
    _, found = gradients(trainer, batches)
    assert calls == [2, 2, 2, 2, 1, 1, 1, 1]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


def test_the_limit_that_was_found_holds_in_the_next_attempt(checkpoints, tmp_path, monkeypatch):
    trainer = new_trainer(checkpoints, tmp_path)
    out_of_memory_beyond(trainer.model, 1)
    assert run_and_stop(trainer, 20, monkeypatch)
    trainer = new_trainer(checkpoints, tmp_path)
    seen = out_of_memory_beyond(trainer.model, 1)
    run_and_stop(trainer, 10**6, monkeypatch)
    assert set(seen) == {1}


def test_one_row_that_does_not_fit_is_an_error():
    limit = RowLimit(4, "sequences", "Do this.")

    def compute(rows):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate much.")

    with pytest.raises(
        StudyError, match=r"one of the sequences alone does not fit .*\(CUDA out of memory\)\. Do this\."
    ):
        limit.map(compute, 3, undo=lambda: None)


def test_generation_goes_on_with_fewer_prompts_at_once(checkpoints, tmp_path, capsys):
    model, tokenizer = load_base(checkpoints / MODEL, FP32), load_tokenizer(checkpoints / MODEL)
    prompts = tokens_for(checkpoints / MODEL, 9)
    expected = generate(model, tokenizer, prompts, GENERATION, prompt_limit(GENERATION), tmp_path / "a")
    seen = out_of_memory_beyond(model, 3, lambda inputs: len(inputs["input_ids"]))
    limit = prompt_limit(GENERATION)
    assert generate(model, tokenizer, prompts, GENERATION, limit, tmp_path / "b") == expected
    assert limit.rows == 2
    assert max(seen[2:]) == 2
    assert "out of memory with 8 prompts at once: going on with 4" in capsys.readouterr().out


# --- Generation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tail", [b"", b'{"seconds": 1.0, "predic', b"\0\0\0\0", b"[]\n", b"\xff\n"])
def test_generation_goes_on_after_the_last_whole_batch(checkpoints, tmp_path, capsys, tail):
    model, tokenizer = load_base(checkpoints / MODEL, FP32), load_tokenizer(checkpoints / MODEL)
    prompts = tokens_for(checkpoints / MODEL, 9)
    settings = {**GENERATION, "batch_size": 2}
    kept = tmp_path / "kept"
    expected = generate(model, tokenizer, prompts, settings, prompt_limit(settings), kept)
    lines = kept.read_bytes().splitlines(keepends=True)
    assert len(lines) == 5
    kept.write_bytes(b"".join(lines[:3]) + tail)
    seen = []
    forward = model.forward
    model.forward = lambda *a, **k: seen.append(len(k["input_ids"])) or forward(*a, **k)
    assert generate(model, tokenizer, prompts, settings, prompt_limit(settings), kept) == expected
    assert "going on after 6 of 9 prompts" in capsys.readouterr().out
    assert 0 < len(seen) <= 2 * GENERATION["max_new_tokens"]
    assert len(kept.read_bytes().splitlines()) == 5


def test_rows_are_recovered_up_to_the_first_broken_one(tmp_path):
    rows = [{"a": "ü"}, {"b": 2}]
    append_jsonl(tmp_path / "x", rows[:1])
    append_jsonl(tmp_path / "x", rows[1:])
    with (tmp_path / "x").open("ab") as stream:
        stream.write(b'{"c": \n{"d": 4}\n')
    assert recover_jsonl(tmp_path / "x") == rows
    append_jsonl(tmp_path / "x", [{"e": 5}])
    assert recover_jsonl(tmp_path / "x") == [*rows, {"e": 5}]
    assert recover_jsonl(tmp_path / "none") == []


# --- The folder of unfinished work -----------------------------------------------------------------------------------

IDENTITY = {"settings": {"rate": 0.1, "modules": ("a", "b")}, "data": {"train": "ab"}, "code": "c"}


def leave(folder, identity=IDENTITY):
    with pytest.raises(KeyboardInterrupt), unfinished_work(folder, identity) as work:
        (work / "something").write_text("done so far")
        raise KeyboardInterrupt


def test_what_an_attempt_left_is_there_for_the_next_and_gone_in_the_end(tmp_path):
    folder = tmp_path / "unfinished" / "finetune"
    leave(folder)
    with unfinished_work(folder, IDENTITY) as work:
        assert (work / "something").read_text() == "done so far"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", [("settings", {"rate": 0.2}), ("data", {"train": "xy"}), ("code", "d"), ("more", 1)])
def test_what_was_done_for_something_else_is_not_used(tmp_path, capsys, part):
    folder = tmp_path / "unfinished" / "finetune"
    leave(folder)
    with unfinished_work(folder, {**IDENTITY, part[0]: part[1]}) as work:
        assert not (work / "something").exists()
    assert f"unfinished work discarded: {part[0]} changed since" in capsys.readouterr().out


def test_a_folder_without_its_description_is_not_used(tmp_path):
    folder = tmp_path / "unfinished" / "finetune"
    leave(folder)
    (folder / "identity.json").write_bytes(b"")
    with unfinished_work(folder, IDENTITY) as work:
        assert not (work / "something").exists()


def test_another_stage_s_work_is_left_alone(tmp_path):
    leave(tmp_path / "unfinished" / "curve")
    with unfinished_work(tmp_path / "unfinished" / "generate", IDENTITY):
        pass
    assert [path.name for path in (tmp_path / "unfinished").iterdir()] == ["curve"]


def test_a_seal_shows_any_change(tmp_path):
    def write(folder):
        write_json(folder / "a.json", {"a": 1})
        (folder / "b").write_bytes(bytes(100))

    save_sealed(tmp_path / "x", write)
    assert is_whole(tmp_path / "x")
    (tmp_path / "x" / "b").write_bytes(bytes(99) + b"1")
    assert not is_whole(tmp_path / "x")
    assert not is_whole(tmp_path / "none")


# --- Signals ---------------------------------------------------------------------------------------------------------

JOB = """
    import os, sys, time
    import codetune.jobs
    from types import SimpleNamespace
    from codetune.base.jobs import job
    from codetune.base.signals import signals_deferred
    from pathlib import Path
    log, mark, mode = sys.argv[1:]
    codetune.jobs.TIME_TO_SAVE = 1
    folder = Path(log).parent
    job_object = SimpleNamespace(
        log=[log],
        output=[folder / "results" / "output"],
        config={"results": folder / "results", "resources": folder / "resources"},
        threads=1,
        params={},
        resources={"runtime": 3 / 60},
    )
    with job(job_object):
        print("begun", flush=True)
        Path(mark).touch()
        if mode == "deferred":
            with signals_deferred() as stop_if_asked:
                while True:
                    time.sleep(0.05)
                    try:
                        stop_if_asked()
                    except BaseException as stop:
                        print(f"saved after {stop}", flush=True)
                        raise
        time.sleep(60 if mode == "long" else 0)
"""


def start_job(folder, mode, parent=None, **more):
    mark = folder / f"{mode}{time.monotonic_ns()}"
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("mode", ["long", "deferred"])
def test_a_signal_ends_a_job_with_one_line(tmp_path, number, mode):
    process, mark = start_job(tmp_path, mode)
    wait_for(mark)
    process.send_signal(number)
    assert process.wait(10) == 128 + number
    text = (tmp_path / "job.log").read_text()
    assert text.endswith(f"error: stopped by {number.name}. The same command goes on from what is saved.\n")
    assert ("saved after" in text) == (mode == "deferred")
    assert "Traceback" not in text


def test_a_job_ends_with_the_workflow_that_started_it(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    process, mark = start_job(tmp_path, "deferred", parent.pid)
    wait_for(mark)
    assert process.poll() is None
    parent.kill()
    parent.wait()
    assert process.wait(10) == 128 + signal.SIGTERM
    assert "saved after SIGTERM" in (tmp_path / "job.log").read_text()


def test_a_job_of_a_batch_system_stops_before_its_time_limit(tmp_path):
    start = time.monotonic()
    process, _ = start_job(tmp_path, "deferred", CODETUNE_TIME_LIMITED="yes")
    assert process.wait(20) == 128 + signal.SIGTERM
    assert time.monotonic() - start > 2
    text = (tmp_path / "job.log").read_text()
    assert "the time limit of 0 minutes is near" in text
    assert "saved after SIGTERM" in text


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


# --- A state that is not taken up as it was saved --------------------------------------------------------------------


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
def test_what_is_not_taken_up_as_it_was_saved_is_not_used(checkpoints, tmp_path, monkeypatch, fault, message):
    """A second process in the same folder once left weights without the optimizer that belongs to them."""
    run_and_stop(new_trainer(checkpoints, tmp_path), 11, monkeypatch)
    (state,) = tmp_path.glob("work/state-*")
    assert read_json(state / "trainer_state.json")["global_step"] == 3
    trainer = new_trainer(checkpoints, tmp_path)
    fault(trainer, monkeypatch)
    with pytest.raises(StudyError, match=f"{state.name}: what was loaded is not what was saved .{message}"):
        run_and_stop(trainer, 10**6, monkeypatch)
