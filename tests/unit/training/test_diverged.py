"""Trainings that go wrong, on a miniature model: what they leave says so, and no file holds NaN."""

import json
import math
from dataclasses import replace

import pytest
from codetune.base.errors import StudyError
from codetune.base.plain import read_as
from codetune.study.facts import TrainingFacts
from codetune.study.training_log import read_training_log
from codetune.training.finetune import finetune
from codetune.training.trainer import ResumableTrainer
from codetune.training.validation import Validation
from conftest import ROOT
from jsonschema import Draft202012Validator
from test_finetune import SETTINGS, inputs, outputs_in, plan  # noqa: F401 (fixtures)

SCHEMAS = ROOT / "workflow" / "schemas"
WILD = {"learning_rate": 3.0, "schedule": "constant", "warmup_steps": 0, "max_grad_norm": 1e6, "patience": 3}
BETTER = "best validation loss {best}, not below the untrained model's {before}"


def strictly(text):
    """JSON as every other language reads it."""

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def train(inputs, plan, folder, **settings):  # noqa: F811
    """Trains with other settings; gives the facts and the log, read as strictly as the schemas are."""
    finetune(inputs, outputs_in(folder), replace(plan, settings=replace(SETTINGS, **settings)), "code")
    log = [strictly(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]
    of_rows = Draft202012Validator(strictly((SCHEMAS / "training_log.schema.json").read_text()))
    for row in log:
        of_rows.validate(row)
    of_facts = Draft202012Validator(strictly((SCHEMAS / "training.schema.json").read_text()))
    of_facts.validate(strictly((folder / "training.json").read_text()))
    assert not (folder / "unfinished").exists()
    read_training_log(folder / "training_log.jsonl")  # the figures can show it
    return read_as(folder / "training.json", TrainingFacts).result, log


def evaluations(log):
    return {row["step"]: row["eval_loss"] for row in log if "eval_loss" in row}


def told(capsys):
    """What the log of the job says at the end."""
    lines = capsys.readouterr().out.splitlines()
    return [line for line in lines if line.startswith(("best validation loss", "warning"))]


def test_a_training_that_lowers_the_loss_has_nothing_to_say(inputs, plan, tmp_path, capsys):  # noqa: F811
    result, log = train(inputs, plan, tmp_path)
    assert result.untrained_validation_loss == evaluations(log)[0] > result.best_validation_loss
    assert result.problem is None
    (line,) = told(capsys)
    assert line.endswith(f"at step 6 of 6, untrained {result.untrained_validation_loss:.4f}")


def test_a_training_that_spoils_the_model_says_so_and_its_best_step_is_the_result(
    inputs,  # noqa: F811
    plan,  # noqa: F811
    tmp_path,
    monkeypatch,
    capsys,
):
    """A loss that rises first, then NaN in the weights, and with them in losses, gradients and evaluations."""
    compute = ResumableTrainer.training_step

    def spoilt(trainer, *arguments):
        if trainer.state.global_step == 3:
            for parameter in trainer.trainable():
                parameter.data *= math.nan
        return compute(trainer, *arguments)

    monkeypatch.setattr(ResumableTrainer, "training_step", spoilt)
    result, log = train(inputs, plan, tmp_path, epochs=6, **WILD)
    found = evaluations(log)
    assert found[3] > found[0]
    assert found == {0: found[0], 3: found[3], 6: None, 9: None, 12: None}
    assert (result.best_step, result.best_validation_loss) == (3, found[3])
    assert result.stopped_early
    assert result.problem == (
        f"{BETTER.format(best=f'{found[3]:.5g}', before=f'{found[0]:.5g}')}; training loss not finite 9 of 12 times, "
        "first at step 4; gradient norm not finite 9 of 12 times, first at step 4; validation loss not finite 3 of 5 "
        "times, first at step 6"
    )
    _, warning = told(capsys)
    assert warning.startswith("warning: this training diverged, or did not lower the validation loss (")
    assert result.problem in warning


def test_a_training_without_any_effect_is_no_better_than_none(inputs, plan, tmp_path):  # noqa: F811
    result, log = train(inputs, plan, tmp_path, learning_rate=1e-30, epochs=1)
    assert set(evaluations(log).values()) == {result.untrained_validation_loss}
    loss = f"{result.best_validation_loss:.5g}"
    assert result.problem == BETTER.format(best=loss, before=loss)


def test_a_training_loss_of_nan_is_said_where_the_evaluation_is_a_number(inputs, plan, tmp_path, monkeypatch):  # noqa: F811
    compute = ResumableTrainer.training_step

    def once(trainer, *arguments):
        loss = compute(trainer, *arguments)
        return loss * math.nan if trainer.state.global_step == 3 else loss

    monkeypatch.setattr(ResumableTrainer, "training_step", once)
    result, log = train(inputs, plan, tmp_path)
    assert None not in evaluations(log).values()
    assert result.problem == "training loss not finite 1 of 6 times, first at step 4"
    assert [row["step"] for row in log if row.get("loss", 0) is None] == [4]


@pytest.mark.parametrize("undefined", [math.nan, math.inf])
def test_an_evaluation_that_is_no_number_is_never_the_best(inputs, plan, tmp_path, monkeypatch, undefined):  # noqa: F811
    measure, calls = Validation.measure, []

    def once(self, *arguments):
        calls.append(measure(self, *arguments))
        return dict.fromkeys(calls[-1], undefined) if len(calls) == 2 else calls[-1]

    monkeypatch.setattr(Validation, "measure", once)
    result, log = train(inputs, plan, tmp_path)
    assert list(evaluations(log).values())[1] is None
    assert result.best_step == 6
    assert result.problem == "validation loss not finite 1 of 3 times, first at step 3"


def test_without_any_evaluation_that_is_a_number_there_is_no_result(inputs, plan, tmp_path, monkeypatch):  # noqa: F811
    """A second attempt takes up the finished training, and says the same at once."""
    undefined = {"eval_loss": math.nan, "eval_bits_per_byte": math.nan}
    monkeypatch.setattr(Validation, "measure", lambda *_: undefined)
    for _ in range(2):
        with pytest.raises(StudyError, match="the training diverged: no validation loss is a number") as said:
            finetune(inputs, outputs_in(tmp_path), plan, "code")
        assert "\n" not in str(said.value)
        assert [path.name for path in tmp_path.iterdir()] == ["unfinished"]
    settings = replace(SETTINGS, learning_rate=1e-4)
    monkeypatch.undo()
    finetune(inputs, outputs_in(tmp_path), replace(plan, settings=settings), "code")
    assert "unfinished" not in [path.name for path in tmp_path.iterdir()]
