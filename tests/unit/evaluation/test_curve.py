"""The curve of a training: the scores of its checkpoints and their intervals, from predictions alone."""

import random
import statistics

import numpy as np
import pytest
from codetune.base.errors import StudyError
from codetune.base.files import read_json, write_jsonl
from codetune.base.plain import from_plain
from codetune.data.predictions import Candidate, Prediction, write_curve_predictions
from codetune.data.samples import SUBSET_SEED
from codetune.evaluation.bootstrap import draw_resamples
from codetune.evaluation.curves import mean_curve
from codetune.evaluation.distribution import distribution_of, interval_of_gain, interval_of_score
from codetune.evaluation.estimate import Estimate
from codetune.evaluation.registry import metrics
from codetune.evaluation.rouge import rouge_l
from codetune.evaluation.score_curve import RESAMPLES, score_curve
from codetune.study.curve import Curve, CurvePoint, CurveScore
from fake_records import write_split

WORDS = "def return x y z + ( ) : value total for in range".split()
IDS = [31, 4, 15, 9, 26, 5]
STEPS = [0, 20, 40]


@pytest.fixture
def written(tmp_path):
    """A curve's predictions and samples, in files; the samples are of no language that CodeBLEU is for."""
    draw = random.Random(1)
    samples = [
        {"id": number, "instruction": "Write CSS", "input": "", "output": " ".join(draw.choices(WORDS, k=20))}
        for number in sorted([*IDS, 77])
    ]
    texts = {step: [" ".join(draw.choices(WORDS, k=12)) for _ in IDS] for step in STEPS}
    predictions = {
        step: [Prediction(number, [Candidate(text, 12, truncated=place < step / 20)]) for place, (number, text) in rows]
        for step, rows in ((step, list(enumerate(zip(IDS, texts[step], strict=True)))) for step in STEPS)
    }
    write_jsonl(tmp_path / "validation.jsonl", samples)
    write_curve_predictions(tmp_path / "predictions.jsonl", predictions)
    return {"samples": samples, "predictions": predictions}


def scored(folder):
    split = write_split(folder / "split.json", validation=folder / "validation.jsonl")
    score_curve(str(folder / "predictions.jsonl"), str(folder / "validation.jsonl"), split, str(folder / "curve.json"))
    return from_plain(read_json(folder / "curve.json"), Curve, "curve.json")


def test_rouge_l_is_the_mean_and_its_interval_that_of_the_mean(written, tmp_path):
    """Against the formulas of the mean alone, without the metric's statistics."""
    curve = scored(tmp_path)
    assert curve.samples == sorted(IDS)
    assert [point.step for point in curve.points] == STEPS
    references = {sample["id"]: sample["output"] for sample in written["samples"]}
    weights = draw_resamples(np.random.default_rng(SUBSET_SEED), len(IDS), RESAMPLES)
    for point in curve.points:
        values = [rouge_l(references[p.id], p.first.text).f1 for p in written["predictions"][point.step]]
        found = point.scores["rouge_l"]
        assert found.score == pytest.approx(statistics.fmean(values), abs=1e-12)
        resampled = weights @ np.array(values) / len(values)
        expected = interval_of_score(Estimate(statistics.fmean(values), resampled, len(IDS)), 1.0, SUBSET_SEED)
        assert found.interval == pytest.approx(expected, abs=1e-12)


def test_every_metric_has_a_score_within_its_interval_or_none(written, tmp_path):
    for point in scored(tmp_path).points:
        assert point.scores.keys() == metrics().keys()
        for name, found in point.scores.items():
            if found.score is None:
                assert found.interval is None
            else:
                low, high = found.interval
                assert low <= high, name
        assert point.scores["codebleu"].score is None
        low, high = point.scores["chrf"].interval
        assert low < point.scores["chrf"].score < high


def test_the_share_of_truncated_predictions_is_that_of_the_checkpoint(written, tmp_path):
    assert [point.truncated for point in scored(tmp_path).points] == [0, 1 / 6, 2 / 6]


def test_predictions_of_other_samples_are_an_error(written, tmp_path):
    write_jsonl(tmp_path / "validation.jsonl", [sample for sample in written["samples"] if sample["id"] != 9])
    with pytest.raises(StudyError, match=r"not predictions of samples in .*validation\.jsonl"):
        scored(tmp_path)


@pytest.mark.parametrize("other", [slice(0, -1), slice(None, None, -1)])
def test_checkpoints_with_unlike_samples_are_an_error(written, tmp_path, other):
    write_curve_predictions(
        tmp_path / "predictions.jsonl", written["predictions"] | {20: written["predictions"][20][other]}
    )
    with pytest.raises(StudyError, match="its checkpoints do not have the same samples"):
        scored(tmp_path)


def test_an_empty_file_of_predictions_is_an_error(written, tmp_path):
    (tmp_path / "predictions.jsonl").write_text("")
    with pytest.raises(StudyError, match="not predictions of samples"):
        scored(tmp_path)


def test_scoring_a_curve_says_how_far_it_is(written, tmp_path, stretches):
    scored(tmp_path)
    found = [(one.what, one.done, one.total) for one in stretches]
    predictions, written = len(STEPS) * len(IDS), len(metrics()) // 2
    assert {("scoring", predictions, predictions), ("resampling", written, written)} <= set(found)


def test_gains_over_the_untrained_model_are_paired(written, tmp_path):
    """Step 0 gains nothing, surely; a paired interval is that of the differences of the samples."""
    points = scored(tmp_path).points
    first = points[0].scores["rouge_l"]
    assert (first.gain, first.gain_interval) == (0.0, [0.0, 0.0])
    references = {sample["id"]: sample["output"] for sample in written["samples"]}
    weights = draw_resamples(np.random.default_rng(SUBSET_SEED), len(IDS), RESAMPLES)
    for point in points[1:]:
        values = [
            rouge_l(references[own.id], own.first.text).f1 - rouge_l(references[own.id], other.first.text).f1
            for own, other in zip(written["predictions"][point.step], written["predictions"][0], strict=True)
        ]
        found = point.scores["rouge_l"]
        assert found.gain == pytest.approx(statistics.fmean(values), abs=1e-12)
        resampled = Estimate(statistics.fmean(values), weights @ np.array(values) / len(values), len(IDS))
        expected = interval_of_gain(resampled, distribution_of(resampled, SUBSET_SEED), len(IDS), 1.0)
        assert found.gain_interval == pytest.approx(expected, abs=1e-12)
        assert (point.scores["codebleu"].gain, point.scores["codebleu"].gain_interval) == (None, None)


def a_curve(*scores, half=0.1):
    """A curve with these scores by a metric called `m`, after 0, 10, 20 ... steps."""
    found = [
        CurveScore(score, None if score is None else [score - half, score + half], score, score and [score, score])
        for score in scores
    ]
    return Curve([1], [CurvePoint(10 * place, 0.0, {"m": score}) for place, score in enumerate(found)])


def test_the_curve_of_one_seed_is_its_own():
    assert mean_curve([a_curve(0.5, None, 0.6)], "m", "score") == [(0, 0.5, 0.4, 0.6), (20, 0.6, 0.5, 0.7)]


def test_a_mean_curve_has_the_steps_that_all_seeds_have():
    found = mean_curve([a_curve(0.2, 0.4, 0.6), a_curve(0.4, 0.6)], "m", "gain")
    assert [(step, pytest.approx(value)) for step, value, *_ in found] == [(0, 0.3), (10, 0.5)]


def test_seeds_widen_a_band_and_equal_ones_do_not():
    (same,) = mean_curve([a_curve(0.5)] * 3, "m", "score")
    assert same == (0, pytest.approx(0.5), pytest.approx(0.4), pytest.approx(0.6))
    (apart,) = mean_curve([a_curve(0.3), a_curve(0.5), a_curve(0.7)], "m", "score")
    assert apart.low < 0.4
    assert apart.high > 0.6
    (sure,) = mean_curve([a_curve(0.4, half=0.0), a_curve(0.6, half=0.0)], "m", "score")
    assert sure.high - sure.value == pytest.approx(0.1 * 12.706, rel=0.02)  # Student's t of two seeds


def test_the_bands_of_several_seeds_cover_the_truth():
    """Bands of 95 % of 3 seeds on 100 samples cover the mean of all samples and seeds at least so often."""
    draw = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        values = 0.5 + 0.2 * draw.normal(size=100) + 0.1 * draw.normal(size=(3, 100)) + 0.02 * draw.normal(size=(3, 1))
        means, errors = values.mean(axis=1), values.std(axis=1, ddof=1) / 10 * 1.98
        curves = [
            Curve([1], [CurvePoint(0, 0.0, {"m": CurveScore(mean, [mean - error, mean + error])})])
            for mean, error in zip(means.tolist(), errors.tolist(), strict=True)
        ]
        (point,) = mean_curve(curves, "m", "score")
        covered += point.low <= 0.5 <= point.high
    assert covered / 400 >= 0.94
