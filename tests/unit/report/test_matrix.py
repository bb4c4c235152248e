"""The figure of methods against each other: every cell is the comparison of its row with its column."""

from dataclasses import replace
from functools import cache

import pytest
from codetune.report.format import format_signed
from codetune.report.matrix import difference_of, draw_matrix
from codetune.report.rows_of_systems import SIGNS
from figure_checks import check_page, draw_pages
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from measured_study import a_study

study = cache(a_study)


def drawn(records, comparisons, metric="rouge_l"):
    return draw_pages("matrix", draw_matrix, records, comparisons, metric)


def systems_of(records, model):
    return list(dict.fromkeys(one.run.system for one in records if one.run.model == model))


def cells_of(axis):
    """The text of each cell by row and column."""
    found = {}
    for text in axis.texts:
        x, y = text.get_position()
        if text.get_ha() == "center":
            found[round(y), round(x - 0.5)] = text.get_text()
    return found


@pytest.mark.parametrize(("models", "methods", "seeds"), [(1, 1, 1), (5, 1, 1), (5, 3, 3), (6, 9, 2)])
def test_cells_are_the_comparisons_and_every_page_fits(models, methods, seeds):
    records, (comparisons,) = study(models, methods, seeds, samples=120)
    pages = drawn(records, [comparisons])
    axes = []
    for page in pages.values():
        check_page(page)
        axes += [axis for axis in page.axes if axis.get_title(loc="left")]
    names = list(dict.fromkeys(one.run.model for one in records if one.training))
    assert len(axes) == len(names) == models
    for axis, name in zip(axes, names, strict=True):
        systems = systems_of(records, name)
        cells = cells_of(axis)
        assert len(cells) == len(systems) * (len(systems) - 1) / 2
        for (row, column), text in cells.items():
            found = difference_of(comparisons, systems[row], systems[column], "rouge_l")
            sign = f" {SIGNS[found.verdict]}" if found.verdict else ""
            assert text == format_signed(found.gain, 4) + sign


def test_a_difference_is_of_the_row_less_the_column_whichever_was_compared_with_the_other():
    records, (comparisons,) = study(1, 3, samples=120)
    base, _, qlora, lora, _ = systems_of(records, "llama-3.2-1b")
    for one, other in ((qlora, lora), (lora, qlora), (qlora, base), (base, qlora)):
        scores = [comparisons.score_of(system, "rouge_l").score for system in (one, other)]
        assert difference_of(comparisons, one, other, "rouge_l").gain == pytest.approx(scores[0] - scores[1])
    assert difference_of(comparisons, qlora, lora, "no metric") is None


def test_only_decided_cells_have_a_ground():
    records, (comparisons,) = study(2, 3, samples=120)
    (page,) = drawn(records, [comparisons]).values()
    for axis in page.axes:
        white = [to_hex(one.get_facecolor()) == "#ffffff" for one in axis.patches if isinstance(one, Rectangle)]
        assert white == [not text.endswith(("▲", "▼")) for _, text in sorted(cells_of(axis).items())]
        assert True in white
        assert False in white


def test_methods_are_named_at_rows_and_columns():
    records, comparisons = study(1, 2, samples=120)
    (page,) = drawn(records, comparisons).values()
    names = {
        side: [text.get_text() for text in page.axes[0].texts if text.get_ha() == side] for side in ("left", "right")
    }
    assert names == {"right": ["base-chat", "qlora", "lora"], "left": ["base", "base-chat", "qlora"]}


def test_two_test_sets_have_a_matrix_each():
    for page in drawn(*study(2, 2, tests=("codealpaca-20k", "evol"), samples=120)).values():
        check_page(page)
        titles = [axis.get_title(loc="left") for axis in page.axes if axis.get_title(loc="left")]
        assert titles == [
            f"{test}, {name}" for test in ("codealpaca-20k", "evol") for name in ("Llama-3.2-1B", "Llama-3.2-3B")
        ]


def test_a_study_with_nothing_to_compare_says_so():
    (page,) = drawn(*study(2, 1, baselines=(), samples=120)).values()
    assert [text.get_text() for text in page.texts] == ["no two methods were evaluated on one model"]
    check_page(page)


def test_what_was_not_compared_is_a_dash_that_the_legend_explains():
    records, (comparisons,) = study(1, 3, samples=120)
    _, _, qlora, lora, _ = systems_of(records, "llama-3.2-1b")
    kept = [one for one in comparisons.comparisons if {one.system, one.over} != {qlora, lora}]
    (page,) = drawn(records, [replace(comparisons, comparisons=kept)]).values()
    cells = cells_of(page.axes[0])
    assert [place for place, text in cells.items() if text == "-"] == [(3, 2)]
    assert "- not compared" in [text.get_text() for text in page.legends[0].get_texts()]
    (whole,) = drawn(records, [comparisons]).values()
    assert "- not compared" not in [text.get_text() for text in whole.legends[0].get_texts()]


def test_what_stands_in_a_cell_fits_into_it():
    records, (comparisons,) = study(1, 9, 2, samples=120)
    for page in drawn(records, [comparisons]).values():
        page.canvas.draw()
        for axis in page.axes:
            cell = axis.transData.transform([(0, 0), (1, 0)])
            texts = [text for text in axis.texts if text.get_ha() == "center"]
            assert all(text.get_window_extent().width <= cell[1, 0] - cell[0, 0] for text in texts)
