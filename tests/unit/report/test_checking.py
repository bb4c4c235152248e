"""What `make check-results` sees and what it does not let pass."""

import json

import pytest
from codetune.base.errors import StudyError
from codetune.evaluation.score import score_predictions
from codetune.evaluation.significance import measure_significance
from codetune.papers.declared import read_paper
from codetune.report.checking import check_results
from codetune.report.table2 import table2, write_table2
from conftest import ROOT

MODELS = {"llama-3.2-1b": {"label": "Llama", "family": "Llama"}, "mine": {"label": "Mine", "family": "Mine"}}


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A finished study in small: two models, untuned and tuned, the tuned one with two seeds."""
    monkeypatch.chdir(tmp_path)
    results = tmp_path / "results"
    outputs = [f"def f{i}(x):\n    return x + {i}" for i in range(12)]
    samples = [{"id": i, "instruction": f"Task {i} in Python", "input": "", "output": o} for i, o in enumerate(outputs)]
    references = write(results / "data" / "d" / "test.jsonl", samples)
    card = write(results / "data" / "d" / "card.json", [{"near_duplicates": {"leaked": []}}])
    runs, summaries, records = [], [], {}
    for model in MODELS:
        for method, seed in (("base", 0), ("qlora", 0), ("qlora", 1)):
            folder = results / "runs" / "d" / model / method / f"seed{seed}"
            texts = [o if i % (3 + seed) or method == "base" else "x" for i, o in enumerate(outputs)]
            texts = texts if method == "qlora" else [t[:9] for t in texts]
            rows = [{"id": i, "text": t, "tokens": 5, "truncated": False} for i, t in enumerate(texts)]
            predictions = write(folder / "predictions.jsonl", rows)
            targets = str(folder / "scores.jsonl"), str(folder / "summary.json")
            score_predictions(str(references), str(card), str(predictions), *targets)
            runs.append({"dataset": "d", "model": model, "method": method, "seed": seed, "tuned": method == "qlora"})
            summaries.append(str((folder / "summary.json").relative_to(tmp_path)))
            record = write(folder / "training.json", [{"parameters": {"trainable": 9}, "result": {"best_step": 3}}])
            if method == "qlora":
                records[summaries[-1]] = str(record)
    significance = str(results / "tables" / "significance.json")
    scores = [path.replace("summary.json", "scores.jsonl") for path in summaries]
    measure_significance(runs, scores, ["base"], 200, 0, significance)
    paper = read_paper(ROOT / "config/paper.yaml")
    table = table2(runs, MODELS, summaries, significance, "rouge_l", records, paper)
    write_table2(
        table, significance, "rouge_l", {k: str(results / "tables" / f"table2.{k}") for k in ("csv", "md", "tex")}
    )
    return results


def test_an_untouched_study_passes(results):
    compared, problems = check_results(results)
    assert problems == []
    assert compared == 2 * 3 + 2 * 7


@pytest.mark.parametrize("method", ["base", "qlora"])
def test_a_changed_prediction_does_not(results, method):
    path = results / "runs" / "d" / "mine" / method / "seed0" / "predictions.jsonl"
    lines = path.read_text().splitlines()
    changed = json.loads(lines[4]) | {"text": "something else"}
    path.write_text("\n".join([*lines[:4], json.dumps(changed), *lines[5:]]) + "\n")
    _, problems = check_results(results)
    assert any(f"Mine, {method}, score: Table 2 says" in problem for problem in problems)
    assert any("scores.jsonl: not the scores of predictions.jsonl" in problem for problem in problems)


def test_a_changed_number_does_not(results):
    table = results / "tables" / "table2.csv"
    rows = table.read_text().splitlines()
    header = rows[0].split(",")
    cells = rows[-1].split(",")
    cells[header.index("score")] = "0.99"
    table.write_text("\n".join([*rows[:-1], ",".join(cells)]) + "\n")
    _, problems = check_results(results)
    assert [problem for problem in problems if "Table 2 says 0.99" in problem]


def test_changed_scores_do_not(results):
    path = results / "runs" / "d" / "mine" / "base" / "seed0" / "scores.jsonl"
    path.write_text(path.read_text().replace('"length": ', '"length": 1', 1))
    assert check_results(results)[1] == [
        "results/runs/d/mine/base/seed0/scores.jsonl: not the scores of predictions.jsonl"
    ]


def test_missing_predictions_and_missing_studies_are_errors(results, tmp_path):
    (results / "runs" / "d" / "mine" / "base" / "seed0" / "predictions.jsonl").unlink()
    with pytest.raises(StudyError, match="not there .* but Table 2 is derived from it"):
        check_results(results)
    with pytest.raises(StudyError, match="Finish the study first"):
        check_results(tmp_path / "none")


def test_a_rouge_l_that_is_not_the_package_s_does_not_pass(results, monkeypatch):
    """Scores and check would agree if both had the same wrong ROUGE-L: the package decides."""
    monkeypatch.setattr("codetune.report.checking._by_the_package", lambda *_: [0.5] * 12)
    _, problems = check_results(results)
    assert len(problems) == 6
    assert all("ROUGE-L is not what the package rouge-score gives" in problem for problem in problems)
