"""Examples in prompts gain something as tuning does, and stand in Table 2 in short and in both figures of gains."""

from dataclasses import replace

import pytest
from codetune.report.dumbbell import UNTUNED, draw_dumbbell
from codetune.report.finding import Material
from codetune.report.forest import draw_forest
from codetune.report.rows import evaluated_systems
from codetune.report.short_table import MOST_ROWS, short_tables
from codetune.report.shown import show
from codetune.study.figures import LAYOUTS
from fake_comparisons import fake_comparisons
from fake_records import fake_method, fake_model, fake_record, few_shot
from figure_checks import check_page, draw_pages

LORA = fake_method("lora")
SCORES = {"base": 0.2, "base-chat": 0.3, "few": 0.5, "lora": 0.7}


def study(*methods, models=1):
    """Records and comparisons of these methods on some models."""
    names = [fake_model(f"m{place}", label=f"Mine {place}") for place in range(models)]
    called = [(method, method if isinstance(method, str) else method.name) for method in methods]
    records = [
        fake_record(model, method, scores={"rouge_l": SCORES[name], "rouge_l_on_code": SCORES[name] + 0.05})
        for model in names
        for method, name in called
    ]
    return records, [fake_comparisons(records)]


def short(*methods, models=1):
    records, comparisons = study(*methods, models=models)
    return short_tables(Material(evaluated_systems(records, comparisons), "rouge_l"))


def pages_of_all(records, comparisons):
    return [name for figure in LAYOUTS for name in show(figure, records, comparisons, "rouge_l")]


def names_of(axis):
    return [label.get_text() for label in axis.get_yticklabels()]


def test_in_short_a_score_is_not_called_tuned_where_examples_have_some():
    (table,) = short("base", few_shot(), LORA)
    assert list(table.head[:5]) == ["Model", "Method", "Untuned", "Score", "Gain"]
    assert [row[1:4] for row in table.rows] == [["few", "0.200", "0.500"], ["lora", "0.200", "0.700"]]
    assert [row[5] for row in table.rows] == ["better", "better"]
    (table,) = short("base", LORA)
    assert list(table.head[:5]) == ["Model", "Method", "Untuned", "Tuned", "Gain"]


def test_of_many_systems_examples_are_a_column_among_the_methods():
    written, _ = short("base", few_shot(), LORA, models=MOST_ROWS)
    assert list(written.head) == ["Model", "few", "lora"]
    assert written.rows[0] == ["Mine 0", "+0.30", "+0.50"]


@pytest.mark.parametrize("methods", [("base", few_shot(), LORA), ("base", few_shot())])
def test_examples_have_a_row_of_the_dumbbell_and_of_the_forest(methods):
    records, comparisons = study(*methods)
    adapted = [one for one in evaluated_systems(records, comparisons) if one.is_adapted]
    (dumbbell,) = draw_pages("dumbbell", draw_dumbbell, records, comparisons).values()
    (forest,) = draw_pages("forest", draw_forest, records, comparisons).values()
    for page in (dumbbell, forest):
        check_page(page)
    if len(adapted) > 1:
        assert names_of(dumbbell.axes[0]) == names_of(forest.axes[0]) == ["Mine 0", "lora", "few"]
    marks = [line.get_xdata()[0] for line in dumbbell.axes[0].lines if line.get_marker() not in ("None", "|")]
    assert sorted(marks) == [one.score("rouge_l").score for one in adapted]
    ticks = [line.get_xdata()[0] for line in dumbbell.axes[0].lines if line.get_marker() == UNTUNED["marker"]]
    assert set(ticks) == {SCORES["base"]}
    legend = [text.get_text() for text in dumbbell.legends[0].get_texts()]
    assert ("with examples" in legend, "tuned" in legend) == (True, LORA in methods)


@pytest.mark.parametrize(("methods", "cause"), [((few_shot(), LORA), "tuning or examples"), ((LORA,), "tuning")])
def test_the_forest_says_what_its_gains_are_of(methods, cause):
    with_two_baselines = [replace(method, baselines=["base", "base-chat"]) for method in methods]
    (page,) = draw_pages("forest", draw_forest, *study("base", "base-chat", *with_two_baselines)).values()
    assert page.axes[0].get_xlabel() == f"gain in ROUGE-L by {cause}"


def test_a_study_of_examples_alone_has_these_two_figures():
    assert pages_of_all(*study("base", few_shot())) == ["dumbbell", "forest"]
    assert pages_of_all(*study("base")) == []
