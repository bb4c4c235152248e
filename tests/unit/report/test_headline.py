"""The metric at the head (`evaluation.metric`): each output that shows it follows it, with its scale."""

import csv
import json
import re

import matplotlib as mpl
import pytest
from codetune.base.manifests import write_manifest
from codetune.evaluation.comparisons import MetricFacts
from codetune.report.figure import FIGURES, draw_figure
from codetune.report.figure2 import read_course
from codetune.report.metrics import metrics_table, write_metrics
from codetune.report.page import write_page
from codetune.report.publish import publish
from codetune.report.rows import evaluated_systems
from codetune.report.sheet import STYLE
from codetune.report.shown import show
from codetune.report.table import write_table
from codetune.study.facts import ScoredPart
from codetune.study.records import read_records
from conftest import ROOT
from fake_comparisons import METRICS, fake_comparisons, write_fake_comparisons
from fake_records import DATA, fake_publications, fake_record, seal, with_test, write_fake, write_stats
from markdown_reader import rows_of
from matplotlib.text import Text

# By ROUGE-L the tuned model is better, by BLEU worse; CodeBLEU applies to no sample.
BASE = {"rouge_l": 0.2345, "bleu": 76.54, "codebleu": None}
TUNED = {"rouge_l": 0.8765, "bleu": 12.34, "codebleu": None}
SHOWN = {  # label, score of ten samples, and verdict
    "rouge_l": ("ROUGE-L", "0.88", "better"),
    "bleu": ("BLEU", "12", "worse"),
    "codebleu": ("CodeBLEU", "-", None),
}
HEADS = list(SHOWN)
FACTS = METRICS | {"codebleu": MetricFacts("CodeBLEU (Python)", "four parts", 1.0)}
PAPER = str(ROOT / "config/papers/slm-qlora.yaml")


@pytest.fixture
def study(tmp_path):
    """Inputs of tables and figures: an untuned and a tuned run, with their curve and log."""
    records = [fake_record("m", "base", scores=BASE), fake_record("m", "qlora", scores=TUNED)]
    paths = [write_fake(record, tmp_path) for record in records]
    (tuned,) = read_records(paths[1:])
    scores = {name: {"score": score, "interval": score and [0.9 * score, 1.1 * score]} for name, score in TUNED.items()}
    points = [{"step": step, "truncated": 0.0, "scores": scores} for step in (0, 100)]
    tuned.curve.write_text(json.dumps({"samples": [1, 2], "points": points}))
    rows = [{"step": 0, "eval_loss": 2.0}, {"step": 1, "loss": 1.0}, {"step": 1, "eval_loss": 1.0}]
    tuned.path_of("training_log").write_text("".join(json.dumps(row) + "\n" for row in rows))
    seal(paths[1])
    return {
        "records": paths,
        "comparisons": [write_fake_comparisons(fake_comparisons(records, metrics=FACTS), tmp_path)],
        "paper": PAPER,
    }


def files(folder, *kinds):
    return {kind: str(folder / f"out.{kind}") for kind in kinds}


def table_of(name, study, metric, folder):
    write_table(name, study, {"metric": metric}, files(folder, "csv", "md", "tex"))
    return {kind: (folder / f"out.{kind}").read_text() for kind in ("csv", "md", "tex")}


def others(metric):
    return [
        label
        for name, (label, *_) in SHOWN.items()
        if name != metric and not (label == "BLEU" and metric == "codebleu")
    ]


@pytest.mark.parametrize("metric", HEADS)
@pytest.mark.parametrize("name", ["table2", "breakdown"])
def test_tables_show_the_metric_with_its_label_and_digits(study, tmp_path, name, metric):
    found = table_of(name, study, metric, tmp_path)
    label, score, verdict = SHOWN[metric]
    for kind in ("md", "tex"):
        assert label in found[kind]
        assert all(other not in found[kind] for other in others(metric))
        assert score in re.split(r"[|&\s]+", found[kind])
        if name == "table2" and verdict:
            assert verdict in found[kind]
        if name == "table2":
            assert ("Column Paper" in found[kind]) == (metric == "rouge_l")
    assert len({table_of(name, study, head, tmp_path)["md"] for head in HEADS}) == len(HEADS)


def test_a_metric_of_no_sample_has_a_dash_in_every_column(study, tmp_path):
    found = table_of("table2", study, "codebleu", tmp_path)
    cells = rows_of(tmp_path / "out.md")[1]
    names = ["CodeBLEU (Python)", "95 % interval", "Gain", "95 % interval of the gain", "p (Holm)", "Verdict"]
    assert [cells[name] for name in names] == ["-"] * 6
    assert "CodeBLEU (Python) has no value for any sample of alpaca." in found["md"]
    assert "over 10 test samples" in found["md"]
    rows = list(csv.DictReader(found["csv"].splitlines()))
    assert {row[name] for row in rows for name in ("score", "score_low", "gain", "p_holm", "verdict")} == {""}
    table_of("breakdown", study, "codebleu", tmp_path)
    assert {row["CodeBLEU (Python)"] for row in rows_of(tmp_path / "out.md")} == {"-"}


def test_table_2_says_of_how_many_samples_a_metric_of_some_languages_is_the_score(tmp_path):
    languages = {"Python": ScoredPart(6, dict(BASE) | {"codebleu": 0.5}), "SQL": ScoredPart(4, dict(BASE))}
    records = [
        with_test(fake_record("m", method), DATA, BASE | {"codebleu": 0.5}, by_language=languages)
        for method in ("base", "qlora")
    ]
    some = {"records": [write_fake(record, tmp_path) for record in records], "paper": PAPER}
    some["comparisons"] = [write_fake_comparisons(fake_comparisons(records, metrics=FACTS), tmp_path)]
    assert "over 6 of 10 test samples" in table_of("table2", some, "codebleu", tmp_path)["md"]
    assert "over 10 test samples" in table_of("table2", some, "rouge_l", tmp_path)["md"]


@pytest.mark.parametrize("metric", ["rouge_l", "bleu"])
def test_a_mark_in_the_table_of_all_metrics_is_that_metric_s_own(study, tmp_path, metric):
    records = read_records(study["records"])
    evaluated = evaluated_systems(records, [fake_comparisons(records, metrics=FACTS)])
    write_metrics(metrics_table(evaluated), evaluated, files(tmp_path, "csv", "md", "tex"))
    text = (tmp_path / "out.md").read_text()
    header, _, _, tuned = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:6]]
    label, score, verdict = SHOWN[metric]
    assert tuned[header.index(label)] == f"{score} {'+' if verdict == 'better' else '-'}"
    assert tuned[header.index("CodeBLEU (Python)")] == "-"


def test_the_table_of_all_metrics_counts_references_without_data_flow(study, tmp_path):
    notes = []
    for count in (0, 3):
        records = [with_test(record, DATA, TUNED, without_data_flow=count) for record in read_records(study["records"])]
        evaluated = evaluated_systems(records, [fake_comparisons(records, metrics=FACTS)])
        write_metrics(metrics_table(evaluated), evaluated, files(tmp_path, "csv", "md", "tex"))
        notes.append((tmp_path / "out.md").read_text())
    assert "data flow" not in notes[0]
    assert "References without data flow, whose CodeBLEU has no such part: 3 of alpaca." in notes[1]


def test_the_report_s_page_is_of_the_table(study, tmp_path):
    for metric in HEADS:
        table_of("table2", study, metric, tmp_path)
        write_page(str(tmp_path / "out.md"), str(ROOT / "workflow/report/page.html"), str(tmp_path / "page.html"))
        title = re.search(r"<title>(.*?)</title>", (tmp_path / "page.html").read_text())[1]
        assert title.startswith(f"Model comparison on {SHOWN[metric][0]}")


def drawn(name, study, metric):
    records = read_records(study["records"])
    (shown,) = show(name, records, [fake_comparisons(records, metrics=FACTS)], metric).values()
    with mpl.rc_context(STYLE):
        figure = FIGURES[name](shown)
        figure.draw_without_rendering()
    return figure


def texts_of(figure):
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize("metric", HEADS)
@pytest.mark.parametrize("name", ["figure2", "cost", "forest"])
def test_figures_show_the_metric_on_its_own_scale(study, tmp_path, name, metric):
    figure = drawn(name, study, metric)
    labels = " ".join(texts_of(figure))
    assert SHOWN[metric][0] in labels
    assert all(other not in labels for other in others(metric))
    axis = figure.axes[0]
    values = [
        float(value)
        for line in axis.get_lines()
        for value in (line.get_xdata() if name == "forest" else line.get_ydata())
    ]
    expected = TUNED[metric]
    if expected is None:
        assert set(values) <= {0.0, 1.0}  # the line at no gain
    else:
        assert any(
            value == pytest.approx(expected - BASE[metric] if name == "forest" else expected) for value in values
        )
    draw_figure(name, study | {"curves": []}, metric, files(tmp_path, "svg"))


def test_a_gain_that_was_not_measured_is_said_in_its_row(study):
    assert "no sample has a value" in texts_of(drawn("forest", study, "codebleu"))
    assert "no sample has a value" not in texts_of(drawn("forest", study, "bleu"))


@pytest.mark.parametrize("name", ["figure1", "losses"])
def test_figures_without_scores_are_the_same_whatever_the_metric(study, tmp_path, name):
    found = set()
    for metric in HEADS:
        draw_figure(name, study, metric, files(tmp_path, "svg"))
        found.add((tmp_path / "out.svg").read_bytes())
    assert len(found) == 1


def test_the_curve_is_read_by_the_metric(study):
    (tuned,) = read_records(study["records"][1:])
    assert [point.value for point in read_course([tuned], "bleu").scores] == [12.34, 12.34]
    assert [point.value for point in read_course([tuned], "rouge_l").scores] == [0.8765, 0.8765]
    assert read_course([tuned], "codebleu").scores == []


@pytest.mark.parametrize("metric", HEADS)
def test_the_model_card_names_the_metric(study, tmp_path, metric):
    (tmp_path / "tuned").mkdir()
    (tmp_path / "tuned/adapter_model.safetensors").write_text("x")
    write_manifest(tmp_path / "tuned")
    (tuned,) = read_records(study["records"][1:])
    target = tmp_path / "published/README.md"
    publish(tuned, metric, fake_publications(), write_stats(tmp_path), tmp_path / "tuned", str(target))
    card = target.read_text().partition("\n---\n")[2]  # the metadata have all metrics
    score = {"rouge_l": "0.8765", "bleu": "12.34", "codebleu": "-"}[metric]
    assert re.search(rf"\| Test set \| samples \| {SHOWN[metric][0]}", card)
    assert f"| 10 | {score} |" in card
    assert all(other not in card for other in others(metric))
