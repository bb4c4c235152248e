"""The figure of gains: every bar and every printed value is a gain as it was found, and every page fits."""

from dataclasses import replace
from functools import cache

import pytest
import yaml
from codetune.report.forest import PAPER, draw_forest
from codetune.report.format import format_signed
from codetune.report.gains import gains_over
from codetune.report.rows import evaluated_systems
from codetune.report.rows_of_systems import NOTHING_MEASURED, SIGNS
from codetune.report.shown import shown_tests
from codetune.study.figures import figure_pages
from codetune.study.model import Source
from conftest import ROOT
from fake_comparisons import fake_comparisons
from fake_records import fake_method, with_test
from fake_trainings import a_run, untuned
from figure_checks import check_page, draw_pages
from measured_study import a_study

study = cache(a_study)
PAPERS = yaml.safe_load((ROOT / "config/papers/slm-qlora.yaml").read_text())


def drawn(records, comparisons, metric="rouge_l", paper=None):
    draw = (lambda shown: draw_forest(replace(shown, paper=paper))) if paper else draw_forest
    return draw_pages("forest", draw, records, comparisons, metric)


def points_of(axis):
    """The values of the marks of gains, from the top."""
    marks = [one for one in axis.lines if one.get_marker() not in ("None", PAPER["marker"])]
    return [float(one.get_xdata()[0]) for one in sorted(marks, key=lambda one: one.get_ydata()[0])]


def bars_of(axis):
    """The intervals, from the top; without the line at zero."""
    bars = [one for one in axis.lines if one.get_marker() == "None" and len(set(one.get_ydata())) == 1]
    return [list(map(float, one.get_xdata())) for one in sorted(bars, key=lambda one: one.get_ydata()[0])]


def printed(axis):
    return [text.get_text() for text in sorted(axis.texts, key=lambda text: text.xy[1])]


def names_of(axis):
    return [label.get_text() for label in axis.get_yticklabels()]


def expected_of(records, comparisons, metric):
    """The gains of all tuned systems over each of their baselines, in the study's order."""
    everything = evaluated_systems(records, comparisons)
    return [gain for one in everything if one.is_tuned for gain in gains_over(one, metric).values()]


@pytest.mark.parametrize(("models", "methods", "seeds"), [(1, 1, 1), (5, 1, 1), (5, 3, 3), (6, 9, 2)])
def test_bars_and_printed_values_are_the_gains_and_every_page_fits(models, methods, seeds):
    records, (comparisons,) = study(models, methods, seeds, samples=120)
    pages = drawn(records, [comparisons])
    assert list(pages) == (["forest"] if models * methods < 54 else ["forest-a", "forest-b", "forest-c"])
    for page in pages.values():
        check_page(page)
    for column, metric in enumerate(("rouge_l", "rouge_l_on_code")):
        axes = [page.axes[column] for page in pages.values()]
        gains = expected_of(records, [comparisons], metric)
        assert [one for axis in axes for one in points_of(axis)] == [gain.gain for gain in gains]
        assert [one for axis in axes for one in bars_of(axis)] == [gain.interval for gain in gains]
        for text, gain in zip([one for axis in axes for one in printed(axis)], gains, strict=True):
            assert text.startswith(f"{format_signed(gain.gain, 4)} (")
            assert text.endswith(f") {SIGNS[gain.verdict]}" if gain.verdict else ")")
        assert len({axis.get_xlim() for axis in axes}) == 1


def test_rows_are_grouped_by_model_and_say_method_and_baseline():
    (page,) = drawn(*study(2, 2, samples=120)).values()
    bases = ["over base", "over base-chat"]
    rows = [f"{method}, {base}" for method in ("qlora", "lora") for base in bases]
    assert names_of(page.axes[0]) == ["Llama-3.2-1B", *rows, "Llama-3.2-3B", *rows]
    bold = [label.get_text() for label in page.axes[0].get_yticklabels() if label.get_fontweight() == "bold"]
    assert bold == ["Llama-3.2-1B", "Llama-3.2-3B"]
    assert [axis.get_title(loc="left") for axis in page.axes] == ["as written, n = 120", "on code, n = 120"]


def test_the_number_of_seeds_stands_beside_that_of_samples():
    (page,) = drawn(*study(1, 1, 3, samples=120)).values()
    assert page.axes[0].get_title(loc="left") == "as written, n = 120, 3 seeds"


def test_with_one_baseline_a_model_is_one_row_and_the_axis_names_the_baseline():
    records, comparisons = study(2, baselines=("base",), samples=120)
    (page,) = drawn(records, comparisons).values()
    assert names_of(page.axes[0]) == ["Llama-3.2-1B", "Llama-3.2-3B"]
    assert page.axes[0].get_xlabel() == "gain in ROUGE-L over base"


def of_the_paper(record):
    """The record of a run, with the checkpoint that the paper names."""
    declared = PAPERS["models"].get(record.run.model)
    source = Source(repo=declared["repo"], revision="f" * 40) if declared else record.model.source
    return replace(record, model=replace(record.model, source=source))


def test_a_star_is_the_paper_s_own_gain_as_written_alone_and_only_on_its_own_checkpoints():
    records, comparisons = study(5, 1, samples=120)
    (page,) = drawn(records, comparisons, paper=PAPERS).values()
    assert not [one for axis in page.axes for one in axis.lines if one.get_marker() == PAPER["marker"]]
    pages = drawn([of_the_paper(record) for record in records], comparisons, paper=PAPERS)
    scores = {(row["model"], row["method"]): row["rouge_l"] for row in PAPERS["table2"] if "model" in row}
    expected = [scores[name, "qlora"] - scores[name, "base"] for name, method in scores if method == "qlora"]
    (page,) = pages.values()
    stars = [[one.get_xdata()[0] for one in axis.lines if one.get_marker() == PAPER["marker"]] for axis in page.axes]
    assert sorted(stars[0]) == pytest.approx(sorted(expected), abs=1e-9)
    assert stars[1] == []
    assert page.legends[0].get_texts()[0].get_text() == "the paper's gain"
    check_page(page)


def test_the_legend_has_the_signs_that_are_there_and_no_other():
    tuned = [a_run(4), untuned(4)]
    (page,) = drawn(tuned, [fake_comparisons(tuned)]).values()
    assert [text.get_text() for text in page.legends[0].get_texts()] == ["▲ better"]


def test_without_a_metric_on_code_there_is_one_panel():
    records, comparisons = study(1, samples=120)
    (page,) = drawn(records, comparisons, "rouge_l_on_code").values()
    (axis,) = page.axes
    assert axis.get_title(loc="left") == "n = 120"
    assert points_of(axis) == [gain.gain for gain in expected_of(records, comparisons, "rouge_l_on_code")]


@pytest.mark.parametrize("missing", ["base", "base-chat"])
def test_a_baseline_that_was_not_evaluated_on_a_model_has_no_row_there(missing):
    records, _ = study(2, samples=120)
    records = [one for one in records if (one.run.model, one.run.method) != ("llama-3.2-3b", missing)]
    (page,) = drawn(records, [fake_comparisons(records, "codealpaca-20k")]).values()
    left = ({"base", "base-chat"} - {missing}).pop()
    assert names_of(page.axes[0])[3:] == ["Llama-3.2-3B", f"over {left}"] or names_of(page.axes[0])[3:] == [
        "Llama-3.2-3B"
    ]
    assert len(points_of(page.axes[0])) == 3
    check_page(page)


def test_a_gain_that_was_not_measured_is_said_at_its_place_and_the_others_are_drawn():
    records, _ = study(1, samples=120)
    test = "codealpaca-20k"
    nothing = [with_test(one, test, one.tests[test].summary.scores | {"rouge_l_on_code": None}) for one in records]
    (page,) = drawn(nothing, [fake_comparisons(nothing, test)]).values()
    assert [len(points_of(axis)) for axis in page.axes] == [2, 0]
    assert printed(page.axes[1]) == [NOTHING_MEASURED] * 2


def test_a_gain_without_an_interval_is_a_mark_and_a_number_alone():
    records, (comparisons,) = study(1, samples=120)
    few = [replace(one, interval=None, p=None, p_holm=None) for one in comparisons.comparisons]
    (page,) = drawn(records, [replace(comparisons, comparisons=few)]).values()
    assert bars_of(page.axes[0]) == []
    assert printed(page.axes[0]) == [format_signed(gain, 4) for gain in points_of(page.axes[0])]
    assert not page.legends


def test_two_test_sets_are_two_rows_of_panels():
    pages = drawn(*study(5, 2, tests=("codealpaca-20k", "evol"), samples=120))
    titles = [axis.get_title(loc="left") for page in pages.values() for axis in page.axes]
    assert titles == [
        f"{test}, {kind}, n = 120" for test in ("codealpaca-20k", "evol") for kind in ("as written", "on code")
    ]
    for page in pages.values():
        check_page(page)
        assert names_of(page.axes[0])[:2] == ["Llama-3.2-1B", "qlora, over base"]  # the panel says the data


def test_a_baseline_that_is_tuned_is_named_and_the_axis_does_not_say_by_tuning():
    lora = fake_method("lora", baselines=["qlora", "base"])
    records = [untuned(2), a_run(2), a_run(2, method=lora)]
    (page,) = drawn(records, [fake_comparisons(records)]).values()
    assert names_of(page.axes[0])[1:] == ["qlora, over base", "lora, over qlora", "lora, over base"]
    assert page.axes[0].get_xlabel() == "gain in ROUGE-L over the baseline"


def test_a_study_without_a_baseline_has_an_empty_panel():
    (page,) = drawn(*study(3, baselines=(), samples=120)).values()
    assert [points_of(axis) for axis in page.axes] == [[], []]
    check_page(page)


def test_long_names_are_in_lines_and_nothing_is_cut_off():
    for page in drawn(*study(3, 2, samples=120, label="{} of a very long name that goes on and on")).values():
        check_page(page)


def test_pages_follow_from_the_systems_alone():
    records, comparisons = study(6, 9, 2, samples=120)
    names = figure_pages([one.run.system for one in records if one.trains], shown_tests(records, comparisons))
    assert [name for name, page in names.items() if page.figure == "forest"] == list(drawn(records, comparisons))
