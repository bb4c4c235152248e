"""Intervals cover what they say; corrections and pairings are right."""

import json

import numpy as np
import pytest
from codetune.base.errors import StudyError
from codetune.evaluation.bootstrap import draw_resamples, interval
from codetune.evaluation.registry import metrics
from codetune.evaluation.significance import holm, measure_significance, p_value, resample


def rows(values):
    """Scored samples with these ROUGE-L values, and something for the other metrics."""
    others = {"bleu": [4.0, 4.0, 4, 3, 2, 1, 4, 3, 2, 1], "chrf": [1.0] * 18}
    return [
        {
            "id": number,
            "statistics": {name: others.get(name, [value, 1.0]) for name in metrics()},
        }
        for number, value in enumerate(values)
    ]


def test_intervals_cover_a_known_difference():
    """1,000 draws of paired scores with a known mean difference: 95 % intervals hold it in 93 to 97 % of them."""
    generator = np.random.default_rng(0)
    truth, covered = 0.04, 0
    for _ in range(1000):
        base = generator.beta(2, 3, size=200)
        gain = truth + generator.normal(0, 0.15, size=200)
        tuned = base + gain
        weights = draw_resamples(generator, 200, 1000)
        low, high = interval(weights @ tuned / 200 - weights @ base / 200)
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
    keys = {("d", "m", "base"): [rows(base)], ("d", "m", "same"): [rows(base)], ("d", "m", "more"): [rows(base + 0.1)]}
    found = resample(keys, 300, seed=0)["rouge_l"]
    same = found["d", "m", "same"].resamples - found["d", "m", "base"].resamples
    more = found["d", "m", "more"].resamples - found["d", "m", "base"].resamples
    assert not same.any()
    np.testing.assert_allclose(more, 0.1)
    assert found["d", "m", "base"].score == pytest.approx(base.mean())
    assert p_value(same) == 1.0


def test_resamples_are_those_of_drawing_indices():
    """Weights stand for samples drawn with replacement: mean and spread of a bootstrap mean."""
    values = np.random.default_rng(3).random(40)
    means = draw_resamples(np.random.default_rng(4), 40, 20000) @ values / 40
    assert means.mean() == pytest.approx(values.mean(), abs=0.002)
    assert means.std() == pytest.approx(values.std() / 40**0.5, rel=0.03)


def write(path, scored):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in scored))
    return str(path)


def test_the_file_has_every_run_and_gain_and_the_same_seed_the_same_bytes(tmp_path):
    generator = np.random.default_rng(5)
    base = generator.random(60)
    runs, paths = [], []
    for model, gain in (("a", 0.2), ("b", 0.0)):
        noise = generator.normal(0, 0.1, size=60)
        for method, seed, values in (("base", 0, base), ("qlora", 0, base + gain + noise), ("qlora", 1, base + gain)):
            runs.append({"dataset": "d", "model": model, "method": method, "seed": seed})
            paths.append(write(tmp_path / f"{model}{method}{seed}", rows(values)))
    targets = [tmp_path / name for name in ("one", "two")]
    for target in targets:
        measure_significance(runs, paths, ["base"], 400, 0, str(target))
    assert targets[0].read_bytes() == targets[1].read_bytes()
    found = json.loads(targets[0].read_text())
    assert len(found["scores"]) == 4 * len(metrics())
    gains = {entry["model"]: entry for entry in found["gains"] if entry["metric"] == "rouge_l"}
    assert gains["a"]["interval"][0] > 0
    assert gains["a"]["p_holm"] == pytest.approx(2 * gains["a"]["p"])
    assert gains["b"]["interval"][0] < 0 < gains["b"]["interval"][1]
    tuned = next(e for e in found["scores"] if (e["model"], e["method"], e["metric"]) == ("a", "qlora", "rouge_l"))
    assert tuned["score"] == pytest.approx(np.mean(tuned["seeds"]))
    assert tuned["deviation"] == pytest.approx(np.std(tuned["seeds"], ddof=1))


def test_runs_on_other_samples_are_an_error(tmp_path):
    paths = [write(tmp_path / "a", rows([0.1, 0.2])), write(tmp_path / "b", rows([0.1]))]
    runs = [{"dataset": "d", "model": "m", "method": method} for method in ("base", "qlora")]
    with pytest.raises(StudyError, match="not scored on the samples of the other runs"):
        measure_significance(runs, paths, ["base"], 100, 0, str(tmp_path / "x"))
