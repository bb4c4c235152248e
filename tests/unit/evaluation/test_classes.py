"""Classes of samples: small ones are pooled, names say what they hold, and gains are those of the class's samples."""

import json
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest
from codetune.evaluation.bootstrap import Resamples
from codetune.evaluation.classes import FEWEST, MOST, divide_by_language, divide_by_length, length_class
from codetune.evaluation.comparisons import read_comparisons
from codetune.evaluation.distribution import FEWEST as FEWEST_FOR_INTERVALS
from codetune.evaluation.measured import measure
from codetune.evaluation.registry import metrics
from codetune.evaluation.significance import measure_significance
from codetune.study.record import read_record
from fake_records import fake_method, fake_record, seal, write_fake

MANY = {"Python": 100, "Java": 40, "SQL": 30, "C": 29, "R": 2, "Go": 2}


def spread(counts):
    """Samples of these classes, in no order."""
    labels = [name for name, count in counts.items() for _ in range(count)]
    return list(np.random.default_rng(0).permutation(labels))


def test_languages_with_few_samples_are_one_class_that_comes_last_and_is_named_after_all_of_them():
    found = divide_by_language(spread(MANY))
    assert [one.name for one in found] == ["Python", "Java", "SQL", "C, Go, R"]
    assert found[-1].members == {"C": 29, "Go": 2, "R": 2}
    assert [len(one.places) for one in found] == [100, 40, 30, 33]


def test_a_single_small_language_keeps_its_name():
    assert [one.name for one in divide_by_language(spread({"Python": 50, "R": 3}))] == ["Python", "R"]


def test_there_are_never_more_classes_than_a_figure_has_room_for():
    counts = {f"L{place:02}": FEWEST + 20 - place for place in range(MOST + 4)}
    found = divide_by_language(spread(counts))
    assert len(found) == MOST
    assert list(found[-1].members) == [f"L{place:02}" for place in range(MOST - 1, MOST + 4)]
    exact = {f"L{place}": FEWEST for place in range(MOST)}
    assert [one.name for one in divide_by_language(spread(exact))] == list(exact)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((40, 40, 40, 40), ["up to 50", "51 to 150", "151 to 400", "over 400"]),
        ((40, 40, 40, 2), ["up to 50", "51 to 150", "over 150"]),
        ((2, 40, 40, 40), ["up to 150", "151 to 400", "over 400"]),
        ((40, 2, 40, 40), ["up to 150", "151 to 400", "over 400"]),
        ((2, 2, 2, 2), ["all"]),
        ((0, 40, 0, 2), ["over 50"]),
        ((12, 0, 0, 0), ["up to 50"]),
        ((0, 20, 20, 0), ["51 to 400"]),
    ],
)
def test_a_small_class_of_lengths_is_put_to_its_neighbour(counts, expected):
    lengths = [length for length, count in zip((50, 51, 400, 401), counts, strict=True) for _ in range(count)]
    found = divide_by_length(lengths)
    assert [one.name for one in found] == expected
    assert sum((Counter(one.members) for one in found), Counter()) == Counter(map(length_class, lengths))


@pytest.mark.parametrize("divide", [lambda rows: divide_by_language([name for name, _ in rows]),
                                    lambda rows: divide_by_length([length for _, length in rows])])  # fmt: skip
@pytest.mark.parametrize("samples", [1, 5, 40, 700])
def test_each_sample_is_in_one_class_and_the_numbers_are_right(divide, samples):
    rng = np.random.default_rng(samples)
    rows = [(f"L{int(rng.integers(12)) ** 2}", int(rng.integers(600))) for _ in range(samples)]
    found = divide(rows)
    assert sorted(place for one in found for place in one.places) == list(range(samples))
    assert all(sum(one.members.values()) == len(one.places) for one in found)
    assert all(len(one.places) >= FEWEST for one in found) or len(found) == 1 or samples < 60


NAMES = [name for name in metrics() if name.removesuffix("_on_code") in ("rouge_l", "codebleu")]


def scored(folder, record, values, languages):
    """The record as read, with scored samples beside it: CodeBLEU has a value for Python alone."""
    others = {"bleu": [4.0, 4.0, 4, 3, 2, 1, 4, 3, 2, 1], "chrf": [1.0] * 18}
    rows = []
    for place, (value, language) in enumerate(zip(values, languages, strict=True)):
        own = {"codebleu": [value, 1.0, 0.0] if language == "Python" else metrics()["codebleu"].none}
        found = {name: (others | own).get(name.removesuffix("_on_code"), [value, 1.0]) for name in metrics()}
        rows.append({"id": place, "language": language, "length": 10 * place, "statistics": found})
    read = read_record(write_fake(record, folder))
    path = read.path_of("scores", "alpaca")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return seal(path.parents[2] / "record.json")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Ninety samples: Python, which tuning does well, SQL, and some more; and their comparisons."""
    folder, rng = tmp_path_factory.mktemp("study"), np.random.default_rng(1)
    languages = ["Python"] * 50 + ["SQL"] * 35 + ["R"] * 3 + ["Go"] * 2
    gain = np.array([0.2 if language == "Python" else 0.0 for language in languages])
    base = rng.uniform(0.2, 0.5, 90)
    values = {"base": base, "base-chat": base - 0.1}
    records = [scored(folder, fake_record("m", name), one, languages) for name, one in values.items()]
    tuned = fake_method("qlora", baselines=["base", "base-chat"])
    for seed in range(2):
        one = base + gain + rng.normal(0, 0.05, 90)
        values["qlora", seed] = one
        records.append(scored(folder, fake_record("m", tuned, seed=seed), one, languages))
    targets = [folder / name for name in ("one.json", "two.json")]
    for target in targets:
        measure_significance(records, "alpaca", [], "rouge_l", 300, 0, str(target))
    assert targets[0].read_bytes() == targets[1].read_bytes()
    return read_comparisons(targets[0]), records, values, languages


def test_a_gain_in_a_class_is_the_mean_difference_of_its_samples_with_an_interval_of_paired_resamples(study):
    comparisons, records, values, languages = study
    tuned = records[2].run.system
    for one in comparisons.classes:
        if one.kind != "language":
            continue
        here = [place for place, language in enumerate(languages) if language in one.members]
        assert one.samples == len(here) == one.measured["rouge_l"]
        seeds = [values["qlora", seed][here] for seed in range(2)]
        gain = one.gain_of(tuned, "rouge_l")
        assert gain.over.method == "base"  # the better one over all samples
        assert gain.gain == pytest.approx(np.mean(seeds) - values["base"][here].mean())
        assert one.score_of(tuned, "rouge_l").seeds == pytest.approx([seed.mean() for seed in seeds])
    python, sql, rest = (one for one in comparisons.classes if one.kind == "language")
    assert (python.name, sql.name, rest.name) == ("Python", "SQL", "R, Go")
    assert python.gain_of(tuned, "rouge_l").interval[0] > 0.1
    low, high = sql.gain_of(tuned, "rouge_l").interval
    assert low < 0 < high
    assert rest.samples < FEWEST_FOR_INTERVALS
    assert rest.gain_of(tuned, "rouge_l").interval is None


def test_no_gain_in_a_class_has_a_p_value_and_every_baseline_has_one(study):
    comparisons, records, *_ = study
    for one in comparisons.classes:
        assert {gain.metric for gain in one.gains} == {"rouge_l", "rouge_l_on_code"}
        assert [(gain.family, gain.over.method) for gain in one.gains if gain.metric == "rouge_l"] == [
            ("gain", "base"),
            ("other gain", "base-chat"),
        ]
        assert all(gain.p is gain.p_holm is gain.verdict is None for gain in one.gains)
        assert len(one.scores) == 2 * 3
    assert comparisons.classes[0].gain_of(records[0].run.system, "rouge_l") is None  # it has no baseline


def test_a_class_takes_its_own_samples_of_the_resamples_of_all():
    everything = Resamples(40, 1200, 3)
    places = [3, 5, 39]
    some = everything.within(places, 1100)
    assert len(some) == 1100
    whole, part = (np.concatenate(list(one.chunks(np.float64))) for one in (everything, some))
    assert (part == whole[:1100, places]).all()
    assert len(everything.within(places, 5000)) == 1200


def test_all_samples_in_one_class_are_what_they_are_together(study):
    """The estimate of a class is that of the same function over the same samples."""
    comparisons, _, values, _ = study
    table = np.stack([values["base"], np.ones(90)], axis=1)
    alone = measure(metrics()["rouge_l"], {"x": [table]}, Resamples(90, 300, 0))["x"].estimate
    weighted = [one.samples * one.scores[0].score for one in comparisons.classes if one.kind == "length"]
    assert sum(weighted) / 90 == pytest.approx(alone.value)


def test_a_metric_without_a_value_in_a_class_is_none_there(study, tmp_path):
    _, records, *_ = study
    target = tmp_path / "codebleu.json"
    measure_significance(records, "alpaca", [], "codebleu", 200, 0, str(target))
    python, sql, _ = (one for one in read_comparisons(target).classes if one.kind == "language")
    assert (python.measured["codebleu"], sql.measured["codebleu"]) == (50, 0)
    assert sql.gain_of(records[2].run.system, "codebleu").gain is None
    assert python.gain_of(records[2].run.system, "codebleu").gain is not None


def test_a_headline_metric_on_code_is_broken_down_alone(study, tmp_path):
    _, records, *_ = study
    target = tmp_path / "on_code.json"
    measure_significance(records, "alpaca", [], "rouge_l_on_code", 200, 0, str(target))
    assert {score.metric for one in read_comparisons(target).classes for score in one.scores} == {"rouge_l_on_code"}


def test_classes_leave_the_rest_of_the_document_as_it_is(study, tmp_path):
    comparisons, records, *_ = study
    target = tmp_path / "bleu.json"
    measure_significance(records, "alpaca", [], "bleu", 300, 0, str(target))
    one, other = (asdict(found) | {"classes": []} for found in (comparisons, read_comparisons(target)))
    assert one == other
