"""A finished study derived anew from its predictions and compared with what is there."""

import csv
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import read_jsonl, sha256_of_file
from codetune.base.manifests import checked_folder
from codetune.base.plain import read_as
from codetune.data.predictions import read_predictions
from codetune.data.samples import read_samples
from codetune.evaluation.comparisons import Comparison, Comparisons, Score, read_comparisons
from codetune.evaluation.score import score_predictions
from codetune.evaluation.significance import measure_significance
from codetune.report.writing import text_of_csv
from codetune.study.config import load_study
from codetune.study.facts import Summary
from codetune.study.layout import COMPARISONS, RECORD, SPLIT, TABLE_CSV, TEST, TUNED, fill
from codetune.study.record import HashedFile, Record, read_record
from codetune.study.runs import Evaluation
from codetune.study.study import Study

TOLERANCE = 1e-12  # a CSV holds every digit; sums may be taken in another order elsewhere
MOST_BY_THE_PACKAGE = 40_000_000  # product of two texts' lengths up to which rouge-score compares them in a second
Numbers = Mapping[str, float | None]
Key = tuple[str, ...]  # data, test, label, method and metric of a row of Table 2
Table = dict[Key, dict[str, str]]


@dataclass
class Findings:
    """What a check has found so far.

    Attributes:
        compared: How many numbers were compared.
        problems: A line for each thing that differs.
    """

    compared: int = 0
    problems: list[str] = field(default_factory=list)

    def compare(self, place: str, said: Numbers, found: Numbers) -> None:
        """Compares numbers by name."""
        self.compared += sum(value is not None for value in found.values())
        self.problems += [
            f"{name}: {place} says {said.get(name)}, the predictions {found.get(name)}"
            for name in dict.fromkeys([*said, *found])
            if not _same(said.get(name), found.get(name))
        ]


def check_results(results: Path, config: dict[str, Any]) -> Findings:
    """Scores the predictions of all runs anew and compares scores, comparisons and Table 2 with them.

    Args:
        results: The study's folder of results.
        config: The configuration as used: it says which runs there have to be.

    Raises:
        StudyError: There is no finished study.
    """
    study, metric = load_study(config), config["evaluation"]["metric"]
    path = results / TABLE_CSV.format(table="table2")
    table = _read_table2(path)
    findings, expected = Findings(), set[Key]()
    with tempfile.TemporaryDirectory() as folder:
        for test in study.tests:
            said = read_comparisons(_present(results / COMPARISONS.format(test=test)))
            records = [_score_anew(results, one, Path(folder), findings) for one in study.of_test(test)]
            target = str(Path(folder) / "comparisons.json")
            measure_significance(records, test, said.resamples, said.seed, target)
            found = read_comparisons(target)
            findings.compare(f"comparisons/{test}.json", _all_numbers(said), _all_numbers(found))
            expected |= _check_rows(table, found, metric, study, findings)
    for run in study.training_runs:
        _check_adapter(results / fill(TUNED, run), findings)
    findings.problems += [
        f"{path}: has a row of {', '.join(key)}, which the config does not have" for key in table if key not in expected
    ]
    return findings


def _present(path: Path) -> Path:
    if not path.exists():
        raise StudyError(f"{path}: not there (seen from {Path.cwd()}). Finish the study first.")
    return path


def _read_run(results: Path, evaluation: Evaluation) -> Record:
    """The record of a run that was evaluated on this test set."""
    path = _present(results / fill(RECORD, evaluation))
    record = read_record(path)
    if evaluation.test not in record.tests:
        raise StudyError(f"{path}: not evaluated on {evaluation.test}. Finish the study first.")
    return record


def _score_anew(results: Path, evaluation: Evaluation, folder: Path, findings: Findings) -> Record:
    """Scores a run on a test set into a folder of its own, and notes what differs; gives a record with these scores."""
    record, test = _read_run(results, evaluation), evaluation.test
    predictions = _present(record.path_of("predictions", test))
    anew = replace(record, folder=str((folder / fill(RECORD, evaluation)).parent))
    scores = anew.path_of("scores", test)
    summary = str(scores.with_name("summary.json"))
    references, split = str(results / TEST.format(test=test)), str(results / SPLIT.format(dataset=test))
    score_predictions(references, split, str(predictions), str(scores), summary)
    if read_jsonl(_present(record.path_of("scores", test))) != read_jsonl(scores):
        findings.problems.append(f"{record.path_of('scores', test)}: not the scores of {predictions.name}")
    ours = [row["rouge_l"] for row in read_jsonl(scores)]
    if ours != _by_the_package(references, predictions, ours):
        findings.problems.append(f"{predictions}: ROUGE-L is not what the package rouge-score gives")
    for name, file in record.tests[test].files.items():
        if sha256_of_file(record.path_of(name, test)) != file.sha256:
            findings.problems.append(f"{record.path_of(name, test)}: changed since record.json was written")
    found = read_as(summary, Summary)
    name = f"{results / fill(RECORD, evaluation)}, {test}"
    findings.compare("the record", _named(name, record.tests[test].summary.scores), _named(name, found.scores))
    tested = record.tests[test]
    files = tested.files | {"scores": HashedFile(tested.files["scores"].path, sha256_of_file(scores))}
    return replace(anew, tests=record.tests | {test: replace(tested, files=files)})


def _check_adapter(manifest: Path, findings: Findings) -> None:
    """Compares a run's adapter with its manifest."""
    try:
        checked_folder(_present(manifest))
    except StudyError as error:
        findings.problems.append(str(error))


def _by_the_package(references: str, predictions: Path, ours: list[float | None]) -> list[float | None]:
    """ROUGE-L of each prediction by the package `rouge-score` as it is; the workflow has a faster way of its own.

    Ours stands where it is null, and for pairs of long texts, with which the package takes minutes and gigabytes.
    """
    from rouge_score.rouge_scorer import RougeScorer

    wanted = {sample.id: sample.output for sample in read_samples(references)}
    scorer = RougeScorer(["rougeL"])
    pairs = [(wanted[prediction.id], prediction.first.text) for prediction in read_predictions(predictions)]
    return [
        score
        if score is None or len(reference) * len(text) > MOST_BY_THE_PACKAGE
        else scorer.score(reference, text)["rougeL"].fmeasure
        for score, (reference, text) in zip(ours, pairs, strict=True)
    ]


def _read_table2(path: Path) -> Table:
    """The rows of Table 2 that are this study's."""
    with _present(path).open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["source"] == "this study"]
    names = ("data", "test", "model", "method", "metric")
    return {tuple(text_of_csv(row[name]) for name in names): row for row in rows}


def _check_rows(table: Table, found: Comparisons, metric: str, study: Study, findings: Findings) -> set[Key]:
    """Compares the rows of one test set; gives the keys of all rows that it has to have."""
    expected = set[Key]()
    for score in found.scores:
        if score.metric != metric:
            continue
        key = (score.data, found.test, study.models[score.model].label, score.method, metric)
        expected.add(key)
        if key not in table:
            findings.problems.append(f"Table 2: has no row of {', '.join(key)}")
            continue
        gain = found.comparison_of(score.system, metric)
        numbers = _numbers_of_score(score) | _numbers_of_gain(gain)
        said = {column: _read_number(table[key][column]) for column in numbers}
        name = ", ".join(key[:-1])
        findings.compare("Table 2", _named(name, said), _named(name, numbers))
    return expected


def _numbers_of_score(score: Score) -> dict[str, float | None]:
    low, high = score.ends
    return {"score": score.score, "score_low": low, "score_high": high, "deviation": score.deviation}


def _numbers_of_gain(found: Comparison | None) -> dict[str, float | None]:
    if found is None:
        return dict.fromkeys(("gain", "gain_low", "gain_high", "p_holm"))
    low, high = found.ends
    return {"gain": found.gain, "gain_low": low, "gain_high": high, "p_holm": found.p_holm}


def _all_numbers(found: Comparisons) -> dict[str, float | None]:
    """Every number of a file of comparisons, by a name that says what it is of."""
    numbers: dict[str, float | None] = {}
    for score in found.scores:
        numbers |= _named(", ".join((*score.system, score.metric)), _numbers_of_score(score))
    for one in found.comparisons:
        name = ", ".join((*one.system, f"over {one.baseline}", one.metric))
        numbers |= _named(name, {**_numbers_of_gain(one), "p": one.p})
    return numbers


def _named(name: str, numbers: Numbers) -> dict[str, float | None]:
    return {f"{name}, {column}": value for column, value in numbers.items()}


def _read_number(text: str) -> float | None:
    return float(text) if text else None


def _same(said: float | None, found: float | None) -> bool:
    """Whether two numbers are the same; none, and one that is not defined, are alike."""
    undefined = [value is None or math.isnan(value) for value in (said, found)]
    if said is None or found is None or any(undefined):
        return all(undefined)
    return math.isclose(said, found, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
