"""What Table 2 says of gains: which baseline is the better one, how much is format, and what a verdict is about."""

import csv
import random
import re
from dataclasses import replace

import pandas as pd
import pytest
from codetune.evaluation.comparisons import ALPHA
from codetune.report.format import format_p
from codetune.report.gains import say_gains
from codetune.report.metrics import metrics_table, write_metrics
from codetune.report.rows import evaluated_systems
from codetune.report.table2 import table2, write_table2
from codetune.study.declared import read_paper
from conftest import ROOT
from fake_comparisons import fake_comparisons
from fake_records import fake_method, fake_model, fake_record, with_test
from markdown_reader import read_markdown, rows_of

PAPER = read_paper(ROOT / "config/papers/slm-qlora.yaml")
QLORA = fake_method("qlora", baselines=["base", "base-chat"])
LLAMA = fake_model("llama-3.2-1b", label="Llama-3.2-1B")
MINE, OTHER = fake_model("mine"), fake_model("other")
REASON = "Gains as written and on code differ by stopping and format"
PROMPTS = f"{REASON}, those over two baselines by the prompt."


def both(written, code=None):
    """Scores as written and, if there are any, on code."""
    return {"rouge_l": written} | ({} if code is None else {"rouge_l_on_code": code})


def a_model(model, base, chat, tuned, seeds=1):
    """Records of a model: untuned in two templates, and tuned."""
    found = [fake_record(model, "base", scores=both(*base)), fake_record(model, "base-chat", scores=both(*chat))]
    return found + [fake_record(model, QLORA, seed=seed, scores=both(*tuned)) for seed in range(seeds)]


def retrieved():
    return fake_record(fake_model("none", label="Most similar training sample"), "retrieval", scores=both(0.25, 0.25))


def evaluated_of(records, tests=("alpaca",), **changes):
    return evaluated_systems(records, [fake_comparisons(records, test, **changes) for test in tests])


def said(records, tests=("alpaca",)):
    return say_gains(evaluated_of(records, tests), "rouge_l", {})


def written(folder, evaluated, metric="rouge_l"):
    """Table 2: what is computed, the readers' cells by the row's title, and the note."""
    paths = {kind: str(folder / f"t.{kind}") for kind in ("csv", "md", "tex")}
    table = table2(evaluated, metric, PAPER)
    write_table2(table, evaluated, metric, paths)
    shown = {f"{row['Model']} ({row['Method']})": row for row in rows_of(paths["md"])}
    return table, shown, read_markdown(paths["md"]).paragraphs[0]


ONE = a_model(MINE, (0.10, 0.20), (0.30, 0.35), (0.60, 0.62))
SAID = [
    (
        ONE,
        "Gain over base as written: +0.50; over base on code: +0.42; over base-chat on code: +0.27. "
        f"{PROMPTS}",
    ),
    (
        [*ONE, *a_model(OTHER, (0.2, 0.2), (0.9, 0.9), (0.1, 0.2))],
        "Gains over base as written: -0.10 to +0.50; over base on code: 0.00 to +0.42; over base-chat on code: "
        f"-0.70 to +0.27. {PROMPTS}",
    ),
    (
        [*ONE, *a_model(OTHER, (0.2, 0.2), (0.9, 0.9), (0.1, 0.2))[::2]],
        "Gains over base as written: -0.10 to +0.50; over base on code: 0.00 to +0.42; over base-chat on code: "
        f"+0.27 (1 of 2 systems). {PROMPTS}",
    ),
    (ONE[::2], f"Gain over base as written: +0.50; over base on code: +0.42. {REASON}."),
    (a_model(MINE, (0.1,), (0.3,), (0.6,)), "Gain over base: +0.50; over base-chat: +0.30."),
    (a_model(MINE, (None, 0.2), (0.1, 0.1), (0.5, 0.5))[:1], ""),
    (a_model(MINE, (None, None), (None, None), (None, None)), ""),
    (
        a_model(MINE, (None, 0.2), (0.1, 0.3), (0.5, 0.5)),
        f"Gain over base on code: +0.30; over base-chat on code: +0.20. {PROMPTS}",
    ),
    ([retrieved(), ONE[0]], ""),
    (
        [replace(one, template="chat") for one in ONE],
        f"Gain over base as written: +0.50; over base on code: +0.42; over base-chat on code: +0.27. {REASON}.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("records", "expected"), SAID)
def test_a_sentence_says_how_far_the_gains_go(records, expected):
    assert said(records) == expected


def test_gains_on_a_scale_to_100_have_a_decimal():
    records = [fake_record(MINE, method, scores={"bleu": score}) for method, score in (("base", 8.81), (QLORA, 8.39))]
    assert say_gains(evaluated_of(records), "bleu", {}) == "Gain over base: -0.4."


def test_two_test_sets_have_a_sentence_each():
    records = [with_test(one, "evol", both(0.4, 0.4)) for one in ONE]
    text = said(records, ("alpaca", "evol"))
    assert text.startswith("On alpaca: gain over base as written: +0.50; ")
    assert "On evol: gain over base as written: 0.00; over base on code: 0.00; " in text
    assert text.count(REASON) == 1


def test_a_method_over_a_tuned_one_has_a_sentence_of_its_own_and_no_word_on_prompts():
    lora = fake_record(MINE, fake_method("lora", baselines=["qlora", "base"]), scores=both(0.7, 0.8))
    text = said([ONE[0], ONE[2], lora])
    assert text == (
        "Gain over base as written: +0.50; over base on code: +0.42. Gain over qlora as written: +0.10; over qlora "
        f"on code: +0.18; over base on code: +0.60. {REASON}."
    )


def test_the_paper_s_gains_stand_beside_those_over_the_same_baseline_alone(tmp_path):
    table, _, note = written(tmp_path, evaluated_of(a_model(LLAMA, (0.2, 0.3), (0.1, 0.1), (0.5, 0.5))))
    assert "Gain over base as written: +0.30 (the paper's: +0.01); over base on code: +0.20; over" in note
    assert list(table[["paper_gain", "paper_gain_over"]].dropna().iloc[0]) == [0.01, "base"]


def test_the_paper_s_gain_is_over_its_own_untuned_row_whichever_is_the_better_one(tmp_path):
    table, _, _ = written(tmp_path, evaluated_of(a_model(LLAMA, (0.1, 0.3), (0.4, 0.4), (0.5, 0.5))))
    tuned = table.iloc[-1]
    assert (tuned["gain_over"], tuned["paper_gain"], tuned["paper_gain_over"]) == ("base-chat", 0.01, "base")


def test_rows_are_untuned_in_the_paper_s_template_then_in_the_model_s_own_then_tuned(tmp_path):
    runs = [*a_model(MINE, (0.1, 0.2), (0.3, 0.35), (0.6, 0.62)), *a_model(LLAMA, (0.1, 0.1), (0.2, 0.2), (0.3, 0.3))]
    in_any_order = [*runs[3:], *runs[:3][::-1], retrieved()]
    table, shown, note = written(tmp_path, evaluated_of(in_any_order))
    ours = table[table["source"] == "this study"]
    assert list(zip(ours["model"], ours["method"], strict=True))[:3] == [
        ("Llama-3.2-1B", "base"),
        ("Llama-3.2-1B", "base-chat"),
        ("Llama-3.2-1B", "qlora"),
    ]
    assert list(ours["method"]).index("qlora", 3) > list(ours["method"]).index("base-chat", 3)
    assert list(ours["template"])[:3] == ["paper", "chat", "paper"]
    assert "Templates of the prompts: paper (base, qlora); chat (base-chat)." in note
    row = shown["Most similar training sample (retrieval)"]
    assert (row["ROUGE-L"], row["On code"], row["Verdict"]) == ("0.25", "0.25", "-")


def test_a_template_of_some_models_alone_is_told_with_their_names(tmp_path):
    others = [replace(one, template="chat") for one in a_model(OTHER, (0.1, 0.1), (0.2, 0.2), (0.3, 0.3))]
    records = [*ONE, *others, *a_model(LLAMA, (0.1, 0.1), (0.2, 0.2), (0.3, 0.3))]
    note = written(tmp_path, evaluated_of(records))[2]
    assert "Templates of the prompts: paper (base, qlora); chat (Other (base), base-chat, Other (qlora))." in note
    note = written(tmp_path, evaluated_of([one for one in ONE if one.template == "paper"]))[2]
    assert "Template of the prompts: paper." in note


def test_the_verdict_is_on_the_gain_over_the_better_baseline_and_the_other_stands_beside_it(tmp_path):
    table, shown, note = written(tmp_path, evaluated_of(ONE))
    row = shown["Mine (qlora)"]
    assert (row["Gain over base"], row["Gain over base-chat"]) == ("+0.50", "+0.30")
    assert (row["Gain"], row["95 % interval of the gain"], row["Over"]) == ("+0.30", "+0.20 to +0.40", "base-chat")
    assert row["Verdict"] == "better"
    tuned = table.iloc[-1]
    assert (tuned["gain"], tuned["gain_over"]) == (pytest.approx(0.3), "base-chat")
    found = [tuned[f"gain_{kind}over_{name}"] for kind in ("", "low_", "high_") for name in ("base", "base-chat")]
    assert found == pytest.approx([0.5, 0.3, 0.4, 0.2, 0.6, 0.4])
    found = [tuned[f"gain_on_code_{kind}over_base"] for kind in ("", "low_", "high_")]
    assert found == pytest.approx([0.42, 0.32, 0.52])
    assert "are of the smaller gain, over the better of the model's untuned rows." in note


def test_scores_on_the_code_stand_beside_those_as_written_with_both_signatures(tmp_path):
    table, shown, note = written(tmp_path, evaluated_of(ONE))
    assert [(row["ROUGE-L"], row["On code"]) for row in shown.values()][2:] == [
        ("0.10", "0.20"),
        ("0.30", "0.35"),
        ("0.60", "0.62 +"),
    ]
    assert list(table["verdict_on_code"].dropna()) == ["better"]
    assert "ROUGE-L [f1]; ROUGE-L on code [f1|text:code] over 10 test samples." in note
    assert list(table["score_on_code_low"].dropna()) == pytest.approx([0.1, 0.25, 0.52])


@pytest.mark.parametrize(("share", "ratio", "shown"), [(0.0, 1.0, ("0.0", "1.00")), (0.8234, 3.4126, ("82.3", "3.41"))])
def test_what_was_cut_off_and_how_long_it_is_stand_in_the_table(tmp_path, share, ratio, shown):
    records = [with_test(one, "alpaca", both(0.1, 0.1), truncated=share, length_ratio=ratio) for one in ONE]
    table, rows, note = written(tmp_path, evaluated_of(records))
    assert {(row["Cut off (%)"], row["Length"]) for row in list(rows.values())[2:]} == {shown}
    assert set(table["truncated"].dropna()) == {share}
    assert "Length: characters over those of the references." in note


ABOUT = [([1], True, False), ([3], False, True), ([1, 3], True, True)]


@pytest.mark.parametrize(("seeds", "one_training", "over_seeds"), ABOUT)
def test_the_note_says_what_a_verdict_is_about(tmp_path, seeds, one_training, over_seeds):
    models = zip((MINE, OTHER), seeds, strict=False)
    records = [run for model, count in models for run in a_model(model, (0.1, 0.1), (0.2, 0.2), (0.5, 0.5), count)]
    note = written(tmp_path, evaluated_of(records))[2]
    assert ("with one seed, it is about that one training" in note) == one_training
    assert ("over test samples and seeds" in note) == over_seeds
    assert f"correction over the column's {len(seeds)} comparison" in note
    assert "100 resamples" in note


def test_a_family_is_counted_per_test_set_and_without_what_has_no_p_value(tmp_path):
    records = [with_test(one, "evol", both(0.4, 0.4)) for one in ONE]
    records += a_model(OTHER, (None, 0.1), (None, 0.1), (None, 0.1))
    note = written(tmp_path, evaluated_of(records, ("alpaca", "evol")))[2]
    assert "correction over the column's 1 comparison per test set." in note


def test_where_nothing_was_measured_there_are_dashes_no_p_value_and_no_verdict(tmp_path):
    """In every row of gains and of the score, in all forms; the count of the family leaves it out."""
    evaluated = evaluated_of(a_model(MINE, (None, None), (None, None), (None, None)))
    _, shown, note = written(tmp_path, evaluated)
    row = shown["Mine (qlora)"]
    kept = {"Cut off (%)", "Length", "Model", "Method"}
    assert {cell for name, cell in row.items() if name not in kept} == {"-"}
    assert {"Gain", "95 % interval of the gain", "p (Holm)", "Verdict"} <= set(row)
    assert "Verdict:" not in note
    assert "Gains over" not in note
    with open(tmp_path / "t.csv") as stream:
        rows = list(csv.DictReader(stream))
    numbers = [name for name in rows[0] if name.startswith(("score", "gain", "p_", "verdict")) and name != "gain_over"]
    assert {row[name] for row in rows for name in numbers} == {""}
    for kind in ("csv", "md", "tex"):
        assert not re.search(r"\bnan\b", (tmp_path / f"t.{kind}").read_text(), re.IGNORECASE)


def test_a_study_that_tunes_nothing_has_no_columns_of_gains(tmp_path):
    _, shown, note = written(tmp_path, evaluated_of([*ONE[:2], retrieved()]))
    (columns,) = {tuple(row) for row in shown.values()}
    assert columns == ("Model", "Method", "ROUGE-L", "95 % interval", "On code", "Paper", "Cut off (%)", "Length")
    assert not re.search("[Gg]ain|Verdict|Holm", note)


def test_a_headline_metric_on_the_code_has_no_second_column_of_it(tmp_path):
    _, shown, note = written(tmp_path, evaluated_of(ONE), "rouge_l_on_code")
    row = shown["Mine (qlora)"]
    assert (row["ROUGE-L on code"], row["Gain over base-chat"]) == ("0.62", "+0.27")
    assert "On code" not in row
    assert note.startswith("Gain over base: +0.42; over base-chat: +0.27. ROUGE-L on code [f1|text:code] over")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0004, "< 0.001"), (0.04, "0.040"), (0.0496, "0.050"), (0.05, "0.050"), (0.0504, "0.0504"),
     (0.050004, "0.050004"), (0.0509, "0.051"), (1.0, "1.000"), (None, None)],
)  # fmt: skip
def test_a_p_value_looks_as_if_it_were_on_the_side_of_the_level_where_it_is(value, text):
    assert format_p(value) == text


def test_verdicts_marks_and_p_values_agree_in_random_studies(tmp_path):
    """As they are printed: the verdict of Table 2, the mark in the table of all metrics, and p after its rounding."""
    random.seed(1)
    for _ in range(30):
        records = [run for place in range(3) for run in a_model(
            fake_model(f"m{place}"), *[(random.random(), random.random()) for _ in range(3)])]  # fmt: skip
        found = fake_comparisons(records)
        p_values = [random.choice((0.0001, 0.03, ALPHA, ALPHA + 1e-5, 0.7)) for _ in found.comparisons]
        changed = [
            replace(one, p_holm=p if one.family == "gain" else None)
            for one, p in zip(found.comparisons, p_values, strict=True)
        ]
        evaluated = evaluated_systems(records, [replace(found, comparisons=changed)])
        table, shown, _ = written(tmp_path, evaluated)
        paths = {kind: str(tmp_path / f"m.{kind}") for kind in ("csv", "md", "tex")}
        write_metrics(metrics_table(evaluated), evaluated, paths)
        marks = (tmp_path / "m.md").read_text()
        for _, row in table[table["verdict"].notna()].iterrows():
            cells = shown[f"{row['model']} (qlora)"]
            gains = [float(cells[f"Gain over {name}"]) for name in ("base", "base-chat")]
            assert min(gains) == float(cells["Gain"]) == float(cells[f"Gain over {row['gain_over']}"])
            decided = cells["p (Holm)"] == "< 0.001" or float(cells["p (Holm)"]) <= ALPHA
            expected = ("better" if min(gains) > 0 else "worse") if decided else "undecided"
            assert cells["Verdict"] == row["verdict"] == expected
            mark = {"better": r" \+", "worse": " -", "undecided": ""}[expected]
            assert re.search(rf"\| {row['model']} +\| qlora .*\| +{cells['ROUGE-L']}{mark} \|", marks)


def test_gains_of_the_csv_are_the_comparisons_in_full_precision(tmp_path):
    evaluated = evaluated_of(a_model(MINE, (0.1, 1 / 3), (2 / 7, 0.3), (5 / 9, 0.7)))
    written(tmp_path, evaluated)
    row = pd.read_csv(tmp_path / "t.csv").iloc[-1]
    for one in (one for one in evaluated[0].comparisons.comparisons if one.family != "pair"):
        key = "gain_on_code" if one.metric.endswith("on_code") else "gain"
        found = [row[f"{key}_{end}over_{one.over.method}"] for end in ("", "low_", "high_")]
        assert found == [one.gain, *one.interval]


def test_the_note_says_of_how_many_predictions_code_is_not_all(tmp_path):
    """By method, over its systems and seeds; not where nothing is scored on code."""
    shares = {"base": 0.8, "base-chat": 1.0, "qlora": 0.0}
    models = [*ONE, *a_model(OTHER, (0.1, 0.1), (0.2, 0.2), (0.3, 0.3), 2)]
    records = [with_test(one, "alpaca", both(0.3, 0.4), extracted=shares[one.run.method]) for one in models]
    table, _, note = written(tmp_path, evaluated_of(records))
    assert "Predictions that are more than code: 80.0 % (base), 100.0 % (base-chat), 0.0 % (qlora)." in note
    assert set(table["extracted"].dropna()) == set(shares.values())
    assert "more than code" not in written(tmp_path, evaluated_of(a_model(MINE, (0.1,), (0.2,), (0.3,))))[2]
