"""The figure of scores: ticks are untuned scores, marks tuned ones, and what stands beside them is what was found."""

from dataclasses import replace
from functools import cache

import pytest
from codetune.report.dumbbell import OTHER, UNTUNED, draw_dumbbell
from codetune.report.rows import evaluated_systems
from codetune.report.rows_of_systems import NOTHING_MEASURED, SIGNS
from fake_comparisons import fake_comparisons
from fake_records import fake_method, with_test
from fake_trainings import a_run, untuned
from figure_checks import check_page, draw_pages
from measured_study import a_study

study = cache(a_study)
TEST = "codealpaca-20k"


def drawn(records, comparisons, metric="rouge_l"):
    return draw_pages("dumbbell", draw_dumbbell, records, comparisons, metric)


def in_order(lines):
    return sorted(lines, key=lambda one: one.get_ydata()[0])


def marks_of(axis):
    """Scores of tuned systems, from the top."""
    return [one.get_xdata()[0] for one in in_order(axis.lines) if one.get_marker() not in ("None", "|")]


def ticks_of(axis, size):
    return [
        one.get_xdata()[0]
        for one in in_order(axis.lines)
        if one.get_marker() == "|" and one.get_markersize() == size["markersize"]
    ]


def printed(axis):
    return [text.get_text() for text in sorted(axis.texts, key=lambda text: text.xy[1])]


@pytest.mark.parametrize(("models", "methods", "seeds"), [(1, 1, 1), (5, 1, 1), (5, 3, 3), (6, 9, 2)])
def test_marks_and_printed_values_are_the_scores_and_it_fits_one_page(models, methods, seeds):
    records, (comparisons,) = study(models, methods, seeds, samples=120)
    (page,) = drawn(records, [comparisons]).values()
    check_page(page)
    everything = evaluated_systems(records, [comparisons])
    trained = {one.system.model for one in everything if one.is_tuned}
    rest = [one for one in everything if one.system.model not in trained]
    for axis, metric in zip(page.axes, ("rouge_l", "rouge_l_on_code"), strict=True):
        tuned = [one for one in everything if one.is_tuned]
        assert marks_of(axis) == [one.score(metric).score for one in tuned]
        better = [comparisons.score_of(one.gain(metric).over, metric).score for one in tuned]
        assert ticks_of(axis, UNTUNED) == better + [one.score(metric).score for one in rest]
        assert len(ticks_of(axis, OTHER)) == len(tuned)
        expected = [
            f"{one.score(metric).score:.4f}  {one.gain(metric).gain:+.4f}  {SIGNS[one.gain(metric).verdict]}"
            for one in tuned
        ]
        assert printed(axis) == expected + [f"{one.score(metric).score:.4f}" for one in rest]


def test_the_thin_line_is_the_interval_of_the_gain_laid_from_the_better_tick():
    records, (comparisons,) = study(1, samples=120)
    (page,) = drawn(records, [comparisons]).values()
    one = next(one for one in evaluated_systems(records, [comparisons]) if one.is_tuned)
    low, high = one.gain("rouge_l").interval
    start = comparisons.score_of(one.gain("rouge_l").over, "rouge_l").score
    thin = [line for line in in_order(page.axes[0].lines) if line.get_marker() == "None" and line.get_linewidth() < 1]
    assert list(thin[0].get_xdata()) == pytest.approx([start + low, start + high])


def test_what_is_not_tuned_stands_below_under_a_name_of_its_own():
    (page,) = drawn(*study(2, samples=120)).values()
    names = [label.get_text().replace("\n", "") for label in page.axes[0].get_yticklabels()]
    assert names == ["Llama-3.2-1B", "Llama-3.2-3B", "not tuned", "Phi-3 Mini, base", "Most similar training sample"]


def test_the_legend_says_what_ticks_and_signs_mean():
    (page,) = drawn(*study(5, samples=400)).values()
    texts = [text.get_text() for text in page.legends[0].get_texts()]
    assert texts[:4] == ["tuned", "untuned, the better", "untuned, another", "95 % interval of the gain"]
    assert set(texts[4:]) <= {f"{sign} {verdict}" for verdict, sign in SIGNS.items()}


def test_a_study_without_a_baseline_shows_scores_with_their_own_intervals():
    records, comparisons = study(3, baselines=(), samples=120)
    (page,) = drawn(records, comparisons).values()
    check_page(page)
    assert all(len(text) == 6 for text in printed(page.axes[0]))
    assert [text.get_text() for text in page.legends[0].get_texts()] == ["tuned", "untuned", "95 % interval"]


def test_a_score_that_was_not_measured_is_said_at_its_place():
    records = [
        with_test(one, TEST, one.tests[TEST].summary.scores | {"rouge_l_on_code": None})
        for one in study(1, samples=120)[0]
    ]
    (page,) = drawn(records, [fake_comparisons(records, TEST)]).values()
    assert printed(page.axes[1]) == [NOTHING_MEASURED] * 3
    check_page(page)


def test_a_baseline_that_is_tuned_is_not_called_untuned():
    lora = fake_method("lora", baselines=["qlora", "base"])
    records = [untuned(2), a_run(2), a_run(2, method=lora)]
    (page,) = drawn(records, [fake_comparisons(records)]).values()
    texts = [text.get_text() for text in page.legends[0].get_texts()]
    assert texts[1:3] == ["baseline, the better", "baseline, another"]


def test_two_test_sets_are_two_rows_of_panels():
    for page in drawn(*study(5, 2, tests=(TEST, "evol"), samples=120)).values():
        check_page(page)
        assert [axis.get_title(loc="left").split(",")[0] for axis in page.axes] == [TEST, TEST, "evol", "evol"]


def test_a_training_with_a_problem_is_marked_and_the_legend_says_so():
    records, comparisons = study(2, samples=120)
    place = next(place for place, one in enumerate(records) if one.training)
    training = records[place].training
    marked = replace(training, result=replace(training.result, problem="the training diverged"))
    records = [*records[:place], replace(records[place], training=marked), *records[place + 1 :]]
    (page,) = drawn(records, comparisons).values()
    assert page.axes[0].get_yticklabels()[0].get_text() == "Llama-3.2-1B †"
    assert any("diverged" in text.get_text() for text in page.legends[0].get_texts())
    check_page(page)
