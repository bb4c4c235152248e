"""The figures of gains by language and by length: every mark is the gain of its class, and every page fits."""

from dataclasses import replace
from functools import cache, partial

import pytest
from codetune.report.class_gains import draw_languages, draw_lengths
from codetune.report.rows_of_systems import NOTHING_MEASURED
from figure_checks import check_page, draw_pages
from measured_study import a_study

study = cache(a_study)
FIGURES = {"languages": (draw_languages, "language"), "lengths": (draw_lengths, "length")}


def drawn(name, records, comparisons, metric="rouge_l"):
    return draw_pages(name, FIGURES[name][0], records, comparisons, metric)


def gains_of(axis):
    """Gains with the ends of their intervals, from the top."""
    lines = [one for one in axis.lines if one.get_marker() != "None"]
    return [tuple(map(float, one.get_xdata())) for one in sorted(lines, key=lambda one: one.get_ydata()[0])]


def names_of(axis):
    return [label.get_text().replace("\n", "").replace("  ", " ") for label in axis.get_yticklabels()]


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(("models", "methods", "seeds"), [(1, 1, 1), (5, 1, 1), (5, 3, 3), (6, 9, 2)])
def test_marks_and_intervals_are_those_of_the_classes_and_every_page_fits(name, models, methods, seeds):
    records, (comparisons,) = study(models, methods, seeds, samples=400)
    pages = drawn(name, records, [comparisons])
    for page in pages.values():
        check_page(page)
    classes = [one for one in comparisons.classes if one.kind == FIGURES[name][1]]
    trained = list(dict.fromkeys(one.run.system for one in records if one.training))
    axes = [axis for page in pages.values() for axis in page.axes]
    assert len(axes) == 2 * models
    place = 0
    for model in dict.fromkeys(system.model for system in trained):
        systems = [one for one in trained if one.model == model]
        for metric in ("rouge_l", "rouge_l_on_code"):
            gains = [one.gain_of(system, metric) for one in classes for system in systems]
            assert gains_of(axes[place]) == [(gain.interval[0], gain.gain, gain.interval[1]) for gain in gains]
            place += 1
    assert len({axis.get_xlim() for axis in axes}) == 1
    for page in pages.values():
        assert names_of(page.axes[0]) == [f"{one.name} ({one.samples})" for one in classes]


def test_methods_are_told_apart_by_a_legend_that_a_single_one_does_not_need():
    (one,), (three,) = (drawn("lengths", *study(2, count, samples=400)).values() for count in (1, 3))
    assert not one.legends
    assert [text.get_text() for text in three.legends[0].get_texts()] == ["qlora", "lora", "dora"]


def test_pages_and_panels_name_model_kind_and_test_set():
    pages = drawn("languages", *study(5, 2, tests=("codealpaca-20k", "evol"), samples=400))
    titles = [axis.get_title(loc="left") for page in pages.values() for axis in page.axes]
    for page in pages.values():
        check_page(page)
    assert titles[:2] == ["Llama-3.2-1B\ncodealpaca-20k, as written", "Llama-3.2-1B\ncodealpaca-20k, on code"]
    assert sum("evol" in title for title in titles) == 10


def test_a_study_without_a_baseline_says_so_in_every_row():
    (page,) = drawn("lengths", *study(2, baselines=(), samples=400)).values()
    check_page(page)
    assert {text.get_text() for axis in page.axes for text in axis.texts} == {"no baseline was evaluated"}


def test_a_class_in_which_the_metric_has_no_value_says_so():
    records, (comparisons,) = study(1, samples=400)
    first, *others = comparisons.classes
    nothing = replace(first, gains=[replace(one, gain=None, interval=None) for one in first.gains])
    (page,) = drawn("languages", records, [replace(comparisons, classes=[nothing, *others])]).values()
    check_page(page)
    assert [[text.get_text() for text in axis.texts] for axis in page.axes] == [[NOTHING_MEASURED]] * 2


def test_a_class_with_too_few_samples_for_an_interval_is_a_mark_alone():
    records, (comparisons,) = study(1, samples=5)
    for name in FIGURES:
        (page,) = drawn(name, records, [comparisons]).values()
        check_page(page)
        assert [[len(set(found)) for found in gains_of(axis)] for axis in page.axes] == [[1], [1]]


def test_without_a_metric_on_code_there_is_one_panel_per_model():
    (page,) = drawn("languages", *study(2, samples=400), "rouge_l_on_code").values()
    assert [axis.get_title(loc="left") for axis in page.axes] == ["Llama-3.2-1B", "Llama-3.2-3B"]
    check_page(page)


def test_names_of_models_that_are_long_are_in_lines():
    draw = partial(drawn, "lengths")
    for page in draw(*study(3, 1, samples=400, label="{} of a very long name that goes on and on")).values():
        check_page(page)
