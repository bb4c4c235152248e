"""Table 2, the metrics and the breakdown: every number stands where it belongs."""

import csv
import math
from dataclasses import replace

import pytest
from codetune.evaluation.comparisons import MetricFacts
from codetune.report import audit
from codetune.report.breakdown import breakdown_table, write_breakdown
from codetune.report.metrics import metrics_table, write_metrics
from codetune.report.rows import evaluated_systems
from codetune.report.table import write_table
from codetune.report.table2 import table2, write_table2
from codetune.study.declared import read_paper
from codetune.study.facts import ScoredPart
from conftest import ROOT
from fake_comparisons import METRICS, fake_comparisons, write_fake_comparisons
from fake_records import DATA, fake_method, fake_model, fake_record, fake_training, with_test, write_fake
from markdown_reader import read_markdown
from markdown_reader import rows_of as columns_of_rows

PAPER = read_paper(ROOT / "config/papers/slm-qlora.yaml")
LLAMA = fake_model("llama-3.2-1b", label="Llama-3.2-1B", training={"batch_size": 160, "epochs": 50})
QWEN = fake_model("qwen2.5-3b", label="Qwen2.5-3B", training={"batch_size": 64, "epochs": 50})
MINE = fake_model("mine", label="My_model 100%")


def outputs(folder, name):
    return {kind: str(folder / f"{name}.{kind}") for kind in ("csv", "md", "tex")}


def read(path):
    with open(path) as stream:
        return list(csv.DictReader(stream))


def rows_of(path):
    """The cells of a Markdown table; the first row is the header, the second a rule."""
    lines = [line.strip("|").split("|") for line in path.read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines]


def columns_of(path):
    return rows_of(path)[0]


def trained(record, best_step):
    return replace(record, training=fake_training(record.training.plan, best_step))


@pytest.fixture
def systems():
    """Two models, untuned and tuned; Llama is tuned with two seeds."""
    records = [
        fake_record(MINE, "base", scores={"rouge_l": 0.0}),
        fake_record(MINE, "qlora", scores={"rouge_l": 0.4}),
        fake_record(LLAMA, "base", scores={"rouge_l": 0.5}),
        trained(fake_record(LLAMA, "qlora", seed=0, scores={"rouge_l": 0.5}), 100),
        trained(fake_record(LLAMA, "qlora", seed=1, scores={"rouge_l": 0.6}), 110),
    ]
    return evaluated_systems(records, [fake_comparisons(records, leaked=[3, 8])])


@pytest.fixture
def second(systems):
    return table2(systems, "rouge_l", PAPER)


def test_table2_has_the_quoted_rows_then_the_study_s_model_by_model(second):
    assert list(second["model"][:2]) == ["CodeBERT", "Code2seq"]
    assert set(second["source"][:2]) == {"quoted by the paper"}
    assert second["score"][:2].isna().all()
    assert list(second["paper_score"][:2]) == [0.36, 0.33]
    assert list(second["not_run"].notna()) == [False, True, False, False, False, False]
    assert list(zip(second["model"][2:], second["method"][2:], strict=True)) == [
        ("My_model 100%", "base"),
        ("My_model 100%", "qlora"),
        ("Llama-3.2-1B", "base"),
        ("Llama-3.2-1B", "qlora"),
    ]


def test_table2_gives_the_mean_over_seeds_and_the_gain_over_the_untuned_model(second, systems, tmp_path):
    base, tuned = second.iloc[4], second.iloc[5]
    assert tuned["score"] == pytest.approx(0.55)
    assert tuned["gain"] == pytest.approx(0.05)
    assert tuned["gain_percent"] == pytest.approx(10)
    assert tuned["paper_gain"] == pytest.approx(0.01)
    assert (tuned["steps"], tuned["seeds"], tuned["trainable"]) == (105, 2, 1000)
    assert math.isnan(base["gain"])
    write_table2(second, systems, "rouge_l", outputs(tmp_path, "t"))
    text = (tmp_path / "t.md").read_text()
    rows = {(row["Model"], row["Method"]): row for row in columns_of_rows(tmp_path / "t.md")}
    assert rows["CodeBERT", "quoted"]["Paper"] == "0.36"
    names = ["ROUGE-L", "Gain", "95 % interval of the gain", "Verdict", "Seeds", "Deviation", "Paper"]
    shown = [rows["Llama-3.2-1B", "qlora"][name] for name in [*names, "ROUGE-L without 2 leaked"]]
    assert shown == ["0.55", "+0.05", "-0.05 to +0.15", "undecided", "2", "0.071", "0.46", "0.54"]
    assert "Gain: over the untuned model (base)." in text
    assert "Code2seq is only quoted: it reads syntax trees of code, and an instruction has none." in text
    assert tuned["verdict"] == "undecided"
    assert second.iloc[3]["verdict"] == "better"
    assert "nan" not in text.lower().replace("finance", "")
    row = read(tmp_path / "t.csv")[5]
    assert (float(row["score"]), row["steps"], row["trainable"]) == (0.55, "105", "1000")


def test_a_gain_over_nothing_has_no_percentage(second):
    assert second.iloc[3]["gain"] == pytest.approx(0.4)
    assert math.isnan(second.iloc[3]["gain_percent"])


def test_two_seeds_are_one_row_which_names_both_files(second):
    tuned = second[(second["model"] == "Llama-3.2-1B") & (second["method"] == "qlora")]
    folder = "results/runs/alpaca/llama-3.2-1b/qlora"
    assert list(tuned["predictions"]) == [
        f"{folder}/seed0/tests/alpaca/predictions.jsonl {folder}/seed1/tests/alpaca/predictions.jsonl"
    ]


def test_an_untuned_run_stands_under_no_data_which_alone_makes_no_column(second, systems, tmp_path):
    assert list(second["data"][2:]) == ["none", "alpaca", "none", "alpaca"]
    write_table2(second, systems, "rouge_l", outputs(tmp_path, "t"))
    assert columns_of(tmp_path / "t.md")[:3] == ["Model", "Method", "ROUGE-L"]


@pytest.fixture
def two_tests():
    """Two models on two test sets, the second of which only one of them was evaluated on."""
    records = []
    for model, method, score in (
        (MINE, "base", 0.2),
        (MINE, "qlora", 0.3),
        (LLAMA, "base", 0.4),
        (LLAMA, "qlora", 0.6),
    ):
        record = fake_record(model, method, scores={"rouge_l": score, "bleu": 100 * score})
        records.append(with_test(record, "evol", {"rouge_l": score / 2, "bleu": 0.31}) if model is LLAMA else record)
    return evaluated_systems(records, [fake_comparisons(records, test) for test in ("alpaca", "evol")])


def test_two_test_sets_are_two_groups_of_rows(two_tests, tmp_path):
    table = table2(two_tests, "rouge_l", PAPER)
    ours = table[table["source"] == "this study"]
    assert list(zip(ours["test"], ours["model"], ours["score"], strict=True)) == [
        ("alpaca", "My_model 100%", 0.2),
        ("alpaca", "My_model 100%", 0.3),
        ("alpaca", "Llama-3.2-1B", 0.4),
        ("alpaca", "Llama-3.2-1B", 0.6),
        ("evol", "Llama-3.2-1B", 0.2),
        ("evol", "Llama-3.2-1B", 0.3),
    ]
    assert list(ours["gain"].dropna()) == pytest.approx([0.1, 0.2, 0.1])
    write_table2(table, two_tests, "rouge_l", outputs(tmp_path, "t"))
    assert columns_of(tmp_path / "t.md")[:2] == ["Test", "Model"]


def test_of_several_test_sets_the_paper_s_numbers_stand_beside_its_own_and_what_is_trained_on_that():
    records = []
    for data in ("codealpaca-20k", "evol"):
        for method in ("base", "qlora") if data != "evol" else ("qlora",):
            record = fake_record(LLAMA, method, data, test="codealpaca-20k")
            records.append(with_test(record, "evol", {"rouge_l": 0.4}))
    tests = ("codealpaca-20k", "evol")
    table = table2(evaluated_systems(records, [fake_comparisons(records, test) for test in tests]), "rouge_l", PAPER)
    beside = table[(table["source"] == "this study") & table["paper_score"].notna()]
    assert list(zip(beside["test"], beside["data"], beside["paper_score"], strict=True)) == [
        ("codealpaca-20k", "none", 0.45),
        ("codealpaca-20k", "codealpaca-20k", 0.46),
    ]


def test_the_paper_s_columns_are_for_its_own_metric(two_tests, tmp_path):
    table = table2(two_tests, "bleu", PAPER)
    assert "quoted by the paper" not in set(table["source"])
    assert table["paper_score"].isna().all()
    assert table["paper_gain"].isna().all()
    write_table2(table, two_tests, "bleu", outputs(tmp_path, "t"))
    text = (tmp_path / "t.md").read_text()
    assert "BLEU [sacrebleu]" in text
    rows = columns_of_rows(tmp_path / "t.md")
    assert "Paper" not in rows[0]
    assert [row["BLEU"] for row in rows] == ["20", "30", "40", "60", "0", "0"]
    assert read(tmp_path / "t.csv")[1]["steps"] == "100"


def test_a_method_that_is_measured_over_a_tuned_one_has_that_gain():
    lora = fake_method("lora", baselines=["qlora", "base"])
    scores = (("base", 0.4), ("qlora", 0.5), (lora, 0.7))
    records = [fake_record(LLAMA, method, scores={"rouge_l": score}) for method, score in scores]
    systems = evaluated_systems(records, [fake_comparisons(records)])
    table = table2(systems, "rouge_l", PAPER)
    assert list(table["gain"].dropna()) == pytest.approx([0.1, 0.2])
    found = [(one.family, one.over.method) for one in systems[0].comparisons.comparisons]
    assert found == [("gain", "base"), ("gain", "qlora"), ("other gain", "base")]
    assert list(table["gain_over"].dropna()) == ["base", "qlora"]
    assert list(table["gain_over_base"].dropna()) == pytest.approx([0.1, 0.3])


def test_the_note_says_so_where_gains_are_not_all_over_untuned_models(tmp_path):
    lora = fake_method("lora", baselines=["qlora"])
    records = [fake_record(LLAMA, method) for method in ("base", "qlora", lora)]
    systems = evaluated_systems(records, [fake_comparisons(records)])
    write_table2(table2(systems, "rouge_l", PAPER), systems, "rouge_l", outputs(tmp_path, "t"))
    text = (tmp_path / "t.md").read_text()
    assert "are over the best of the method's baselines, named under Over." in text
    assert "correction over the column's 2 comparisons" in text


def test_the_note_says_whose_completions_the_context_cut_off(systems, tmp_path):
    """Over all seeds of a system; not a word where there are none."""
    write_table2(table2(systems, "rouge_l", PAPER), systems, "rouge_l", outputs(tmp_path, "none"))
    assert "Completions" not in (tmp_path / "none.md").read_text()
    for one, counts in ((systems[1], [3]), (systems[3], [2, 5])):
        for record, count in zip(one.records, counts, strict=True):
            tested = record.tests["alpaca"]
            cut = replace(tested.generation, cut_by_context=count)
            record.tests["alpaca"] = replace(tested, generation=cut)
    write_table2(table2(systems, "rouge_l", PAPER), systems, "rouge_l", outputs(tmp_path, "some"))
    (note,) = read_markdown(tmp_path / "some.md").paragraphs
    assert "Completions cut off at the end of the model's context: My" in note
    assert note.endswith("(qlora) 3, Llama-3.2-1B (qlora) 7.")


def test_the_metrics_have_a_row_per_system_and_the_digits_of_their_scale(two_tests, tmp_path):
    table = metrics_table(two_tests)
    assert len(table) == 6 * len(METRICS)
    write_metrics(table, two_tests, outputs(tmp_path, "t"))
    lines = rows_of(tmp_path / "t.md")
    assert lines[0] == ["Test", "Model", "Method", "ROUGE-L", "BLEU"]
    assert lines[2] == ["alpaca", "My_model 100%", "base", "0.20", "20"]
    assert lines[5] == ["alpaca", "Llama-3.2-1B", "qlora", "0.60 +", "60 +"]
    assert lines[6] == ["evol", "Llama-3.2-1B", "base", "0.20", "0"]  # 0.31 of 100: ten samples tell no decimals


def test_the_metrics_have_a_row_for_the_code_below_that_of_the_text(tmp_path):
    facts = dict(METRICS)
    facts |= {f"{name}_on_code": replace(one, signature=f"{one.signature}|code:x|1") for name, one in METRICS.items()}
    scores = {"rouge_l": 0.2, "bleu": 30.0, "rouge_l_on_code": 0.4, "bleu_on_code": 50.0}
    records = [fake_record(LLAMA, method, scores=scores) for method in ("base", "qlora")]
    systems = evaluated_systems(records, [fake_comparisons(records, metrics=facts)])
    table = metrics_table(systems)
    write_metrics(table, systems, outputs(tmp_path, "t"))
    assert [*table["metric"][:4]] == [*facts]
    rows = rows_of(tmp_path / "t.md")
    assert rows[0] == ["Model", "Method", "Scored", "ROUGE-L", "BLEU"]
    assert rows[2] == ["Llama-3.2-1B", "base", "as written", "0.20", "30"]
    assert rows[3] == ["Llama-3.2-1B", "base", "on code", "0.40", "50"]
    text = (tmp_path / "t.md").read_text()
    assert "ROUGE-L [f1]; BLEU [sacrebleu]." in text
    assert "Rows on code: the same of the code in each prediction [code:x|1]." in text.replace("\\", "")


def test_the_metrics_name_the_samples_that_could_not_be_measured(tmp_path):
    scores = dict.fromkeys(METRICS, 0.5)
    seeds = [fake_record(LLAMA, "qlora", seed=seed, scores=scores) for seed in (0, 1)]
    missing = [with_test(record, DATA, scores, unmeasured={"bleu": 2}) for record in seeds]
    notes = []
    for records in (seeds, missing):
        systems = evaluated_systems(records, [fake_comparisons(records)])
        table = metrics_table(systems)
        write_metrics(table, systems, outputs(tmp_path, "t"))
        notes.append((tmp_path / "t.md").read_text())
    assert dict(zip(table["metric"], table["unmeasured"], strict=True)) == {"rouge_l": 0, "bleu": 4}
    assert "left out" not in notes[0]
    assert "Samples that could not be measured are left out: 4 from BLEU of Llama-3.2-1B (qlora)." in notes[1]


def test_the_breakdown_has_a_row_per_class_and_system_and_the_metric_s_label(two_tests, tmp_path):
    table = breakdown_table(two_tests, "bleu")
    evol = table[table["test"] == "evol"]
    assert list(zip(evol["of"], evol["class"], evol["samples"], evol["method"], evol["score"], strict=True)) == [
        (kind, name, samples, method, 0.31)
        for kind, name, samples in (("language", "Python", 6), ("language", "SQL", 4), ("length", "up to 50", 10))
        for method in ("base", "qlora")
    ]
    write_breakdown(table, two_tests, "bleu", outputs(tmp_path, "t"))
    text = (tmp_path / "t.md").read_text()
    assert columns_of(tmp_path / "t.md")[:5] == ["Test", "Class", "Model", "Method", "BLEU"]
    assert columns_of_rows(tmp_path / "t.md")[-1] == {
        "Test": "evol",
        "Class": "up to 50 characters (n = 10)",
        "Model": "Llama-3.2-1B",
        "Method": "qlora",
        "BLEU": "0",  # 0.31 of 100: ten samples tell no decimals
        "95 % interval": "-10 to 10",
        "Gain": "0",
        "95 % interval of the gain": "-10 to +10",
    }
    assert "BLEU by language" in text
    assert "0 for up to 25 samples, 1 for up to 2,500, 2 for more" in text


def test_the_breakdown_has_gains_in_each_class_as_written_and_on_code(tmp_path):
    scores = {"base": (0.2, 0.4), "qlora": (0.5, 0.6)}
    records = [
        fake_record(LLAMA, method, scores={"rouge_l": written, "rouge_l_on_code": coded})
        for method, (written, coded) in scores.items()
    ]
    systems = evaluated_systems(records, [fake_comparisons(records)])
    table = breakdown_table(systems, "rouge_l")
    tuned = table[table["method"] == "qlora"].iloc[0]
    assert [tuned[name] for name in ("gain", "gain_low", "gain_high")] == pytest.approx([0.3, 0.2, 0.4])
    assert [tuned[f"gain_on_code{end}"] for end in ("", "_low", "_high")] == pytest.approx([0.2, 0.1, 0.3])
    assert (tuned["gain_over"], tuned["gain_on_code_over"], tuned["members"]) == ("base", "base", "Python 6")
    write_breakdown(table, systems, "rouge_l", outputs(tmp_path, "t"))
    row = columns_of_rows(tmp_path / "t.md")[1]
    assert (row["Gain"], row["95 % interval of the gain"]) == ("+0.30", "+0.20 to +0.40")
    assert (row["On code"], row["95 % interval of the gain on code"]) == ("0.60", "+0.10 to +0.30")


def test_two_trainings_of_one_model_are_two_rows_of_each_class(tmp_path):
    records = [fake_record(LLAMA, "base"), *(fake_record(LLAMA, "qlora", data=data) for data in ("alpaca", "evol"))]
    systems = evaluated_systems(records, [fake_comparisons(records)])
    write_breakdown(breakdown_table(systems, "rouge_l"), systems, "rouge_l", outputs(tmp_path, "t"))
    rows = columns_of_rows(tmp_path / "t.md")
    assert [(row["Method"], row["Data"]) for row in rows[:3]] == [
        ("base", "none"),
        ("qlora", "alpaca"),
        ("qlora", "evol"),
    ]


@pytest.mark.parametrize(
    ("samples", "shown"),
    [(1, "0.67"), (25, "0.67"), (26, "0.667"), (2500, "0.667"), (2501, "0.6667"), (100_000, "0.6667")],
)
def test_the_fewer_samples_the_fewer_decimals(tmp_path, samples, shown):
    record = fake_record(LLAMA, "base", scores={"rouge_l": 2 / 3})
    for parts in (record.tests[DATA].summary.by_language, record.tests[DATA].summary.by_length):
        parts.clear()
        parts["some"] = ScoredPart(samples, {"rouge_l": 2 / 3})
    systems = evaluated_systems([record], [fake_comparisons([record])])
    table = breakdown_table(systems, "rouge_l")
    write_breakdown(table, systems, "rouge_l", outputs(tmp_path, "t"))
    assert {row["ROUGE-L"] for row in columns_of_rows(tmp_path / "t.md")} == {shown}
    assert {float(row["score"]) for row in read(tmp_path / "t.csv")} == {2 / 3}


def test_systems_without_a_score_stay_in_the_breakdown(tmp_path):
    records = [fake_record(LLAMA, "base"), fake_record(QWEN, "base", scores={"rouge_l": None})]
    systems = evaluated_systems(records, [fake_comparisons(records)])
    write_breakdown(breakdown_table(systems, "rouge_l"), systems, "rouge_l", outputs(tmp_path, "t"))
    assert [row["ROUGE-L"] for row in columns_of_rows(tmp_path / "t.md")] == ["0.50", "-"] * 3


@pytest.mark.parametrize("name", ["table2", "metrics", "breakdown"])
def test_a_table_is_made_from_records_by_its_name(tmp_path, name):
    records = [fake_record(LLAMA, method) for method in ("base", "qlora")]
    inputs = {
        "records": [write_fake(record, tmp_path / "results") for record in records],
        "comparisons": [write_fake_comparisons(fake_comparisons(records), tmp_path)],
        "paper": str(ROOT / "config/papers/slm-qlora.yaml"),
    }
    write_table(name, inputs, {"metric": "rouge_l"}, outputs(tmp_path, name))
    rows = [row for row in read(tmp_path / f"{name}.csv") if row["test"]]
    assert {(row["data"], row["test"], row["method"]) for row in rows} == {
        ("none", "alpaca", "base"),
        ("alpaca", "alpaca", "qlora"),
    }


def test_the_audit_is_a_table_too(tmp_path, monkeypatch):
    called = []
    monkeypatch.setattr(audit, "write", lambda *args: called.append(args), raising=False)
    write_table("audit", {"paper": "p"}, {"metric": "rouge_l"}, outputs(tmp_path, "audit"))
    assert called == [({"paper": "p"}, {"metric": "rouge_l"}, outputs(tmp_path, "audit"))]


def test_the_quoted_numbers_are_the_paper_s():
    rows = {(row.get("model"), row.get("method")): row["rouge_l"] for row in PAPER["table2"]}
    assert rows[("llama-3.2-3b", "qlora")] == 0.54
    assert rows[("qwen2.5-1.5b", "base")] == 0.48
    assert [row["steps"] for row in PAPER["table1"]] == [750, 1950, 950, 950, 1950]
    assert len(PAPER["table2"]) == 13


def test_the_metrics_have_columns_of_em_at_k_that_share_a_signature(tmp_path):
    """For readers of k = 1, 2 and the largest; in the CSV of each k."""
    facts = {"rouge_l": METRICS["rouge_l"]}
    for form, words in (("em", ""), ("em_one_line", " in one line")):
        facts |= {f"{form}_at_{k}": MetricFacts(f"EM@{k}{words}", f"any|{form}", 1.0) for k in (1, 2, 3, 4)}
    scores = dict.fromkeys(facts, 0.5)
    records = [fake_record(LLAMA, method, scores=scores) for method in ("base", "qlora")]
    systems = evaluated_systems(records, [fake_comparisons(records, metrics=facts)])
    table = metrics_table(systems)
    write_metrics(table, systems, outputs(tmp_path, "t"))
    columns = [f"EM@{k}{words}" for words in ("", " in one line") for k in (1, 2, 4)]
    assert rows_of(tmp_path / "t.md")[0] == ["Model", "Method", "ROUGE-L", *columns]
    assert [*table["metric"][:9]] == [*facts]
    text = (tmp_path / "t.md").read_text().replace("\\", "")
    assert "EM@1, EM@2, EM@4 [any|em]; EM@1 in one line, EM@2 in one line, EM@4 in one line [any|em_one_line]." in text
    assert "EM@k for each k is in the CSV." in text
