"""Files of predictions: what is written is read again, and what is not a prediction is an error."""

import json

import pytest
from codetune.base.errors import StudyError
from codetune.data.predictions import (
    Candidate,
    Prediction,
    read_curve_predictions,
    read_predictions,
    write_curve_predictions,
    write_predictions,
)

PREDICTIONS = [
    Prediction(7, [Candidate("größe = 1", 5, truncated=False)]),
    Prediction(2, [Candidate("", 24, truncated=True), Candidate("x", 3, truncated=False)]),
]
ROW = {"id": 2, "candidates": [{"text": "", "tokens": 24, "truncated": True}]}


def test_predictions_are_read_as_they_were_written(tmp_path):
    write_predictions(tmp_path / "p.jsonl", PREDICTIONS)
    assert read_predictions(tmp_path / "p.jsonl") == PREDICTIONS
    assert [prediction.first.text for prediction in PREDICTIONS] == ["größe = 1", ""]


def test_a_line_has_the_id_and_the_candidates(tmp_path):
    write_predictions(tmp_path / "p.jsonl", [Prediction(2, PREDICTIONS[1].candidates[:1])])
    assert json.loads((tmp_path / "p.jsonl").read_text()) == ROW


@pytest.mark.parametrize("row", [{"id": 2}, {"id": 2, "text": "", "tokens": 24, "truncated": True}, ROW | {"id": "2"}])
def test_a_row_that_is_not_a_prediction_is_an_error(tmp_path, row):
    (tmp_path / "p.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(StudyError, match=r"p\.jsonl: .*Delete it and run again"):
        read_predictions(tmp_path / "p.jsonl")


def test_predictions_of_checkpoints_keep_their_steps_and_order(tmp_path):
    of_steps = {0: PREDICTIONS, 30: PREDICTIONS[:1]}
    write_curve_predictions(tmp_path / "c.jsonl", of_steps)
    assert read_curve_predictions(tmp_path / "c.jsonl") == of_steps
    rows = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    assert [(row["step"], row["id"]) for row in rows] == [(0, 7), (0, 2), (30, 7)]
    assert list(rows[0]) == ["step", "id", "candidates"]


def test_a_prediction_of_no_checkpoint_is_an_error(tmp_path):
    write_predictions(tmp_path / "c.jsonl", PREDICTIONS)
    with pytest.raises(StudyError, match=r"c\.jsonl: .*step"):
        read_curve_predictions(tmp_path / "c.jsonl")
