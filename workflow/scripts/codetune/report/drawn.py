"""Scores and curves of a large study, of which some predictions are measured anew and the others are not.

To measure all predictions of 168 runs takes half an hour of a processor, and to make all else from their scores a few
minutes. So which predictions are measured is drawn, and all else is made from the scores of all.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import MADE_AGAIN, read_jsonl, sha256_of_file, write_json, write_jsonl
from codetune.base.plain import read_as, to_plain
from codetune.evaluation.score import MATCHES, own_scores, read_completed, score_each, summarise
from codetune.evaluation.score_curve import curve_of, read_steps
from codetune.evaluation.several import Several, with_candidates
from codetune.report.remake import Outputs
from codetune.study.curve import Curve, CurveScore
from codetune.study.facts import Summary
from codetune.study.runs import Run

FEW = 40_000  # predictions of a study of which all are measured anew: two minutes of a processor
DRAWN = 50  # predictions of each run on a test set that are measured anew where a study has more
DRAWN_CURVES = 20  # curves of which two points are; each of them is hundreds of predictions


@dataclass(frozen=True)
class Extent:
    """How much of a study is measured anew.

    Attributes:
        predictions: Number of predictions of test sets.
        measured: How many of them are measured.
        curves: Number of curves.
        drawn_curves: Of how many of them points are measured.
        drawn: Whether these are drawn; else all are measured, those of the curves, too.
    """

    predictions: int
    measured: int
    curves: int
    drawn_curves: int
    drawn: bool


def extent_of(predictions: Iterable[str], curves: Iterable[str], everything: bool) -> Extent:
    """Decides how many predictions are measured anew: all of a study that has few, or if all are asked for.

    Args:
        predictions: Paths of the predictions of test sets.
        curves: Paths of those of the checkpoints.
        everything: Whether all are asked for.
    """
    counts, of_curves = ([_count_rows(path) for path in paths] for paths in (predictions, curves))
    drawn = not everything and sum(counts) + sum(of_curves) > FEW
    some = [min(DRAWN, count) if drawn else count for count in counts]
    of = min(DRAWN_CURVES, len(of_curves)) if drawn else len(of_curves)
    return Extent(sum(counts), sum(some), len(of_curves), of, drawn)


def _count_rows(path: str) -> int:
    """The number of lines of a file; 0 if it is missing, which is told elsewhere."""
    if not Path(path).is_file():
        return 0
    with Path(path).open("rb") as stream:
        return sum(1 for _ in stream)


def draw_places(path: str, count: int) -> list[int]:
    """Draws the predictions of a file that are measured anew: the same each time, and others in another file."""
    return sorted(random.Random(path).sample(range(count), min(DRAWN, count)))


def draw_curves(trainings: Sequence[Run]) -> list[Run]:
    """Draws the trainings of whose curves points are measured anew: the same of a study each time."""
    return random.Random(0).sample(trainings, min(DRAWN_CURVES, len(trainings)))


def make_drawn_scores(
    references: str, split: str, predictions: str, there: Outputs, several: Several, outputs: Outputs
) -> None:
    """Writes scores and summary as `score_predictions` does, of which only drawn rows are measured.

    In the other rows only the scores are made anew, from the statistics that lie there. What the summary has of the
    package is taken as it is there, since it takes all predictions.

    Args:
        references: Path of the test samples.
        split: Path of the facts of their split.
        predictions: Path of the predictions.
        there: Paths of `scores` and `summary` as they lie there.
        several: What is known of the candidates of a prompt.
        outputs: Paths of both to write.

    Raises:
        StudyError: Samples, predictions and scores do not belong together.
    """
    samples, completed = read_completed(references, split, predictions)
    found = read_jsonl(there["scores"])
    if [row.get("id") for row in found] != [sample.id for sample in samples]:
        raise StudyError(f"{there['scores']}: not the samples of {predictions}. {MADE_AGAIN}")
    places = draw_places(predictions, len(samples))
    anew = score_each([samples[place] for place in places], [completed[place].first.text for place in places])
    own = own_scores([row["statistics"] for row in found])
    rows = [row | scores for row, scores in zip(found, own, strict=True)]
    for place, row in zip(places, anew, strict=True):
        del row[MATCHES]
        rows[place] = row
    write_jsonl(outputs["scores"], with_candidates(rows, samples, completed, several))
    of_package = read_as(there["summary"], Summary).codebleu_of_package
    summary = summarise(samples, completed, found, sha256_of_file(there["scores"]), of_package)
    write_json(outputs["summary"], to_plain(summary))


def make_drawn_curve(inputs: Mapping[str, str], there: str, outputs: Outputs) -> None:
    """Writes a curve as `score_curve` does, with the points of the untuned model and of a drawn checkpoint anew.

    Args:
        inputs: Paths of `predictions`, `samples` and `split`.
        there: Path of the curve as it lies there, which has the other points.
        outputs: Path of the `curve` to write.

    Raises:
        StudyError: Samples, predictions and curve do not belong together.
    """
    references, steps = read_steps(**inputs)
    points = {point.step: point for point in read_as(there, Curve).points}
    if list(points) != list(steps):
        raise StudyError(f"{there}: not the checkpoints of {inputs['predictions']}. {MADE_AGAIN}")
    first, *others = steps
    chosen = [first, *random.Random(there).sample(others, min(1, len(others)))]
    anew = curve_of(references, {step: steps[step] for step in chosen})
    points |= {point.step: point for point in anew.points}
    write_json(outputs["curve"], to_plain(Curve(anew.samples, [*points.values()])))


def make_curve_from_scores(there: str, outputs: Outputs) -> None:
    """Writes a curve of which no point is measured: with gains that follow from the scores that lie there.

    Args:
        there: Path of the curve as it lies there.
        outputs: Path of the `curve` to write.
    """
    found = read_as(there, Curve)
    untuned = found.points[0].scores
    points = [
        replace(point, scores={name: _with_gain(score, untuned[name]) for name, score in point.scores.items()})
        for point in found.points
    ]
    write_json(outputs["curve"], to_plain(Curve(found.samples, points)))


def _with_gain(own: CurveScore, untuned: CurveScore) -> CurveScore:
    gain = None if own.score is None or untuned.score is None else own.score - untuned.score
    return replace(own, gain=gain)
