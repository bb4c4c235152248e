"""Table 2 derived anew from the predictions and compared with what is there."""

import csv
import math
import tempfile
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import read_json, read_jsonl
from codetune.data.samples import read_samples
from codetune.evaluation.score import score_predictions
from codetune.evaluation.significance import measure_significance

TOLERANCE = 1e-12  # a CSV holds every digit; sums may be taken in another order elsewhere


def check_results(results: Path) -> tuple[int, list[str]]:
    """Scores all predictions anew and compares every score, interval, gain and p-value of Table 2.

    Args:
        results: The study's folder of results.

    Returns:
        Number of values compared, and a line for each that differs.

    Raises:
        StudyError: There is no finished study.
    """
    table = results / "tables" / "table2.csv"
    if not table.exists():
        raise StudyError(f"{table}: not there. Finish the study first.")
    with table.open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["source"] == "this study"]
    if not rows:
        raise StudyError(f"{table}: holds no row of this study")
    runs = [_run(Path(path), bool(row["trainable"])) for row in rows for path in row["predictions"].split()]
    with tempfile.TemporaryDirectory() as folder:
        problems = [problem for run in runs for problem in _score(results, run, Path(folder))]
        earlier = read_json(results / "tables" / "significance.json")
        untuned = {run["method"] for run in runs if not run["tuned"]}
        target = Path(folder) / "significance.json"
        scores = [run["scores"] for run in runs]
        measure_significance(runs, scores, list(untuned), earlier["resamples"], earlier["seed"], str(target))
        found = read_json(target)
    pairs = [pair for row in rows for pair in _pairs(row, found)]
    problems += [
        f"{name}: Table 2 says {said}, the predictions {now}" for name, said, now in pairs if not _same(said, now)
    ]
    return len(pairs), problems


def _run(predictions: Path, tuned: bool) -> dict[str, Any]:
    """What a path of predictions says of its run: runs/<dataset>/<model>/<method>/seed<n>/predictions.jsonl."""
    if not predictions.exists():
        raise StudyError(f"{predictions}: not there (seen from {Path.cwd()}), but Table 2 is derived from it")
    dataset, model, method, seed = predictions.parts[-5:-1]
    seed = seed.removeprefix("seed")
    return {"dataset": dataset, "model": model, "method": method, "seed": seed, "tuned": tuned, "path": predictions}


def _score(results: Path, run: dict[str, Any], folder: Path) -> list[str]:
    """Scores a run anew, remembers where, and says whether its scores were others, or ROUGE-L not the package's."""
    run["scores"] = str(folder / "-".join((run["dataset"], run["model"], run["method"], run["seed"])))
    data = results / "data" / run["dataset"]
    references, card = str(data / "test.jsonl"), str(data / "card.json")
    score_predictions(references, card, str(run["path"]), run["scores"], run["scores"] + ".summary")
    said = run["path"].with_name("scores.jsonl")
    found = read_jsonl(run["scores"])
    problems = []
    if not said.exists() or read_jsonl(said) != found:
        problems.append(f"{said}: not the scores of {run['path'].name}")
    if [row["rouge_l"] for row in found] != _by_the_package(references, str(run["path"])):
        problems.append(f"{said}: ROUGE-L is not what the package rouge-score gives")
    return problems


def _by_the_package(references: str, predictions: str) -> list[float]:
    """ROUGE-L of each prediction by the package `rouge-score` as it is; the workflow has a faster way of its own."""
    from rouge_score.rouge_scorer import RougeScorer

    wanted = {sample.id: sample.output for sample in read_samples(references)}
    scorer = RougeScorer(["rougeL"])
    return [scorer.score(wanted[row["id"]], row["text"])["rougeL"].fmeasure for row in read_jsonl(predictions)]


def _pairs(row: dict[str, str], found: dict[str, Any]) -> list[tuple[str, str, float]]:
    """Name, what Table 2 says, and what was found, of each number in a row."""
    dataset, model, method, _ = Path(row["predictions"].split()[0]).parts[-5:-1]

    def entry(kind: str) -> dict[str, Any]:
        wanted = {"dataset": dataset, "model": model, "method": method, "metric": row["metric"]}
        return next((e for e in found[kind] if wanted.items() <= e.items()), {})

    score, gain = entry("scores"), entry("gains")
    values = {"score": score["score"], "score_low": score["interval"][0], "score_high": score["interval"][1]}
    if gain:
        values |= {"gain": gain["gain"], "gain_low": gain["interval"][0], "gain_high": gain["interval"][1]}
        values["p_holm"] = gain["p_holm"]
    return [(f"{row['model']}, {method}, {name}", row[name], value) for name, value in values.items()]


def _same(said: str, now: float) -> bool:
    return bool(said) and math.isclose(float(said), now, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
