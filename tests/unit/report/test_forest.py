"""The figure of gains: every bar is a gain as it was found, every mark is its verdict, and it fits a page."""

import itertools
from dataclasses import replace

import matplotlib as mpl
import pytest
from codetune.evaluation.comparisons import Comparison
from codetune.report.figure import FIGURES
from codetune.report.forest import HOLLOW, LARGE, MARKS, SMALL
from codetune.report.shown import Shown
from codetune.report.style import PAGE, STYLE
from fake_comparisons import fake_comparisons
from fake_records import fake_method, fake_model, fake_record, with_test
from fake_trainings import GEMMA, MODELS, a_run, untuned
from matplotlib.colors import to_hex

CHAT = ["base", "base-chat"]
KINDS = ["over base as written", "over base on code", "over base-chat on code"]


def both(written, code, highest=1):
    """Scores as written and on code."""
    found = {"rouge_l": written, "rouge_l_on_code": code}
    return found | {name.replace("rouge_l", "bleu"): score and 100 * score for name, score in found.items()}


def a_study(systems, tests=("alpaca",), label="{}"):
    """Records of so many models, untuned in two templates and tuned, with gains that go down from model to model."""
    records = []
    for place in range(systems):
        model = fake_model(f"m{place}", label=label.format(f"Model {place}"))
        tuned = fake_method("qlora", baselines=CHAT)
        for method, scores in (
            ("base", both(0.10, 0.20)),
            ("base-chat", both(0.30, 0.35)),
            (tuned, both(0.60 - place / 20, 0.62 - place / 20)),
        ):
            record = fake_record(model, method, scores=scores, test=tests[0])
            for test in tests[1:]:
                record = with_test(record, test, scores)
            records.append(record)
    return records, [fake_comparisons(records, test) for test in tests]


def drawn(records, comparisons, metric="rouge_l"):
    tuned = [record for record in records if record.training is not None]
    with mpl.rc_context(STYLE):
        figure = FIGURES["forest"](Shown(tuned, comparisons, metric))
        figure.draw_without_rendering()
    return figure


def gains_of(axis):
    """The intervals and the marks of a panel, from the top."""
    lines = [line for line in axis.get_lines() if line.get_marker() == "None" and len(set(line.get_xdata())) == 2]
    points = [line for line in axis.get_lines() if line.get_marker() != "None"]
    for one in (lines, points):
        assert [line.get_ydata()[0] for line in one] == sorted(line.get_ydata()[0] for line in one)
    return lines, points


def mark_of(point):
    """Which of the legend's marks a point is."""
    (found,) = [
        name
        for name, look in MARKS.items()
        if point.get_markersize() == look["markersize"]
        and (point.get_markerfacecolor() == "white") == ("markerfacecolor" in look)
    ]
    return found


def texts_of(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def names_of(axis):
    return [label.get_text() for label in axis.get_yticklabels()]


@pytest.mark.parametrize(("metric", "label", "highest"), [("rouge_l", "ROUGE-L", 1), ("bleu", "BLEU", 100)])
def test_a_system_has_its_gain_as_written_and_on_the_code_over_each_baseline(metric, label, highest):
    figure = drawn(*a_study(2), metric)
    (axis,) = figure.axes
    lines, points = gains_of(axis)
    gains = [0.50, 0.42, 0.27, 0.45, 0.37, 0.22]
    assert [point.get_xdata()[0] for point in points] == pytest.approx([highest * gain for gain in gains])
    for line, gain in zip(lines, gains, strict=True):
        assert list(line.get_xdata()) == pytest.approx([highest * (gain - 0.1), highest * (gain + 0.1)])
    assert names_of(axis) == ["Model 0", "Model 1"]
    assert axis.get_xlabel() == f"gain in {label} by tuning"
    assert texts_of(figure)[:3] == KINDS


def test_kinds_differ_in_colour_and_marker_and_agree_from_system_to_system():
    (axis,) = drawn(*a_study(3)).axes
    _, points = gains_of(axis)
    for look in (lambda place: to_hex(points[place].get_color()), lambda place: points[place].get_marker()):
        looks = [look(place) for place in range(9)]
        assert looks == looks[:3] * 3
        assert len(set(looks)) == 3


def test_a_mark_says_what_the_verdict_is_and_gains_without_one_have_the_small_one():
    """Whatever the interval: a corrected p-value can be above 0.05 though the interval keeps off zero."""
    records, (comparisons,) = a_study(3)
    p_values = {"m0": 0.01, "m1": 0.3, "m2": None}

    def with_p(one: Comparison) -> Comparison:
        return replace(one, p_holm=p_values[one.system.model] if one.family == "gain" else None)

    changed = replace(comparisons, comparisons=[with_p(one) for one in comparisons.comparisons])
    figure = drawn(records, [changed])
    _, points = gains_of(figure.axes[0])
    marks = [mark_of(point) for point in points]
    assert marks[::3] == marks[1::3] == [SMALL] * 3  # over the untuned row that is not the better one
    assert marks[2::3] == [LARGE, HOLLOW, SMALL]
    assert texts_of(figure)[3:] == [LARGE, HOLLOW, SMALL]


def test_the_legend_explains_no_mark_that_is_not_there():
    tuned = [a_run(4)]
    figure = drawn([*tuned, untuned(4)], [fake_comparisons([*tuned, untuned(4)])])
    assert texts_of(figure) == ["over base", LARGE]


def test_without_a_metric_on_the_code_all_gains_are_of_the_text():
    """Of older comparisons, and of a headline metric that is one on code itself."""
    records, comparisons = a_study(1)
    (axis,) = drawn(records, comparisons, "rouge_l_on_code").axes
    assert [point.get_xdata()[0] for point in gains_of(axis)[1]] == pytest.approx([0.42, 0.27])
    assert axis.get_xlabel() == "gain in ROUGE-L on code by tuning"


@pytest.mark.parametrize("missing", ["base", "base-chat"])
def test_a_baseline_that_was_not_evaluated_has_no_bar(missing):
    records, _ = a_study(2)
    records = [one for one in records if (one.run.model, one.run.method) != ("m1", missing)]
    figure = drawn(records, [fake_comparisons(records)])
    _, points = gains_of(figure.axes[0])
    assert len(points) == 5
    assert len({point.get_ydata()[0] for point in points}) == len(points)


def test_a_gain_that_was_not_measured_is_said_at_its_place_and_the_others_are_drawn():
    records, _ = a_study(1)
    unmeasured = [
        with_test(one, "alpaca", one.tests["alpaca"].summary.scores | {"rouge_l_on_code": None}) for one in records
    ]
    (axis,) = drawn(unmeasured, [fake_comparisons(unmeasured)]).axes
    assert len(gains_of(axis)[1]) == 1
    assert [text.get_text() for text in axis.texts] == ["no sample has a value"] * 2


def test_a_gain_without_an_interval_is_a_mark_alone():
    records, (comparisons,) = a_study(1)
    few = [replace(one, interval=None, p=None, p_holm=None) for one in comparisons.comparisons]
    (axis,) = drawn(records, [replace(comparisons, comparisons=few)]).axes
    lines, points = gains_of(axis)
    assert (len(lines), [mark_of(point) for point in points]) == (0, [SMALL] * 3)
    assert not axis.texts


def test_two_seeds_are_one_group():
    tuned = [a_run(2, seed) for seed in (0, 1)]
    (axis,) = drawn([*tuned, untuned(2)], [fake_comparisons([*tuned, untuned(2)])]).axes
    assert names_of(axis) == [GEMMA.label]


def test_two_test_sets_are_two_panels():
    figure = drawn(*a_study(2, ("alpaca", "evol")))
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["alpaca", "evol"]
    assert [len(gains_of(axis)[1]) for axis in figure.axes] == [6, 6]


def test_a_baseline_that_is_tuned_is_named_and_the_axis_does_not_say_by_tuning():
    lora = fake_method("lora", baselines=["qlora", "base"])
    tuned = [a_run(2), a_run(2, method=lora)]
    figure = drawn([untuned(2), *tuned], [fake_comparisons([untuned(2), *tuned])])
    (axis,) = figure.axes
    assert names_of(axis) == [f"{GEMMA.label}, qlora", f"{GEMMA.label}, lora"]
    assert texts_of(figure)[:2] == ["over base", "over qlora"]
    assert axis.get_xlabel() == "gain in ROUGE-L over the baseline"


def test_a_system_without_a_model_has_no_bar_and_changes_nothing():
    records, _ = a_study(2)
    retrieved = fake_record(fake_model("none"), "retrieval", scores=both(0.3, 0.3))
    figures = [drawn(one, [fake_comparisons(one)]) for one in (records, [*records, retrieved])]
    assert names_of(figures[0].axes[0]) == names_of(figures[1].axes[0])


def test_a_study_without_a_baseline_has_an_empty_panel():
    tuned = [a_run(place) for place in range(len(MODELS))]
    (axis,) = drawn(tuned, [fake_comparisons(tuned)]).axes
    assert gains_of(axis) == ([], [])


SIZES = [
    (1, ("alpaca",), "{}"),
    (5, ("alpaca",), "{}, miniature"),
    (15, ("alpaca",), "{}"),
    (54, ("alpaca", "evol"), "{}"),
    (160, ("alpaca",), "{}"),
    (12, ("alpaca",), "{} " + "of the longest name " * 12),
]


@pytest.mark.parametrize(("systems", "tests", "label"), SIZES)
def test_it_is_never_higher_than_a_page_and_no_text_hides_another(systems, tests, label):
    figure = drawn(*a_study(systems, tests, label))
    width, height = figure.get_size_inches()
    box = figure.get_tightbbox()
    assert 0 <= box.x0 < box.x1 <= width
    assert 0 <= box.y0 < box.y1 <= height <= PAGE
    (legend,) = figure.legends
    for axis in figure.axes:
        assert not legend.get_window_extent().overlaps(axis.get_tightbbox())
        boxes = [one.get_window_extent() for one in axis.get_yticklabels()]
        assert all(above.y0 >= below.y1 - 1 for above, below in itertools.pairwise(boxes))
        assert axis.get_window_extent().width / figure.dpi > 0.9
    assert sum(len(gains_of(axis)[1]) for axis in figure.axes) == 3 * systems * len(tests)
