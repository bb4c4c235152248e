"""The table of variants: each beside its default, by the comparisons of the study."""

import pytest
from codetune.report.rows import evaluated_systems
from codetune.report.variants import variants_table, write_variants
from codetune.study.runs import System
from fake_comparisons import METRICS, ON_CODE, fake_comparisons
from fake_records import DATA, fake_method, fake_model, fake_record

ONE, TWO = fake_model("one"), fake_model("two", label="Two | 100%")
MINE = fake_method("mine")
SCORES = {("one", "qlora"): 0.5, ("one", "mine"): 0.6, ("two", "qlora"): 0.4, ("two", "mine"): 0.3}
VARIANTS = [
    (System(DATA, "one", "mine"), System(DATA, "one", "qlora")),
    (System(DATA, "two", "qlora"), System(DATA, "one", "qlora")),
    (System(DATA, "two", "mine"), System(DATA, "two", "qlora")),
]


def systems_of(*seeds, method=MINE):
    records = [
        fake_record(model, one, seed=seed, scores={"rouge_l": score, "rouge_l_on_code": score / 2})
        for model in (ONE, TWO)
        for one in (fake_method("qlora"), method)
        for seed in seeds
        for score in [SCORES[model.name, one.name]]
    ]
    facts = {name: (METRICS | ON_CODE)[name] for name in ("rouge_l", "rouge_l_on_code")}
    return evaluated_systems(records, [fake_comparisons(records, metrics=facts)])


def test_each_variant_has_its_difference_from_the_default_whichever_is_better():
    table = variants_table(systems_of(0), "rouge_l", VARIANTS)
    assert list(zip(table["model"], table["method"], table["over_model"], table["over_method"], strict=True)) == [
        ("One", "mine", "One", "qlora"),
        ("Two | 100%", "mine", "Two | 100%", "qlora"),  # beside the other model's after the same method
        ("Two | 100%", "qlora", "One", "qlora"),
    ]
    assert list(table["gain"]) == pytest.approx([0.1, -0.1, -0.1])
    assert list(table["code_gain"]) == pytest.approx([0.05, -0.05, -0.05])
    assert (table["gain_low"] < table["gain"]).all()
    assert (table["gain"] < table["gain_high"]).all()
    assert table["p_holm"].notna().all()
    assert list(table["differs"]) == ["method", "method", "model"]


def test_a_default_that_is_also_a_baseline_has_its_gain_from_there():
    table = variants_table(systems_of(0, method=fake_method("mine", baselines=["qlora"])), "rouge_l", VARIANTS)
    assert list(table["gain"]) == pytest.approx([0.1, -0.1, -0.1])


def test_the_note_says_how_and_the_cells_are_safe(tmp_path):
    paths = {form: tmp_path / f"t.{form}" for form in ("csv", "md", "tex")}
    for seeds, about in (((0,), True), ((0, 1), False)):
        systems = systems_of(*seeds)
        write_variants(variants_table(systems, "rouge_l", VARIANTS), systems, "rouge_l", paths)
        text = paths["md"].read_text()
        assert "Holm's correction over all pairs of systems that the study compares" in text
        assert ("it is about these two trainings alone" in text) is about
        assert r"Two \| 100%" in text
        assert "+0.10" in text
        assert "-0.10" in text


def test_without_a_pair_the_table_says_so(tmp_path):
    paths = {form: tmp_path / f"t.{form}" for form in ("csv", "md", "tex")}
    systems = systems_of(0)
    write_variants(variants_table(systems, "rouge_l", []), systems, "rouge_l", paths)
    assert "No variant of this study was evaluated beside its default." in paths["md"].read_text()
