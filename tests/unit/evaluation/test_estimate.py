"""Interval, p-value and verdict of a score or a difference: they come from one distribution and agree."""

import json
from pathlib import Path

import numpy as np
import pytest
from codetune.evaluation.bootstrap import Resamples, draw_resamples
from codetune.evaluation.comparisons import ALPHA, Comparison, Comparisons, read_comparisons
from codetune.evaluation.distribution import (
    FEWEST,
    distribution_of,
    interval_of,
    interval_of_score,
    p_value,
    student_quantile,
)
from codetune.evaluation.estimate import Estimate, _kind_of_sums, difference, estimate_score, resample_scores
from codetune.evaluation.measured import measure
from codetune.evaluation.metric import average_metric
from codetune.evaluation.pairs import Pair
from codetune.evaluation.significance import compare_gains, compare_pairs
from codetune.study.runs import System

METRIC = average_metric("A metric", "none", lambda *_: None)


def table(values):
    """Statistics of samples with these values, None for one without."""
    return np.array([[0.0, 0.0] if value is None else [value, 1.0] for value in values])


def system(name):
    return System("d", "m", name)


def compare(systems, resamples=999, seed=0, family="gain"):
    """The comparison of the first of these systems with the second; each is a list of seeds' values."""
    tables = {system(name): [table(values) for values in seeds] for name, seeds in systems.items()}
    one, other = tables
    found = measure(METRIC, tables, Resamples(len(tables[one][0]), resamples, seed))
    compared = compare_gains if family == "gain" else compare_pairs
    (comparison,) = compared([Pair(one, other)], "name", METRIC, found, seed)
    return comparison


@pytest.mark.parametrize(
    ("values", "freedom"),
    [
        ([-12.7062, 12.7062], 1),
        ([-4.30265, 4.30265], 2),
        ([-2.77645, 2.77645], 4),
        ([-3.18245, 3.18245], 3),
        ([-2.04227, 2.04227], 30),
    ],
)
def test_quantiles_are_those_of_student_s_t(values, freedom):
    found = np.array([student_quantile(float(freedom), place / 40_000) for place in range(1, 40_000)])
    assert [found[999], found[-1000]] == pytest.approx(values, rel=1e-4)
    assert (np.diff(found) > 0).all()
    np.testing.assert_allclose(found, -found[::-1], atol=1e-6)


@pytest.mark.parametrize("count", range(1, FEWEST))
def test_fewer_samples_than_a_sign_test_needs_have_no_interval_and_decide_nothing(count):
    """However large the difference is, and whatever the other samples are, which have no value."""
    for rest in (0, 200):
        nothing = [None] * rest
        found = compare({"a": [[0.9] * count + nothing], "b": [[0.1] * count + nothing]})
        assert found.gain == pytest.approx(0.8)
        assert (found.interval, found.verdict) == (None, "undecided")
        assert found.p >= 2.0 ** (1 - count) > ALPHA


def test_six_samples_can_decide():
    found = compare({"a": [[0.9] * FEWEST], "b": [[0.1] * FEWEST]})
    assert found.verdict == "better"
    assert found.p == 2.0 ** (1 - FEWEST)


@pytest.mark.parametrize("differing", range(1, 9))
def test_few_samples_that_differ_decide_no_more_than_a_sign_test_of_them(differing):
    """Their interval reaches zero, whatever resamples without any of them are called."""
    base = np.random.default_rng(0).random(300)
    tuned = np.concatenate([base[:differing] + 0.5, base[differing:]])
    found = compare({"a": [tuned], "b": [base]})
    assert found.p >= 2.0 ** (1 - differing)
    assert found.verdict == ("better" if differing >= FEWEST else "undecided")
    assert (found.interval[0] > 0) == (found.verdict == "better")


def test_samples_that_only_one_system_has_a_value_for_decide_nothing():
    found = compare({"a": [[0.9] * 3 + [None] * 97], "b": [[None] * 3 + [0.1] * 97]})
    assert (found.gain, found.verdict, found.interval) == (pytest.approx(0.8), "undecided", None)
    assert found.p >= 0.25


def test_equal_predictions_differ_by_exactly_nothing():
    values = np.random.default_rng(1).random(50)
    for seeds in (1, 3):
        found = compare({"a": [values] * seeds, "b": [values]})
        assert (found.gain, found.interval, found.p, found.p_holm, found.verdict) == (0, [0, 0], 1, 1, "undecided")


def test_a_constant_gain_over_many_samples_is_certain():
    values = np.random.default_rng(2).random(2000)
    found = compare({"a": [values + 0.1], "b": [values]})
    assert found.interval == pytest.approx([0.1, 0.1])
    assert found.interval[0] <= found.gain <= found.interval[1]
    assert found.verdict == "better"


def test_gains_of_opposite_signs_that_cancel_are_undecided():
    values = np.full(40, 0.5)
    found = compare({"a": [values + np.resize([0.25, -0.25], 40)], "b": [values]})
    assert (found.gain, found.p, found.verdict) == (0, 1, "undecided")
    assert found.interval[0] < 0 < found.interval[1]


def test_seeds_that_agree_by_chance_do_not_make_a_score_certain():
    """Both seeds have half of the samples right, but others."""
    right = np.resize([0.0, 1.0], 60)
    found = compare({"a": [right, 1 - right], "b": [right * 0]})
    assert found.interval[1] - found.interval[0] > 0.05
    scores = resample_scores(METRIC, [table(right), table(1 - right)], Resamples(60, 999, 0))
    low, high = interval_of_score(estimate_score([0.5, 0.5], scores, 60), 1.0, 0)
    assert high - low > 0.05


@pytest.mark.parametrize(("most", "exact"), [(5, True), (2**24 // 60 + 1, False)])
def test_counts_are_summed_as_exactly_in_fewer_bytes(most, exact):
    counts = np.random.default_rng(0).integers(0, most, (60, 2), endpoint=True)
    counts[0] = most
    few, many = counts.astype(np.min_scalar_type(most)), counts.astype(np.float64)
    assert (_kind_of_sums([few], 60) is np.float32) is exact
    assert _kind_of_sums([few, many], 60) is np.float64
    resamples = Resamples(60, 999, 0)
    assert (resample_scores(METRIC, [few], resamples) == resample_scores(METRIC, [many], resamples)).all()


def test_seeds_that_differ_widen_an_interval_that_samples_leave_narrow():
    """Three seeds whose scores differ by the same on every sample: t with two degrees of freedom."""
    base, shifts = np.full(100, 0.4), np.array([0.1, 0.12, 0.2])
    found = compare({"a": [base + shift for shift in shifts], "b": [base]}, resamples=39_999)
    half = 4.30265 * shifts.std(ddof=1) / 3**0.5
    assert found.interval == pytest.approx([shifts.mean() - half, shifts.mean() + half], rel=1e-3)
    assert found.verdict == ("better" if shifts.mean() > half else "undecided")


def test_the_seeds_of_two_systems_have_the_degrees_of_freedom_of_welch_and_satterthwaite():
    resamples = np.zeros(999)
    one, other = (
        Estimate(0.0, resamples, 50, variance, 0.0, freedom) for variance, freedom in ((4.0, 2.0), (1.0, 4.0))
    )
    found = difference(one, other)
    assert (found.seed_variance, found.freedom) == (5.0, 25 / (16 / 2 + 1 / 4))
    assert difference(one, Estimate(0.0, resamples, 50)).freedom == 2.0


def test_a_score_s_interval_does_not_leave_its_scale():
    scores = np.array([0.99] * 5 + [0.2])
    resampled = np.stack([draw_resamples(np.random.default_rng(0), 6, 999) @ scores / 6] * 2)
    low, high = interval_of_score(estimate_score([scores.mean(), scores.mean()], resampled, 6), 1.0, 0)
    assert 0 <= low < scores.mean() < high <= 1


def test_nothing_has_no_interval_and_no_p_value():
    nothing = distribution_of(Estimate(float("nan"), np.full(99, np.nan), 0), 0)
    assert interval_of(nothing, 0, 0, 1) is None
    assert p_value(float("nan"), nothing, 0) is None
    assert len(distribution_of(Estimate(0.3, np.full(99, np.nan), 7), 0)) == 0


def test_a_gain_that_the_resamples_contradict_is_undecided():
    """As of a corpus metric, whose resamples may lie on one side of its score."""
    resamples = np.full(999, 0.1)
    assert p_value(-0.05, np.sort(resamples), 100) == 1.0


def test_resamples_in_which_a_metric_has_no_value_do_not_count():
    values = np.full(999, np.nan)
    values[:30] = np.linspace(0.1, 0.2, 30)
    found = distribution_of(Estimate(0.15, values, 7), 0)
    assert len(found) == 30
    assert interval_of(found, 7, 0, 1) is None  # 30 values have no 2.5 %
    assert p_value(0.15, found, 7) >= 2 / 31


def random_study(generator):
    """A random system and its baseline: few samples or many, ties, seeds, and samples without a value."""
    samples, kind = int(generator.integers(1, 40)), generator.integers(5)
    common = generator.choice([0, 0.2]) * generator.standard_normal(samples)
    lacking = generator.random(samples) < (generator.choice([0.5, 0.9]) if kind == 3 else 0)

    def seeds():
        without = generator.random(samples) < generator.choice([0, 0.5, 0.95]) if kind == 4 else lacking
        shift, spread = generator.choice([0, 0, 0.1, 0.3]), generator.choice([0, 0.05, 0.3])
        found = shift + spread * generator.standard_normal((int(generator.choice([1, 1, 2, 3])), samples)) + common
        found += generator.choice([0, 0.05]) * generator.standard_normal((len(found), 1))
        found = np.round(found, 1) if kind == 1 else (found > 0.5) * 1.0 if kind == 2 else found
        return [[None if lacks else value for value, lacks in zip(one, without, strict=True)] for one in found]

    return {"a": seeds(), "b": seeds()}


def test_verdicts_p_values_and_intervals_agree_in_1000_random_studies():
    generator, counts = np.random.default_rng(0), {"better": 0, "worse": 0, "undecided": 0, None: 0}
    for number in range(1000):
        found = compare(random_study(generator), resamples=int(generator.choice([100, 199, 399])), seed=number)
        counts[found.verdict] += 1
        check(found, compare_size=1)
        if found.verdict:
            assert found.p_holm == found.p
    assert min(counts.values()) > 20  # each of them occurs


def check(found, compare_size):
    """What holds of every comparison."""
    if found.p is None:
        assert (found.gain, found.interval, found.p_holm, found.verdict) == (None,) * 4
        return
    assert 0 < found.p <= found.p_holm <= min(1, compare_size * found.p) + 1e-12
    decided = found.p_holm <= ALPHA
    assert found.verdict == ("undecided" if not decided else "better" if found.gain > 0 else "worse")
    if decided:
        assert found.gain != 0
        low, high = found.interval
        assert low > 0 if found.gain > 0 else high < 0
    if found.interval is not None and found.p > ALPHA:
        assert found.interval[0] <= 0 <= found.interval[1]
    back = found.reverse
    assert back.reverse == found
    assert (back.p, back.p_holm, back.gain) == (found.p, found.p_holm, -found.gain)
    assert {found.verdict, back.verdict} in ({"better", "worse"}, {"undecided"})


def test_comparing_the_other_way_round_gives_the_mirrored_numbers():
    generator = np.random.default_rng(3)
    for number in range(60):
        study = random_study(generator)
        there = compare(study, 199, number, "pair").reverse
        back = compare(dict(reversed(study.items())), 199, number, "pair")
        assert (there.system, there.over, there.seeds, there.over_seeds) == (
            back.system,
            back.over,
            back.seeds,
            back.over_seeds,
        )
        if there.gain is None:
            assert (back.gain, back.p, back.interval) == (None, None, None)
            continue
        assert (there.gain, there.p >= 2 / 200) == (back.gain, True)
        assert there.verdict == back.verdict or max(there.p, back.p) > ALPHA / 2
        assert (there.interval is None) == (back.interval is None)


def test_corrected_verdicts_of_a_family_agree_with_the_uncorrected_intervals():
    """Ten systems of a study of no difference but one, all pairs: Holm's correction leaves what is clear."""
    generator = np.random.default_rng(4)
    base = generator.random(60)
    tables = {
        system(f"s{number}"): [table(base + 0.05 * generator.standard_normal(60) + (0.2 if number == 3 else 0))]
        for number in range(6)
    }
    pairs = [Pair(one, other) for one in tables for other in tables if one < other]
    found = compare_pairs(pairs, "name", METRIC, measure(METRIC, tables, Resamples(60, 3000, 0)), 0)
    for one in found:
        check(one, len(found))
    decided = {one.system.method if one.gain > 0 else one.over.method for one in found if one.verdict != "undecided"}
    assert decided == {"s3"}


def test_a_file_of_comparisons_has_no_value_that_json_lacks(tmp_path):
    """A metric of one sample, of none, and of all, with one seed and several."""
    found = []
    for study in (
        {"a": [[0.4]], "b": [[0.2]]},
        {"a": [[None], [None]], "b": [[None]]},
        {"a": [[0.1]] * 2, "b": [[0.1]]},
    ):
        found.append(compare(study, 100))
    path = Path(tmp_path, "c.json")
    write(path, found)
    json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert len(read_comparisons(path).comparisons) == 3


def write(path, found: list[Comparison]):
    from codetune.base.files import write_json
    from codetune.base.plain import to_plain
    from codetune.evaluation.comparisons import MetricFacts

    write_json(path, to_plain(Comparisons("t", 100, 0, 0.95, {"name": MetricFacts("", "", 1.0)}, [], found)))


@pytest.mark.parametrize("samples", [6, 24, 164, 2000])
def test_scores_that_are_all_alike_have_the_interval_of_clopper_and_pearson(samples):
    """A share at the interval's end shows no other sample once in forty times."""
    low, high = interval_of_score(estimate_score([0.0], np.zeros((1, 1000)), samples), 1.0, 0)
    assert low == 0
    assert (1 - high) ** samples == pytest.approx(0.025)
    assert interval_of_score(estimate_score([0.0, 0.0], np.zeros((2, 1000)), samples), 100.0, 0) == pytest.approx(
        [0, 100 * high]
    )
    low, best = interval_of_score(estimate_score([1.0], np.ones((1, 1000)), samples), 1.0, 0)
    assert (low, best) == (pytest.approx(1 - high), 1)
    assert interval_of_score(estimate_score([0.5], np.full((1, 1000), 0.5), samples), 1.0, 0) == [0.5, 0.5]


def test_scores_that_are_all_alike_have_no_interval_where_samples_are_too_few():
    assert interval_of_score(estimate_score([0.0], np.zeros((1, 1000)), 5), 1.0, 0) is None
