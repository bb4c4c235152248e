"""Scores, gains and pairs of a test set: who is compared with whom, what is corrected together, and what is written."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from codetune.base.errors import StudyError
from codetune.base.plain import to_plain
from codetune.evaluation.bootstrap import CHUNK, Resamples, draw_resamples
from codetune.evaluation.comparisons import read_comparisons
from codetune.evaluation.measures import Measures, metrics_of
from codetune.evaluation.pairs import RESAMPLES_PER_COMPARISON, Pair, pairs_of
from codetune.evaluation.registry import metrics
from codetune.evaluation.significance import holm, measure_significance
from codetune.study.leaks import Leak, LeakFacts
from codetune.study.record import read_record
from codetune.study.runs import System
from fake_records import fake_method, fake_record, seal, with_test, write_fake


def untuned(name):
    """An untuned method of another name."""
    return replace(fake_method("base"), name=name)


def rows(values):
    """Scored samples with these ROUGE-L values, and something for the other metrics."""
    others = {"bleu": [4.0, 4.0, 4, 3, 2, 1, 4, 3, 2, 1], "chrf": [1.0] * 18, "codebleu": [0.5, 1.0, 0.0]}
    return [
        {
            "id": number,
            "language": "Python",
            "length": 40,
            "statistics": {name: others.get(name.removesuffix("_on_code"), [value, 1.0]) for name in metrics()},
        }
        for number, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]), ([0.5, 0.9], [1.0, 1.0]), ([0.2], [0.2]), ([], [])],
)
def test_holm_s_correction(values, expected):
    assert holm(values) == pytest.approx(expected)


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


def compare(records, folder, test="alpaca", resamples=300, leaks=()):
    target = folder / "comparisons" / f"{test}.json"
    measure_significance(records, test, leaks, "rouge_l", resamples, 0, str(target))
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
        measure_significance(records, "alpaca", [], "rouge_l", 400, 0, str(target))
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
    better, same = (found.gain_of(System("alpaca", model, "qlora"), "rouge_l") for model in ("a", "b"))
    assert (better.verdict, same.verdict) == ("better", "undecided")
    assert better.p_holm == pytest.approx(2 * better.p)
    assert same.interval[0] < 0 < same.interval[1]
    tuned = found.score_of(System("alpaca", "a", "qlora"), "rouge_l")
    assert tuned.score == pytest.approx(np.mean(tuned.seeds))
    assert tuned.deviation == pytest.approx(np.std(tuned.seeds, ddof=1))


def test_numbers_are_those_of_paired_resamples_drawn_from_the_seed(tmp_path):
    """What the module computes for one seed, in some lines of numpy."""
    generator = np.random.default_rng(6)
    base, tuned = generator.random(30), generator.random(30)
    records = [scored(tmp_path, fake_record("m", name), values) for name, values in (("base", base), ("qlora", tuned))]
    found = compare(records, tmp_path, resamples=399)
    weights = np.random.default_rng(0).multinomial(30, np.full(30, 1 / 30), size=399)
    student = np.sqrt(30 / np.random.default_rng([0, 1]).chisquare(29, 399))

    def interval(values):
        found = np.sort(values.mean() + (weights @ values / 30 - values.mean()) * student)
        return found[9], found[-10]  # 2.5 % of 400

    comparison = found.gain_of(records[1].run.system, "rouge_l")
    assert comparison.gain == pytest.approx(tuned.mean() - base.mean())
    assert comparison.interval == pytest.approx(interval(tuned - base))
    assert found.score_of(records[0].run.system, "rouge_l").interval == pytest.approx(interval(base))


def test_beside_each_score_stands_that_without_what_leaks_from_any_training_data(tmp_path):
    """The untuned model's, too: all are of the same samples."""
    generator = np.random.default_rng(7)
    values = {
        ("base", "alpaca", 0): generator.random(30),
        ("qlora", "alpaca", 0): generator.random(30),
        ("qlora", "alpaca", 1): generator.random(30),
        ("qlora", "evol", 0): generator.random(30),
    }
    records = [
        scored(tmp_path, fake_record("m", method, data, seed), found) for (method, data, seed), found in values.items()
    ]
    paths = [write_leaks(tmp_path, data, ids) for data, ids in (("alpaca", [3, 5]), ("evol", [5, 29]))]
    found = compare(records, tmp_path, leaks=paths)
    assert found.leaked == [3, 5, 29]
    rest = [place for place in range(30) if place not in found.leaked]
    for system in {record.run.system for record in records}:
        seeds = [one[rest].mean() for name, one in values.items() if name[:2] == (system.method, system.data)]
        seeds = seeds or [values["base", "alpaca", 0][rest].mean()]
        assert found.score_of(system, "rouge_l").without_leaked == pytest.approx(np.mean(seeds))
    assert all(one.without_leaked is None for of_class in found.classes for one in of_class.scores)
    unharmed = compare(records, tmp_path)
    assert unharmed.leaked == []
    assert [one.without_leaked for one in unharmed.scores] == pytest.approx([one.score for one in unharmed.scores])
    assert [replace(one, without_leaked=None) for one in unharmed.scores] == [
        replace(one, without_leaked=None) for one in found.scores
    ]


def test_where_all_samples_leak_nothing_is_left_to_score(tmp_path):
    records = [scored(tmp_path, fake_record("m", "qlora"), np.full(8, 0.5))]
    found = compare(records, tmp_path, leaks=[write_leaks(tmp_path, "alpaca", range(8))])
    assert {one.without_leaked for one in found.scores} == {None}


def write_leaks(folder, dataset, ids):
    """Facts of what leaks from training data, of these test samples."""
    facts = LeakFacts(dataset, "alpaca", 0.7, {}, 30, [Leak(number, "train", 0) for number in ids])
    (folder / dataset).with_suffix(".json").write_text(json.dumps(to_plain(facts)))
    return str((folder / dataset).with_suffix(".json"))


def test_a_gain_is_over_the_better_baseline_by_that_metric_and_the_others_have_no_verdict(tmp_path):
    """Of equal ones the first; the tuned baselines are those on the same data."""
    lora = fake_method("lora", baselines=["base", "chat", "qlora"])
    methods = {"base": "base", "chat": untuned("chat"), "qlora": "qlora", "lora": lora}
    values = {("base", "alpaca"): 0.2, ("chat", "alpaca"): 0.2, ("qlora", "alpaca"): 0.1, ("qlora", "evol"): 0.6}
    records = [
        scored(tmp_path, fake_record("m", methods[method], data=data), [score] * 8)
        for (method, data), score in {**values, ("lora", "alpaca"): 0.5}.items()
    ]
    found = compare(records, tmp_path)
    gains = [one for one in found.comparisons if one.metric == "rouge_l" and one.family != "pair"]
    system = System("alpaca", "m", "lora")
    assert [(one.family, one.system, one.over.method, pytest.approx(one.gain)) for one in gains] == [
        ("gain", System("alpaca", "m", "qlora"), "base", -0.1),
        ("gain", System("evol", "m", "qlora"), "base", 0.4),
        ("gain", system, "base", 0.3),
        ("other gain", system, "chat", 0.3),
        ("other gain", system, "qlora", 0.4),
    ]
    assert found.gain_of(system, "rouge_l").over.method == "base"
    assert found.gain_of(system, "rouge_l").p_holm == pytest.approx(3 * found.gain_of(system, "rouge_l").p)
    others = [one for one in gains if one.family == "other gain"]
    assert {(one.p, one.p_holm, one.verdict) for one in others} == {(None,) * 3}
    assert all(one.interval for one in others)
    assert found.gain_over(system, "qlora", "rouge_l").gain == pytest.approx(0.4)
    assert found.gain_of(System("none", "m", "base"), "rouge_l") is None


def test_the_better_baseline_is_another_by_another_metric(tmp_path):
    """Each metric has its own, and one without a score is never the better one."""
    records = []
    for method, values in (("base", 0.3), ("chat", 0.1), ("qlora", 0.5)):
        of = fake_method("qlora", baselines=["base", "chat"]) if method == "qlora" else untuned(method)
        record = scored(tmp_path, fake_record("m", of), [values] * 7)
        path = record.path_of("scores", "alpaca")
        found = [json.loads(line) for line in path.read_text().splitlines()]
        for row in found:
            row["statistics"]["exact_match"] = {"base": [0.0, 0.0], "chat": [0.0, 1.0], "qlora": [1.0, 1.0]}[method]
        path.write_text("".join(json.dumps(row) + "\n" for row in found))
        records.append(seal(Path(record.folder) / "record.json"))
    found = compare(records, tmp_path)
    system = records[-1].run.system
    assert found.gain_of(system, "rouge_l").over.method == "base"
    assert found.gain_of(system, "exact_match").over.method == "chat"
    assert found.gain_of(system, "exact_match").gain == 1
    assert found.gain_over(system, "base", "exact_match").gain is None


def systems_of(*names):
    """Systems by their names: model, method and, for other data, the data."""
    chat = untuned("chat")
    methods = {"chat": chat, "qlora": fake_method("qlora", baselines=["base", "chat"])}
    records = [fake_record(model, methods.get(method, method), *data) for model, method, *data in names]
    return {record.run.system: record.method.baselines for record in records}


def paired(systems):
    """The pairs of systems; those of a method that is neither untuned nor a retrieval are tuned."""
    return pairs_of(systems, [one for one in systems if one.method not in ("base", "chat", "retrieval")])


def named(pairs):
    return {" ".join([*pair.system[1:], "/", *pair.over[1:]]) for pair in pairs}


def test_pairs_are_models_by_one_method_methods_of_one_model_and_tuned_models_against_those_nobody_tunes():
    tuned = [(model, method) for model in "ab" for method in ("base", "chat", "qlora", "lora")]
    assert named(paired(systems_of(*tuned, ("phi", "base"), ("phi", "chat")))) == {
        *("a base / b base", "a base / phi base", "b base / phi base"),
        *("a chat / b chat", "a chat / phi chat", "b chat / phi chat"),
        *("a qlora / b qlora", "a lora / b lora"),
        *("a base / a chat", "b base / b chat", "phi base / phi chat"),
        *("a qlora / a lora", "b qlora / b lora", "a lora / a chat", "b lora / b chat"),  # chat is no baseline of lora
        *(
            f"{model} {method} / phi {untuned}"
            for model in "ab"
            for method in ("qlora", "lora")
            for untuned in ("base", "chat")
        ),
    }


def test_trainings_on_different_data_are_a_pair_only_where_nothing_else_differs():
    systems = systems_of(("a", "qlora"), ("a", "lora", "evol"), ("b", "qlora", "evol"), ("a", "qlora", "evol"))
    found = paired(systems)
    assert Pair(System("alpaca", "a", "qlora"), System("evol", "a", "qlora")) in found
    assert named(found) == {"a qlora / a qlora", "a lora / a qlora", "b qlora / a qlora"}


def test_a_tuned_model_is_compared_with_what_is_retrieved_from_its_own_data_alone():
    retrieved = {System(data, "none", "retrieval"): [] for data in ("alpaca", "evol")}
    found = paired(systems_of(("a", "qlora"), ("a", "qlora", "evol")) | retrieved)
    others = [pair for pair in found if pair.over.model == "none"]
    assert {(pair.system.data, pair.over.data) for pair in others} == {("alpaca", "alpaca"), ("evol", "evol")}
    assert len(found) == len(others) + 1  # the model with itself, trained on the other data


def test_the_paper_s_study_has_61_pairs_and_one_of_54_trainings_has_366():
    models, more = "abcde", [f"method{number}" for number in range(9)]
    asked = [(model, method) for model in [*models, "phi"] for method in ("base", "chat")]
    retrieval = {System("alpaca", "none", "retrieval"): []}
    study = systems_of(*((model, "qlora") for model in models), *asked) | retrieval
    assert len(paired(study)) == 61
    assert sum(pair.over.model == "none" for pair in paired(study)) == 5  # the tuned ones only
    assert len(paired(systems_of(*((model, method) for model in "abcdef" for method in ["base", *more])))) == 366


def test_pairs_are_corrected_together_and_read_in_both_directions(tmp_path):
    generator = np.random.default_rng(8)
    records = [
        scored(tmp_path, fake_record(model, method), np.clip(generator.normal(mean, 0.1, 80), 0, 1))
        for model, mean in (("a", 0.3), ("b", 0.4), ("c", 0.4))
        for method in ("base",)
    ]
    found = compare(records, tmp_path, resamples=999)
    pairs = [one for one in found.comparisons if one.family == "pair" and one.metric == "rouge_l"]
    assert [one.p_holm for one in pairs] == pytest.approx(holm([one.p for one in pairs]))
    one, other = records[0].run.system, records[1].run.system
    there, back = found.pair_of(one, other, "rouge_l"), found.pair_of(other, one, "rouge_l")
    assert (there.verdict, back.verdict) == ("worse", "better")
    assert (back.system, back.over, back.p, back.p_holm) == (other, one, there.p, there.p_holm)
    assert (back.gain, back.interval) == (-there.gain, [-there.interval[1], -there.interval[0]])
    assert found.pair_of(one, System("alpaca", "a", "qlora"), "rouge_l") is None


def test_resamples_grow_with_the_largest_family_so_that_the_smallest_p_value_can_decide(tmp_path):
    records = [
        scored(tmp_path, fake_record(f"m{number}", "base"), [number / 10] * 6 + [0.5] * 3) for number in range(6)
    ]
    found = compare(records, tmp_path, resamples=100)
    pairs = [one for one in found.comparisons if one.family == "pair" and one.metric == "rouge_l"]
    assert (len(pairs), found.resamples) == (15, 15 * RESAMPLES_PER_COMPARISON)
    assert len(pairs) * 2 / (found.resamples + 1) < 0.05 / 4
    assert compare(records, tmp_path, resamples=5000).resamples == 5000


def test_a_verdict_says_whether_it_is_about_one_training(tmp_path):
    values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    records = [scored(tmp_path, fake_record("a", "base"), values), scored(tmp_path, fake_record("b", "base"), values)]
    records += [scored(tmp_path, fake_record("a", "qlora", seed=seed), values) for seed in range(3)]
    records += [scored(tmp_path, fake_record("b", "qlora"), values)]
    found = compare(records, tmp_path)
    a, b = (System("alpaca", model, "qlora") for model in "ab")
    gains = [found.gain_of(one, "rouge_l") for one in (a, b)]
    assert [(one.seeds, one.over_seeds, one.is_of_one_training((a, b))) for one in gains] == [
        (3, 1, False),
        (1, 1, True),
    ]
    pair = found.pair_of(b, a, "rouge_l")
    assert (pair.seeds, pair.over_seeds, pair.is_of_one_training((a, b))) == (1, 3, True)
    pair = found.pair_of(records[0].run.system, records[1].run.system, "rouge_l")
    assert not pair.is_of_one_training((a, b))  # nothing was trained


def test_a_run_without_its_baseline_has_a_score_and_no_gain(tmp_path):
    other = scored(tmp_path, fake_record("other", "base"), [0.1, 0.2])
    alone = scored(tmp_path, fake_record("m", "qlora"), [0.3, 0.4])
    found = compare([other, alone], tmp_path)
    assert found.score_of(alone.run.system, "rouge_l").score == pytest.approx(0.35)
    assert all(one.family == "pair" for one in found.comparisons)


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
    gain = found.gain_of(records[-1].run.system, "codebleu")
    assert (gain.gain, gain.interval, gain.p, gain.p_holm, gain.verdict) == (None,) * 5
    assert found.gain_of(records[-1].run.system, "rouge_l").verdict is not None


def test_comparisons_without_a_p_value_do_not_count_in_holm_s_correction():
    assert holm([0.01, None, 0.03, None]) == [0.02, None, 0.03, None]
    assert holm([None]) == [None]


def test_bootstrap_counts_are_those_of_the_draws_in_as_few_bytes_as_they_need():
    for samples, resamples in ((1, 3), (40, 1200), (3, 501)):
        found = list(Resamples(samples, resamples, seed=7).chunks(np.float64))
        assert [len(chunk) for chunk in found] == [
            min(CHUNK, resamples - start) for start in range(0, resamples, CHUNK)
        ]
        generator = np.random.default_rng(7)
        for chunk in found:
            np.testing.assert_array_equal(chunk, draw_resamples(generator, samples, len(chunk)))


def test_comparing_says_how_far_it_is(tmp_path, stretches):
    compare([scored(tmp_path, fake_record("a", "base"), [0.0, 1.0])], tmp_path)
    found = {one.what: (one.done, one.total) for one in stretches}
    assert "drawing 300 resamples" in found
    assert found["intervals and comparisons"] == (len(metrics()), len(metrics()))


def with_matches(record, ranks, candidates=2):
    """The record with ranks of first matches, the same in each form, among its scores."""
    path = record.path_of("scores", "alpaca")
    names = ("em", "em_one_line", "em_on_code", "em_one_line_on_code")
    scored_rows = [json.loads(line) for line in path.read_text().splitlines()]
    found = [
        row | {"candidates": candidates, "first_match": dict.fromkeys(names, rank)}
        for row, rank in zip(scored_rows, ranks, strict=True)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return seal(Path(record.folder) / "record.json")


def test_em_at_k_has_intervals_and_verdicts_for_each_k(tmp_path):
    values = [0.5] * 40
    base, tuned = (scored(tmp_path, fake_record("m", name), values) for name in ("base", "qlora"))
    records = [with_matches(base, [1, 2, *[None] * 38]), with_matches(tuned, [*[1] * 4, *[2] * 20, *[None] * 16])]
    found = compare(records, tmp_path)
    assert set(found.metrics) == set(metrics_of(Measures(2))) > set(metrics())
    tuned = records[1].run.system
    assert [found.score_of(tuned, f"em_at_{k}").score for k in (1, 2)] == [0.1, 0.6]
    first, second = (found.gain_of(tuned, f"em_one_line_at_{k}_on_code") for k in (1, 2))
    assert (first.gain, second.gain) == (pytest.approx(0.075), pytest.approx(0.55))
    assert (first.verdict, second.verdict) == ("undecided", "better")
    low, high = found.score_of(tuned, "em_at_2").interval
    assert 0.4 < low < 0.6 < high < 0.8


def test_runs_of_other_numbers_of_candidates_are_not_compared(tmp_path):
    records = [scored(tmp_path, fake_record("m", name), [0.5] * 8) for name in ("base", "qlora")]
    records[1] = with_matches(records[1], [1] * 8)
    with pytest.raises(StudyError, match="scores on alpaca are of 1 and 2 candidates per prompt"):
        compare(records, tmp_path)
