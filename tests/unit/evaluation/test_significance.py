"""Intervals cover what they say; corrections and pairings are right."""

import json
import weakref
from pathlib import Path

import numpy as np
import pytest
from codetune.base.errors import StudyError
from codetune.evaluation.bootstrap import CHUNK, Resamples, draw_resamples, percentile_interval
from codetune.evaluation.comparisons import Comparison, read_comparisons
from codetune.evaluation.metric import statistics_of
from codetune.evaluation.registry import metrics
from codetune.evaluation.scored import Statistics
from codetune.evaluation.significance import holm, measure_significance, p_value, resample
from codetune.study.record import read_record
from codetune.study.runs import System
from fake_records import fake_method, fake_record, seal, with_test, write_fake


def statistics(values):
    """The statistics of such samples."""
    scored = rows(values)
    return Statistics([row["id"] for row in scored], {name: statistics_of(scored, name) for name in metrics()})


def rows(values):
    """Scored samples with these ROUGE-L values, and something for the other metrics."""
    others = {"bleu": [4.0, 4.0, 4, 3, 2, 1, 4, 3, 2, 1], "chrf": [1.0] * 18, "codebleu": [0.5, 1.0, 0.0]}
    return [
        {
            "id": number,
            "statistics": {name: others.get(name, [value, 1.0]) for name in metrics()},
        }
        for number, value in enumerate(values)
    ]


@pytest.mark.parametrize("resamples", [1, 200])
@pytest.mark.parametrize("values", [[0.4], [0.4, 0.2]])
def test_one_or_two_samples_have_an_interval_and_a_p_value(values, resamples):
    base, tuned = System("none", "m", "base"), System("d", "m", "qlora")
    found = resample(
        {base: [statistics(values)], tuned: [statistics([value + 0.1 for value in values])]}, resamples, 0
    )["rouge_l"]
    gains = found[tuned].resamples - found[base].resamples
    assert percentile_interval(gains) == pytest.approx([0.1, 0.1])
    assert p_value(gains) == pytest.approx(2 / (resamples + 1))
    low, high = percentile_interval(found[base].resamples)
    assert min(values) <= low <= high <= max(values)


def test_intervals_cover_a_known_difference():
    """1,000 draws of paired scores with a known mean difference: 95 % intervals hold it in 93 to 97 % of them."""
    generator = np.random.default_rng(0)
    truth, covered = 0.04, 0
    for _ in range(1000):
        base = generator.beta(2, 3, size=200)
        gain = truth + generator.normal(0, 0.15, size=200)
        tuned = base + gain
        weights = draw_resamples(generator, 200, 1000)
        low, high = percentile_interval(weights @ tuned / 200 - weights @ base / 200)
        covered += low <= truth <= high
    assert 930 <= covered <= 970


def test_p_values_of_no_difference_are_uniform_enough():
    """Under no difference 5 % of the p-values are below 0.05, within three standard errors."""
    generator = np.random.default_rng(1)
    below = 0
    for _ in range(600):
        gain = generator.normal(0, 1, size=100)
        below += p_value(draw_resamples(generator, 100, 400) @ gain / 100) < 0.05
    assert abs(below / 600 - 0.05) < 3 * (0.05 * 0.95 / 600) ** 0.5


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]), ([0.5, 0.9], [1.0, 1.0]), ([0.2], [0.2]), ([], [])],
)
def test_holm_s_correction(values, expected):
    assert holm(values) == pytest.approx(expected)


def test_equal_runs_differ_by_nothing_and_a_constant_gain_has_no_width():
    generator = np.random.default_rng(2)
    base = generator.random(50)
    values = {"base": base, "same": base, "more": base + 0.1}
    members = {System("d", "m", method): [statistics(found)] for method, found in values.items()}
    found = {system.method: one for system, one in resample(members, 300, seed=0)["rouge_l"].items()}
    same = found["same"].resamples - found["base"].resamples
    more = found["more"].resamples - found["base"].resamples
    assert not same.any()
    np.testing.assert_allclose(more, 0.1)
    assert found["base"].score == pytest.approx(base.mean())
    assert p_value(same) == 1.0


def test_resamples_are_those_of_drawing_indices():
    """Weights stand for samples drawn with replacement: mean and spread of a bootstrap mean."""
    values = np.random.default_rng(3).random(40)
    means = draw_resamples(np.random.default_rng(4), 40, 20000) @ values / 40
    assert means.mean() == pytest.approx(values.mean(), abs=0.002)
    assert means.std() == pytest.approx(values.std() / 40**0.5, rel=0.03)


def scored(folder, record, values, test="alpaca"):
    """The record as read from a folder of results, with scored samples beside it."""
    read = read_record(write_fake(record, folder))
    path = read.path_of("scores", test)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(values)))
    return seal(Path(read.folder) / "record.json")


def compare(records, folder, test="alpaca", resamples=300):
    target = folder / "comparisons" / f"{test}.json"
    measure_significance(records, test, resamples, 0, str(target))
    return read_comparisons(target)


def test_the_file_has_every_system_and_gain_and_the_same_seed_the_same_bytes(tmp_path):
    generator = np.random.default_rng(5)
    base = generator.random(60)
    records = []
    for model, gain in (("a", 0.2), ("b", 0.0)):
        noise = generator.normal(0, 0.1, size=60)
        for method, seed, values in (("base", 0, base), ("qlora", 0, base + gain + noise), ("qlora", 1, base + gain)):
            records.append(scored(tmp_path, fake_record(model, method, seed=seed), values))
    targets = [tmp_path / name for name in ("one", "two")]
    for target in targets:
        measure_significance(records, "alpaca", 400, 0, str(target))
    assert targets[0].read_bytes() == targets[1].read_bytes()
    found = read_comparisons(targets[0])
    assert (found.test, found.resamples, found.seed, found.level) == ("alpaca", 400, 0, 0.95)
    assert {(score.data, score.model, score.method) for score in found.scores} == {
        (data, model, method) for data, method in (("none", "base"), ("alpaca", "qlora")) for model in ("a", "b")
    }
    assert len(found.scores) == 4 * len(metrics())  # two seeds are one system
    assert {name: (facts.label, facts.highest) for name, facts in found.metrics.items()} == {
        name: (metric.label, metric.highest) for name, metric in metrics().items()
    }
    better, same = (found.comparison_of(System("alpaca", model, "qlora"), "rouge_l") for model in ("a", "b"))
    assert (better.verdict, same.verdict) == ("better", "no difference")
    assert better.p_holm == pytest.approx(2 * better.p)
    assert same.interval[0] < 0 < same.interval[1]
    tuned = found.score_of(System("alpaca", "a", "qlora"), "rouge_l")
    assert tuned.score == pytest.approx(np.mean(tuned.seeds))
    assert tuned.deviation == pytest.approx(np.std(tuned.seeds, ddof=1))


def test_numbers_are_those_of_paired_resamples_drawn_from_the_seed(tmp_path):
    """What the module computes, in four lines of numpy."""
    generator = np.random.default_rng(6)
    base, tuned = generator.random(30), generator.random(30)
    records = [scored(tmp_path, fake_record("m", name), values) for name, values in (("base", base), ("qlora", tuned))]
    found = compare(records, tmp_path)
    weights = np.random.default_rng(0).multinomial(30, np.full(30, 1 / 30), size=300)
    gains = weights @ tuned / 30 - weights @ base / 30
    comparison = found.comparison_of(records[1].run.system, "rouge_l")
    assert comparison.gain == pytest.approx(tuned.mean() - base.mean())
    assert comparison.interval == pytest.approx(list(np.percentile(gains, [2.5, 97.5])))
    score = found.score_of(records[0].run.system, "rouge_l")
    assert score.interval == pytest.approx(list(np.percentile(weights @ base / 30, [2.5, 97.5])))


def test_a_method_is_compared_with_each_of_its_baselines_the_tuned_ones_on_the_same_data(tmp_path):
    lora = fake_method("lora", baselines=["qlora", "base"])
    values = {("base", "alpaca"): 0.1, ("qlora", "alpaca"): 0.2, ("qlora", "evol"): 0.6, (lora.name, "alpaca"): 0.5}
    records = [
        scored(tmp_path, fake_record("m", lora if method == "lora" else method, data=data), [score, score])
        for (method, data), score in values.items()
    ]
    found = compare(records, tmp_path)
    gains = [one for one in found.comparisons if one.metric == "rouge_l"]
    assert [(one.data, one.method, one.baseline, pytest.approx(one.gain)) for one in gains] == [
        ("alpaca", "qlora", "base", 0.1),
        ("evol", "qlora", "base", 0.5),
        ("alpaca", "lora", "qlora", 0.3),
        ("alpaca", "lora", "base", 0.4),
    ]
    first = found.comparison_of(System("alpaca", "m", "lora"), "rouge_l")
    assert first.baseline == "qlora"
    assert first.p_holm == pytest.approx(4 * first.p)  # over all four
    assert found.comparison_of(System("none", "m", "base"), "rouge_l") is None


def test_a_run_without_its_baseline_has_a_score_and_no_gain(tmp_path):
    other = scored(tmp_path, fake_record("other", "base"), [0.1, 0.2])
    alone = scored(tmp_path, fake_record("m", "qlora"), [0.3, 0.4])
    found = compare([other, alone], tmp_path)
    assert found.score_of(alone.run.system, "rouge_l").score == pytest.approx(0.35)
    assert found.comparisons == []


def test_each_test_set_has_its_own_scores(tmp_path):
    record = with_test(fake_record("m", "base"), "evol", {"rouge_l": 0.5})
    scored(tmp_path, record, [0.1, 0.1])
    record = scored(tmp_path, record, [0.7, 0.7, 0.7], "evol")
    scores = [compare([record], tmp_path, test).score_of(record.run.system, "rouge_l").score for test in record.tests]
    assert scores == pytest.approx([0.1, 0.7])


def test_runs_on_other_samples_are_an_error(tmp_path):
    records = [
        scored(tmp_path, fake_record("m", "base"), [0.1, 0.2]),
        scored(tmp_path, fake_record("m", "qlora"), [0.1]),
    ]
    with pytest.raises(StudyError, match="qlora.*not scored on the samples of the other runs"):
        compare(records, tmp_path)


def test_the_score_of_a_system_that_was_not_compared_is_an_error(tmp_path):
    found = compare([scored(tmp_path, fake_record("m", "base"), [0.1, 0.2])], tmp_path)
    with pytest.raises(StudyError, match="comparisons of alpaca: no rouge_l of alpaca, m, qlora"):
        found.score_of(System("alpaca", "m", "qlora"), "rouge_l")


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [([0.1, 0.2], "better"), ([-0.2, -0.1], "worse"), ([-0.1, 0.1], "no difference"), ([0.0, 0.1], "no difference")],
)
def test_the_verdict_is_what_the_interval_says(interval, verdict):
    comparison = Comparison("d", "m", "qlora", "base", "rouge_l", gain=0.0, interval=interval, p=0.5, p_holm=0.5)
    assert comparison.verdict == verdict


def test_the_statistics_of_few_runs_are_in_memory_together():
    made, most = [], 0

    def seeds():
        nonlocal most
        for _ in range(6):
            most = max(most, sum(one() is not None for one in made))
            found = statistics([0.1, 0.2, 0.3])
            made.append(weakref.ref(found))
            yield found
            del found

    resample({System("d", "m", "qlora"): seeds()}, 10, seed=0)
    assert most <= 1  # the one that has just been used


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_metric_of_no_sample_has_no_number_no_p_value_and_no_verdict(tmp_path, seeds):
    records = []
    for method, count in (("base", 1), ("qlora", seeds)):
        for seed in range(count):
            record = scored(tmp_path, fake_record("m", method, seed=seed), [0.1, 0.5])
            path = record.path_of("scores", "alpaca")
            path.write_text(path.read_text().replace(json.dumps([0.5, 1.0, 0.0]), json.dumps([0.0, 0.0, 0.0])))
            records.append(seal(Path(record.folder) / "record.json"))
    found = compare(records, tmp_path)
    assert "NaN" not in (tmp_path / "comparisons" / "alpaca.json").read_text()
    score = found.score_of(records[-1].run.system, "codebleu")
    assert (score.score, score.interval, score.seeds, score.deviation) == (None, None, [None] * seeds, None)
    gain = found.comparison_of(records[-1].run.system, "codebleu")
    assert (gain.gain, gain.interval, gain.p, gain.p_holm, gain.verdict) == (None,) * 5
    assert found.comparison_of(records[-1].run.system, "rouge_l").verdict is not None


def test_comparisons_without_a_p_value_do_not_count_in_holm_s_correction():
    assert holm([0.01, None, 0.03, None]) == [0.02, None, 0.03, None]
    assert holm([None]) == [None]


def test_nothing_has_no_interval_and_no_p_value():
    nothing = np.full(10, np.nan)
    assert percentile_interval(nothing) is None
    assert p_value(nothing) is None
    assert percentile_interval(np.array([np.nan, 0.2])) == [0.2, 0.2]


def test_bootstrap_counts_are_those_of_the_draws_in_as_few_bytes_as_they_need():
    for samples, resamples in ((1, 3), (40, 1200), (3, 501)):
        found = list(Resamples(samples, resamples, seed=7).chunks())
        assert [len(chunk) for chunk in found] == [
            min(CHUNK, resamples - start) for start in range(0, resamples, CHUNK)
        ]
        generator = np.random.default_rng(7)
        for chunk in found:
            np.testing.assert_array_equal(chunk, draw_resamples(generator, samples, len(chunk)))
