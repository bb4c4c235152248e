"""Answers to the questions of a study: mean gains over models, with intervals over samples and seeds."""

import numpy as np
import pytest
from codetune.base.errors import StudyError
from codetune.evaluation.answered import read_answers
from codetune.evaluation.answers import Bootstrap, answer_questions, mean_of
from codetune.evaluation.bootstrap import Resamples
from codetune.evaluation.estimate import Estimate
from codetune.evaluation.measured import Measured
from codetune.study.question import Asked, Over, Question
from codetune.study.runs import NONE, System
from fake_records import fake_method, fake_record
from test_significance import scored, untuned

COUNT = 60
HELPS = Question("helps", "Does tuning help?", Asked("qlora"), Over(["base", "base-chat"]))


def values(mean, seed):
    return np.random.default_rng(seed).normal(mean, 0.1, COUNT).clip(0, 1)


def three_models(folder, gains=(0.3, 0.2, 0.1), seeds=1):
    """Records of three models, tuned with these gains over `base`, which is better than `base-chat`."""
    records = []
    for place, gain in enumerate(gains):
        model, base = f"m{place}", values(0.4, place)
        records.append(scored(folder, fake_record(model, "base"), base))
        records.append(scored(folder, fake_record(model, untuned("base-chat")), base - 0.05))
        tuned = fake_method("qlora", baselines=["base"])
        records += [
            scored(folder, fake_record(model, tuned, seed=seed), base + gain + 0.01 * seed) for seed in range(seeds)
        ]
    return records


def answer(folder, records, *questions, resamples=2000):
    target = folder / "answers.json"
    answer_questions(records, questions, "rouge_l", Bootstrap(resamples, 0), str(target))
    return read_answers(target).answers


def test_the_mean_gain_is_over_the_better_of_the_methods(tmp_path):
    (found,) = answer(tmp_path, three_models(tmp_path), HELPS)
    assert (found.question, found.test, found.metric, found.label) == ("helps", "alpaca", "rouge_l", "ROUGE-L")
    assert found.methods == ["base", "base-chat"]
    assert {one.over.method for one in found.compared} == {"base"}
    assert [one.gain for one in found.compared] == pytest.approx([0.3, 0.2, 0.1])
    assert found.gain == pytest.approx(0.2)
    assert [one.verdict for one in found.compared] == ["better"] * 3
    assert found.p < 0.01


def test_the_interval_of_a_mean_is_that_of_the_mean_of_each_resample(tmp_path):
    rng, records = np.random.default_rng(5), []
    gains = [rng.normal(0.05, 0.2, COUNT) for _ in range(3)]
    for place, gain in enumerate(gains):
        records.append(scored(tmp_path, fake_record(f"m{place}", "base"), np.full(COUNT, 0.5)))
        records.append(scored(tmp_path, fake_record(f"m{place}", fake_method("qlora", baselines=["base"])), 0.5 + gain))
    (found,) = answer(tmp_path, records, HELPS, resamples=20_000)
    weights = np.concatenate(list(Resamples(COUNT, 20_000, 0).chunks(np.float64)))
    low, high = np.quantile(weights @ np.mean(gains, axis=0) / COUNT, [0.025, 0.975])
    assert found.interval == pytest.approx([low, high], abs=0.004)
    single = max(one.interval[1] - one.interval[0] for one in found.compared)
    assert found.interval[1] - found.interval[0] < single  # the models' samples differ by chance, which cancels


def test_a_baseline_that_all_share_counts_as_often_as_it_is_compared():
    resamples = np.zeros(9)
    found = {
        System("d", name, "x"): Measured(Estimate(value, resamples + value, 40, variance, 0.0, 2.0), [], [])
        for name, value, variance in (("a", 0.2, 0.09), ("b", 0.4, 0.36))
    }
    a, b = found
    alone = mean_of([a, a, a], found)
    assert (alone.value, alone.seed_variance, alone.freedom) == pytest.approx((0.2, 0.09, 2.0))
    mean = mean_of([a, b], found)
    assert (mean.value, mean.seed_variance) == pytest.approx((0.3, (0.09 + 0.36) / 4))
    assert mean.freedom == pytest.approx((0.0225 + 0.09) ** 2 / ((0.0225**2 + 0.09**2) / 2))
    assert mean.resamples == pytest.approx(resamples + 0.3)


def test_seeds_widen_the_interval_of_a_mean(tmp_path):
    (one,) = answer(tmp_path / "one", three_models(tmp_path / "one"), HELPS)
    (several,) = answer(tmp_path / "several", three_models(tmp_path / "several", seeds=3), HELPS)
    assert several.interval[1] - several.interval[0] > one.interval[1] - one.interval[0]
    assert several.compared[0].seeds == 3


def test_systems_that_do_not_differ_decide_nothing(tmp_path):
    (found,) = answer(tmp_path, three_models(tmp_path, gains=(0.0, 0.0)), HELPS)
    assert (found.gain, found.p) == (0.0, 1.0)
    assert [one.verdict for one in found.compared] == ["undecided"] * 2


def test_a_metric_that_a_test_set_lacks_is_one_line(tmp_path):
    question = Question("works", "Does it work?", HELPS.of, HELPS.over, "pass_at_1")
    with pytest.raises(
        StudyError, match="questions.works.metric: not all scores on alpaca have a pass_at_1; .*rouge_l"
    ):
        answer(tmp_path, three_models(tmp_path), question)


def test_a_question_is_answered_on_its_test_sets_alone(tmp_path):
    records = three_models(tmp_path)
    other = Question("other", "Elsewhere?", HELPS.of, HELPS.over, tests=["conala"])
    untuned_only = Question("none", "Nothing?", Asked("base"), Over(["qlora"], model="m9"))
    assert answer(tmp_path, records, other, untuned_only) == []
    assert {one.run.data for one in records} == {NONE, "alpaca"}
