"""Scores of one run's predictions: per sample, over all samples, and by language and length."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

import numpy as np

from codetune.base.confined import Confined, ExceededError
from codetune.base.errors import StudyError
from codetune.base.files import Row, sha256_of_file, write_json, write_jsonl
from codetune.base.plain import to_plain
from codetune.base.progress import counted
from codetune.data.languages import language_of
from codetune.data.predictions import Prediction, read_predictions
from codetune.data.samples import Sample, read_part
from codetune.evaluation.bootstrap import Array
from codetune.evaluation.classes import length_class
from codetune.evaluation.codebleu import Matches, count_matches_of_code, without_data_flow
from codetune.evaluation.extraction import Code, extract_code
from codetune.evaluation.measures import all_statistics, measures_of, metrics_of, pass_metrics_of
from codetune.evaluation.metric import ON_CODE, statistics_of
from codetune.evaluation.package_total import total_of_package
from codetune.evaluation.passes import EXECUTION
from codetune.evaluation.registry import CODEBLEU, metrics
from codetune.evaluation.several import Several, with_candidates
from codetune.study.facts import ScoredPart, Summary

Statistics = dict[str, list[float]]  # of a text, by each metric
MATCHES = "matches"  # in a row, but not in the file
AT_ONCE = 20  # texts in one message to the process that measures them


def score_predictions(
    references: str,
    split: str,
    predictions: str,
    scores: str,
    summary: str,
    candidates: int = 1,
    verdicts: str | None = None,
    drawn: bool = False,
) -> None:
    """Scores each prediction against its reference by every metric; writes one row per sample, and a summary.

    Args:
        references: Path of the test samples, JSON lines.
        split: Path of the facts of the split that wrote them.
        predictions: Path of the predictions, JSON lines.
        scores: Path to write, JSON lines: id, language, length of the reference in characters, what the code in the
            prediction was found by (null where it is all of it) and its length, the sample's own score by each metric
            (null where the metric does not apply or could not be measured), and `statistics`, from which the scores of
            sets of samples are computed: those on the code only where it is not all of the prediction; where prompts
            have several candidates, also their number and the rank of the first one that is the reference; where there
            are unit tests, which candidates pass them.
        summary: Path to write, JSON: scores over all samples, and by language and length of the reference.
        candidates: Most candidates per prompt in the study. A retrieval has one all the same.
        verdicts: Path of what the unit tests say of each candidate, JSON lines; None on a test set without any.
        drawn: Whether the candidates were drawn.

    Raises:
        StudyError: Predictions and references do not belong to the same samples, or the references are not those that
            the split wrote.
    """
    samples, completed = read_completed(references, split, predictions)
    scored = score_completed(samples, completed, Several(candidates, verdicts, drawn))
    matches = [found for row in scored if (found := row.pop(MATCHES)) is not None]
    write_jsonl(scores, scored)
    found = summarise(samples, completed, scored, sha256_of_file(scores), total_of_package(matches))
    write_json(summary, to_plain(found))


def read_completed(references: str, split: str, predictions: str) -> tuple[list[Sample], list[Prediction]]:
    """Reads samples and what was predicted for each, in the same order; arguments and errors of `score_predictions`."""
    samples, completed = read_part(references, split), read_predictions(predictions)
    if [prediction.id for prediction in completed] != [sample.id for sample in samples]:
        raise StudyError(f"{predictions}: not the samples of {references}. Delete the predictions and run again.")
    return samples, completed


def score_completed(samples: list[Sample], completed: list[Prediction], several: Several) -> list[Row]:
    """Scores predictions as `score_each` does, and adds what is known of all of their candidates."""
    scored = score_each(samples, [prediction.first.text for prediction in completed])
    return with_candidates(scored, samples, completed, several)


def summarise(
    samples: list[Sample], completed: list[Prediction], scored: list[Row], digest: str, of_package: float | None
) -> Summary:
    """The scores of all samples.

    Args:
        samples: The test samples.
        completed: The prediction for each.
        scored: The row of scores of each.
        digest: Hash of the file that has these rows.
        of_package: CodeBLEU as the package totals it.
    """
    tables, texts = _Tables(scored), [prediction.first.text for prediction in completed]
    wanted = sum(len(sample.output) for sample in samples) or 1  # where no sample has a reference
    by = Counter(row["extracted"] for row in scored if row["extracted"])
    return Summary(
        samples=len(completed),
        scores_sha256=digest,
        scores=tables.scores(),
        signatures={name: metric.signature for name, metric in metrics_of(measures_of(scored)).items()},
        truncated=sum(prediction.first.truncated for prediction in completed) / len(completed),
        empty=sum(not text for text in texts) / len(texts),
        length_ratio=sum(len(text) for sample, text in zip(samples, texts, strict=True) if sample.output) / wanted,
        extracted=sum(by.values()) / len(scored),
        extracted_by=dict(by),
        length_ratio_on_code=sum(row["code_length"] for row in scored if row["length"]) / wanted,
        by_language=_score_groups(tables, (row["language"] for row in scored)),
        by_length=_score_groups(tables, (length_class(row["length"]) for row in scored)),
        unmeasured=unmeasured(scored),
        without_data_flow=without_data_flow(row["statistics"]["codebleu"] for row in scored),
        codebleu_of_package=of_package,
    )


def score_each(samples: list[Sample], texts: list[str]) -> list[Row]:
    """Returns one row per sample: its scores and statistics by all metrics, and what its code was found by.

    Beside what is written of it, a row has the matches of its text that CodeBLEU's parts are made of, or None.
    """
    measured = measure_each(samples, texts)
    own = own_scores([found.statistics for found in measured])
    return [
        {
            "id": sample.id,
            "language": found.language,
            "length": len(sample.output),
            "extracted": found.code.how,
            "code_length": len(found.code.text),
            **scores,
            "statistics": found.statistics,
            MATCHES: found.matches,
        }
        for sample, found, scores in zip(samples, measured, own, strict=True)
    ]


class Measurement(NamedTuple):
    """What was measured of a prediction.

    Attributes:
        language: The language of its sample.
        code: The code in it.
        statistics: Of its text by each metric, and of the code in it where that is not all of it.
        matches: What CodeBLEU's parts are made of; None where it does not apply.
    """

    language: str
    code: Code
    statistics: Statistics
    matches: Matches | None


def measure_each(samples: list[Sample], texts: list[str]) -> list[Measurement]:
    """Measures the prediction of each sample by all metrics."""
    languages = [language_of(sample) for sample in samples]
    codes = [extract_code(text) for text in texts]
    measured = _measure_distinct(list(_texts_to_measure(samples, texts, codes, languages)))
    found = []
    for language, code in zip(languages, counted(codes, "scoring", "samples"), strict=True):
        written = next(measured)
        statistics = written.statistics if code.how is None else written.statistics | next(measured).statistics
        found.append(Measurement(language, code, statistics, written.matches))
    return found


def own_scores(statistics: list[Statistics]) -> list[dict[str, float | None]]:
    """Returns the score of each text by every metric, by its statistics; None where a metric has no value."""
    tables = statistics_of([{"statistics": found} for found in statistics], metrics())
    alone = [one.score_each(tables[name]).tolist() for name, one in metrics().items()]
    known = ([None if math.isnan(score) else score for score in scores] for scores in zip(*alone, strict=True))
    return [dict(zip(metrics(), scores, strict=True)) for scores in known]


class _ToMeasure(NamedTuple):
    """A text, and the metrics to measure it by."""

    names: list[str]
    sample: Sample
    text: str
    language: str


def _texts_to_measure(
    samples: list[Sample], texts: list[str], codes: list[Code], languages: list[str]
) -> Iterator[_ToMeasure]:
    """Each prediction as written, and then the code in it where that is not all of it."""
    on_code = [name for name in metrics() if name.endswith(ON_CODE)]
    written = [name for name in metrics() if name not in on_code]
    for sample, text, code, language in zip(samples, texts, codes, languages, strict=True):
        yield _ToMeasure(written, sample, text, language)
        if code.how is not None:
            yield _ToMeasure(on_code, sample, code.text, language)


class _Measured(NamedTuple):
    """What was measured of a text: its statistics, and its matches if it is as written and CodeBLEU applies to it."""

    statistics: Statistics
    matches: Matches | None = None


def _measure(batch: list[_ToMeasure]) -> list[_Measured]:
    """Measures some texts, each by its metrics."""
    return [_measure_one(one) for one in batch]


def _measure_one(one: _ToMeasure) -> _Measured:
    found = {name: metrics()[name].measure(one.sample, one.text, one.language) for name in one.names}
    has_matches = CODEBLEU in found and found[CODEBLEU] != metrics()[CODEBLEU].none
    return _Measured(found, count_matches_of_code(one.sample.output, one.text) if has_matches else None)


def _measure_distinct(texts: list[_ToMeasure]) -> Iterator[_Measured]:
    """Measures texts in their order, those that are alike once: what some checkpoints write of a sample is the same."""
    keys = [(one.names[0], one.sample.id, one.text) for one in texts]
    distinct = _measure_all(iter(dict(zip(keys, texts, strict=True)).values()))
    known: dict[tuple[str, int, str], _Measured] = {}
    for key in keys:
        if key not in known:
            known[key] = next(distinct)
        yield known[key]


def _measure_all(texts: Iterator[_ToMeasure]) -> Iterator[_Measured]:
    """Measures texts in their order, some per message: a message each costs a fifth of the time of scoring."""
    confined = Confined(_measure)
    while batch := list(islice(texts, AT_ONCE)):
        try:
            yield from confined(batch)  # nearly always
        except ExceededError:
            for one in batch:
                yield _measure_alone(confined, one)


def _measure_alone(confined: Confined[list[_Measured]], one: _ToMeasure) -> _Measured:
    """Measures a text; where a metric does not come to an end, its statistics are those of nothing."""
    with suppress(ExceededError):
        return confined([one])[0]
    found: Statistics = {}
    for name in one.names:
        try:
            found |= confined([one._replace(names=[name])])[0].statistics
        except ExceededError as reason:
            print(f"sample {one.sample.id}: no {name}, because it {reason}", flush=True)
            found[name] = metrics()[name].none
    return _Measured(found)


def unmeasured(scored: list[Row]) -> dict[str, int]:
    """Counts the samples that a metric applies to but could not measure; without metrics that could measure all."""
    found = {
        name: sum(row[name] is None and metric.applies_to(row["language"]) for row in scored)
        for name, metric in metrics().items()
    }
    found |= {name: sum(not row[EXECUTION]["passed"] for row in scored) for name in pass_metrics_of(scored)}
    return {name: count for name, count in found.items() if count}


class _Tables:
    """The statistics of scored samples by each metric, of which sets of samples are scored."""

    def __init__(self, scored: list[Row]) -> None:
        self._metrics, self._tables = metrics_of(measures_of(scored)), all_statistics(scored)

    def scores(self, places: list[int] | None = None) -> dict[str, float | None]:
        """The score by each metric of the samples at some places, or of all; None where one applies to none of them."""
        return {name: _score_or_none(one.score(self._sum(name, places))[0]) for name, one in self._metrics.items()}

    def _sum(self, name: str, places: list[int] | None) -> Array:
        table = self._tables[name]
        sums: Array = (table if places is None else table[places]).sum(axis=0, keepdims=True)
        return sums


def scores_of(scored: list[Row]) -> dict[str, float | None]:
    """Computes the score of a set of scored samples by each metric; None where a metric applies to none of them."""
    return _Tables(scored).scores()


def _score_groups(tables: _Tables, keys: Iterable[str]) -> dict[str, ScoredPart]:
    """Scores the groups of samples that share a key, the largest group first."""
    groups: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    order = sorted(groups, key=lambda key: (-len(groups[key]), key))
    return {key: ScoredPart(len(groups[key]), tables.scores(groups[key])) for key in order}


def _score_or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
