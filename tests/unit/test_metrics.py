"""ROUGE-L, against the rouge-score package to the last bit."""

import json
import random

import pytest
from codetune.errors import StudyError
from codetune.metrics import rouge_l, score_predictions
from rouge_score.rouge_scorer import RougeScorer

SCORER = RougeScorer(["rougeL"])


def check(pairs):
    for reference, prediction in pairs:
        expected = SCORER.score(reference, prediction)["rougeL"]
        found = rouge_l(reference, prediction)
        assert (found.precision, found.recall, found.f1) == (expected.precision, expected.recall, expected.fmeasure)


def test_generated_pairs_score_as_with_rouge_score(records):
    rng = random.Random(0)
    outputs = [record["output"] for record in records]
    check((rng.choice(outputs), rng.choice(outputs)) for _ in range(500))


def test_odd_texts_score_as_with_rouge_score():
    texts = ["", " ", "a", "A a", "x = a + b", "x = a - b", "größe 你好 x", "\n\t_", "1 2 3", "a b a b a"]
    check((reference, prediction) for reference in texts for prediction in texts)


def test_real_pairs_score_as_with_rouge_score(real):
    outputs = [r["output"] for r in json.loads((real / "codealpaca" / "code_alpaca_20k.json").read_text())]
    rng = random.Random(1)
    check((rng.choice(outputs), rng.choice(outputs)) for _ in range(2000))


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


SAMPLES = [{"id": i, "instruction": "", "input": "", "output": output} for i, output in enumerate(["a b", "c d", "e"])]
PREDICTIONS = [
    {"id": 0, "text": "a b", "tokens": 3, "truncated": False},
    {"id": 1, "text": "c", "tokens": 2, "truncated": True},
    {"id": 2, "text": "", "tokens": 1, "truncated": False},
]


def test_a_summary_is_the_mean_of_the_rows(tmp_path):
    arguments = write(tmp_path / "s", SAMPLES), write(tmp_path / "p", PREDICTIONS)
    score_predictions(*arguments, str(tmp_path / "scores"), str(tmp_path / "summary"))
    rows = [json.loads(line) for line in (tmp_path / "scores").read_text().splitlines()]
    assert [row["f1"] for row in rows] == [1.0, 2 / 3, 0.0]
    summary = json.loads((tmp_path / "summary").read_text())
    assert summary["f1"] == pytest.approx(5 / 9)
    assert summary["truncated"] == summary["empty"] == pytest.approx(1 / 3)


def test_predictions_of_other_samples_are_an_error(tmp_path):
    arguments = write(tmp_path / "s", SAMPLES), write(tmp_path / "p", PREDICTIONS[:2])
    with pytest.raises(StudyError, match="not the samples of"):
        score_predictions(*arguments, str(tmp_path / "scores"), str(tmp_path / "summary"))
    assert not (tmp_path / "scores").exists()
