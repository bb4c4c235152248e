"""Table 2 says over what each gain is, with what weights, and which baselines it lacks."""

from dataclasses import replace

import pytest
from codetune.report.rows import evaluated_systems
from codetune.report.table2 import table2, write_table2
from codetune.study.declared import read_paper
from conftest import ROOT
from fake_comparisons import fake_comparisons
from fake_records import QUANTIZATION, fake_method, fake_record
from markdown_reader import rows_of

PAPER = read_paper(ROOT / "config/papers/slm-qlora.yaml")
PLAIN, INT8 = (replace(QUANTIZATION, type=kind) for kind in ("none", "int8"))
BF16 = fake_method("base-bf16", kind="untuned", quantization=PLAIN, tuning=None, baselines=[])
LORA = fake_method("lora", quantization=PLAIN, baselines=["base-bf16"])
QLORA = fake_method("qlora", baselines=["base", "base-chat"])


def table_and_text(tmp_path, scores, missing=()):
    """Table 2 of two models after each method with its score, but for some pairs; its rows, and its note."""
    records = [
        fake_record(model, method, scores={"rouge_l": score})
        for model in ("one", "two")
        for method, score in scores
        if (model, getattr(method, "name", method)) not in missing
    ]
    systems = evaluated_systems(records, [fake_comparisons(records)])
    paths = {form: tmp_path / f"t.{form}" for form in ("csv", "md", "tex")}
    write_table2(table2(systems, "rouge_l", PAPER), systems, "rouge_l", paths)
    text = paths["md"].read_text()
    return rows_of(paths["md"]), text


def of(rows, model, method):
    return next(row for row in rows if (row["Model"], row["Method"]) == (model, method))


def test_a_row_names_the_baseline_of_its_verdict(tmp_path):
    rows, text = table_and_text(tmp_path, [("base", 0.3), ("base-chat", 0.5), (QLORA, 0.6)])
    row = of(rows, "One", "qlora")
    assert (row["Gain over base"], row["Gain over base-chat"]) == ("+0.30", "+0.10")
    assert "of the smaller gain, over the better of the model's untuned rows." in text
    assert "Frozen weights" not in text
    assert "Baselines" not in text


def test_one_baseline_of_all_rows_needs_no_column(tmp_path):
    rows, text = table_and_text(tmp_path, [("base", 0.3), ("qlora", 0.6)])
    assert "Over" not in rows[0]
    assert of(rows, "One", "qlora")["Gain"] == "+0.30"
    assert "Gain: over the untuned model (base)." in text


def test_methods_with_baselines_of_their_own_have_one_column_of_gains(tmp_path):
    methods = [("base", 0.3), ("base-chat", 0.5), (BF16, 0.4), (QLORA, 0.6), (LORA, 0.7)]
    rows, text = table_and_text(tmp_path, methods)
    assert [name for name in rows[0] if name.startswith(("Gain", "Over"))] == ["Gain", "Over"]
    assert [(of(rows, "Two", name)["Gain"], of(rows, "Two", name)["Over"]) for name in ("qlora", "lora")] == [
        ("+0.10", "base-chat"),
        ("+0.30", "base-bf16"),
    ]
    untuned_above = ["base", "base-chat", "qlora", "base-bf16", "lora"]
    assert [row["Method"] for row in rows if row["Model"] in ("One", "Two")] == 2 * untuned_above
    assert "over the best of the method's baselines, named under Over." in text
    assert "Frozen weights: nf4 (base, base-chat, qlora); bfloat16 (base-bf16, lora)." in text
    assert "held otherwise" not in text


def test_a_baseline_held_otherwise_is_said_to_be_so(tmp_path):
    lora = replace(LORA, baselines=["base-bf16", "base"])
    _, text = table_and_text(tmp_path, [("base", 0.3), (BF16, 0.4), (lora, 0.7)])
    assert "held otherwise, so that a gain is not of tuning alone: base (lora)." in text
    assert "Frozen weights: nf4 (base); bfloat16 (base-bf16, lora)." in text


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ([("one", "base-chat"), ("two", "base-chat")], "no gain is over them: base-chat (qlora)."),
        ([("two", "base-chat")], "no gain is over them: base-chat (qlora on Two)."),
        (
            [(model, name) for model in ("one", "two") for name in ("base", "base-chat")],
            "no gain is over them: base (qlora), base-chat (qlora).",
        ),
    ],
)
def test_baselines_that_were_not_run_are_named(tmp_path, missing, said):
    _, text = table_and_text(tmp_path, [("base", 0.3), ("base-chat", 0.5), (QLORA, 0.6)], missing)
    assert f"Baselines that were not run, so that {said}" in text
