"""The table of pairs: who stands beside whom, in which order, and that every number is the comparisons'."""

import csv
from dataclasses import replace

import pytest
from codetune.report.pairs import pairs_table, write_pairs
from codetune.report.rows import evaluated_systems
from codetune.study.runs import System
from fake_comparisons import METRICS, fake_comparisons
from fake_records import fake_method, fake_record, with_test
from latex_reader import read_latex
from markdown_reader import read_markdown, rows_of

ON_CODE = {f"{name}_on_code": replace(one, label=f"{one.label} on code") for name, one in METRICS.items()}
SCORES = {  # by model and method
    ("a", "base"): 0.1,
    ("b", "base"): 0.3,
    ("phi", "base"): 0.35,
    ("a", "chat"): 0.19,
    ("b", "chat"): 0.32,
    ("a", "qlora"): 0.5,
    ("b", "qlora"): 0.44,
}


def systems(seeds=1, tests=("alpaca",), on_code=True, scores=SCORES):
    """The evaluated systems of such scores; those of the code are a tenth less."""
    methods = {
        "chat": replace(fake_method("base"), name="chat"),
        "qlora": fake_method("qlora", baselines=["base", "chat"]),
    }
    records = []
    for (model, method), score in scores.items():
        for seed in range(seeds if method == "qlora" else 1):
            found = {"rouge_l": score, "bleu": None if score is None else 100 * score}
            if on_code:
                found |= {f"{name}_on_code": None if value is None else 0.9 * value for name, value in found.items()}
            record = fake_record(model, methods.get(method, method), seed=seed, scores=found, test=tests[0])
            for test in tests[1:]:
                record = with_test(record, test, found)
            records.append(record)
    facts = METRICS | (ON_CODE if on_code else {})
    return evaluated_systems(records, [fake_comparisons(records, test, facts) for test in tests])


def write(evaluated, folder, metric="rouge_l"):
    outputs = {form: str(folder / f"pairs.{form}") for form in ("csv", "md", "tex")}
    write_pairs(pairs_table(evaluated, metric), evaluated, metric, outputs)
    with open(outputs["csv"], newline="") as stream:
        numbers = list(csv.DictReader(stream))
    document = read_markdown(outputs["md"])
    return rows_of(outputs["md"]), numbers, document.paragraphs[0], outputs


def test_pairs_are_grouped_by_what_they_have_in_common_the_decided_ones_first(tmp_path):
    rows, _, note, _ = write(systems(), tmp_path)
    assert [(row["In common"], row["System / compared with"], row["Verdict"]) for row in rows] == [
        ("base", "Phi / A", "better"),
        ("base", "B / A", "better"),
        ("base", "Phi / B", "undecided"),
        ("chat", "B / A", "better"),
        ("qlora", "A / B", "undecided"),
        ("A", "chat / base", "undecided"),
        ("B", "chat / base", "undecided"),
        ("-", "A (qlora) / Phi (base)", "better"),
        ("-", "B (qlora) / Phi (base)", "undecided"),
    ]
    assert "over the 9 pairs" in note
    assert "100 resamples" in note
    assert "about that one training" in note
    assert "seeds, " not in note


def test_a_tuned_model_that_is_worse_than_one_that_nobody_tunes_stands_first_all_the_same(tmp_path):
    scores = SCORES | {("phi", "base"): 0.9}
    rows, _, _, _ = write(systems(scores=scores), tmp_path)
    assert [row["Verdict"] for row in rows if row["In common"] == "-"] == ["worse", "worse"]


@pytest.mark.parametrize("metric", ["rouge_l", "bleu"])
def test_every_number_is_the_comparisons_in_all_forms(tmp_path, metric):
    evaluated = systems(seeds=3, tests=("alpaca", "evol"))
    rows, numbers, note, outputs = write(evaluated, tmp_path, metric)
    assert len(rows) == len(numbers) == 18
    assert "samples and seeds" in note
    labels = {one.model.label: one.system.model for one in evaluated}
    digits = 2 if metric == "rouge_l" else 0  # of ten samples
    for row, of in zip(rows, numbers, strict=True):
        comparisons = next(one.comparisons for one in evaluated if one.test == of["test"])
        one, other = (
            System(of[f"{side}data"], labels[of[f"{side}model"]], of[f"{side}method"]) for side in ("", "over_")
        )
        pair = comparisons.pair_of(one, other, metric)
        code = comparisons.pair_of(one, other, f"{metric}_on_code")
        for prefix, found in (("", pair), ("code_", code)):
            for name, value in (("gain", found.gain), ("gain_low", found.ends[0]), ("gain_high", found.ends[1])):
                assert float(of[f"{prefix}{name}"]) == pytest.approx(value)
            assert (float(of[f"{prefix}p_holm"]), of[f"{prefix}verdict"]) == (found.p_holm, found.verdict)
        assert (int(of["seeds"]), int(of["over_seeds"])) == (pair.seeds, pair.over_seeds)
        assert row["Difference"].lstrip("+") == f"{pair.gain:.{digits}f}"
        assert row["Difference on code"].lstrip("+") == f"{code.gain:.{digits}f}"
        assert (row["Verdict"], row["Verdict on code"]) == (pair.verdict, code.verdict)
        label = METRICS[metric].label
        assert row[label] == f"{float(of['score']):.{digits}f} / {float(of['over_score']):.{digits}f}"
        assert row["Test"] == of["test"]
    names = ["System / compared with", "Difference", "95 % interval", "Verdict", "Verdict on code"]
    shown = [[f"{row['Test']}, {row['In common']}", *(row[name] for name in names)] for row in rows]
    assert read_latex(outputs["tex"]).rows == [["", *names], *shown]


def test_without_scores_of_the_code_there_are_no_columns_of_it(tmp_path):
    rows, numbers, _, _ = write(systems(on_code=False), tmp_path)
    assert not [name for name in rows[0] if "code" in name]
    assert {of["code_gain"] for of in numbers} == {""}


def test_a_metric_without_a_score_has_dashes(tmp_path):
    rows, numbers, note, _ = write(systems(scores=dict.fromkeys(SCORES)), tmp_path)
    assert {(row["Difference"], row["95 % interval"], row["p (Holm)"], row["Verdict"]) for row in rows} == {("-",) * 4}
    assert "nan" not in str(numbers).lower()
    assert "There are no p-values, as no sample has a value." in note
    assert "Holm's" not in note
    assert "one training" not in note


@pytest.mark.parametrize("scores", [{("a", "base"): 0.1}, {("a", "base"): 0.1, ("a", "qlora"): 0.2}])
def test_a_study_without_pairs_has_a_table_that_says_so(tmp_path, scores):
    rows, numbers, note, outputs = write(systems(scores=scores), tmp_path)
    assert (rows, numbers) == ([], [])
    assert "No two systems" in note
    assert "No two systems" in open(outputs["tex"]).read()
