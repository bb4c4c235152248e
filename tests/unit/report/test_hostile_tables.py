"""Labels that mean something to a format of tables: each is shown as it is written, and nothing obeys it."""

import csv
import re
import unicodedata
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from codetune.base.text import printable
from codetune.report.breakdown import breakdown_table, write_breakdown
from codetune.report.metrics import metrics_table, write_metrics
from codetune.report.page import write_page
from codetune.report.rows import evaluated_systems
from codetune.report.table2 import HERE, table2, write_table2
from codetune.report.writing import FORMULA, NUMBER, text_of_csv, write_forms
from codetune.study.declared import read_paper
from conftest import ROOT
from fake_comparisons import fake_comparisons
from fake_records import fake_model, fake_record
from hostile import LABELS, Elements, hostile, in_cell
from latex_reader import read_latex
from markdown_it import MarkdownIt

PAGE = str(ROOT / "workflow/report/page.html")


def forms(folder, label):
    """A table with the label in a cell, in a head, in the title and in the note."""
    table = pd.DataFrame({"model": [label, "b"], "score": [-0.5, 2.0], "count": pd.array([1, None], dtype="Int64")})
    shown = pd.DataFrame({"Model": [label, "b"], label: ["-0.5", None], "Note": ["x", f"{label} ({label})"]})
    paths = {form: folder / f"table.{form}" for form in ("csv", "md", "tex")}
    write_forms(table, shown, f"Of {label}", f"About {label}.", {form: str(path) for form, path in paths.items()})
    return paths


@hostile
def test_markdown_shows_the_label_in_as_many_columns(tmp_path, label):
    """To a reader with HTML, emphasis, links, images and struck text."""
    text = forms(tmp_path, label)["md"].read_text()
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    kinds = {token.type for token in tokens} | {part.type for token in tokens for part in token.children or []}
    structure = {"table", "thead", "tbody", "tr", "th", "td", "heading", "paragraph"}
    assert kinds <= {f"{kind}_{end}" for kind in structure for end in ("open", "close")} | {"inline", "text"}
    title, *cells, note = ["".join(part.content for part in one.children) for one in tokens if one.type == "inline"]
    name = in_cell(label)
    assert [title, note] == [f"Of {printable(label).rstrip()}", f"About {printable(label)}."]
    assert cells == [
        "Model",
        name,
        "Note",
        name,
        "-0.5",
        "x",
        "b",
        "-",
        f"{printable(label)} ({printable(label)})".strip(),
    ]
    lines = [line for line in text.split("\n") if line.startswith("|")]
    assert len(lines) == 4
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines} == {4}


@hostile
def test_a_page_shows_the_label_and_gets_no_element_by_it(tmp_path, label):
    write_page(str(forms(tmp_path, label)["md"]), PAGE, str(tmp_path / "label.html"))
    write_page(str(forms(tmp_path, "name")["md"]), PAGE, str(tmp_path / "name.html"))
    page, usual = (Elements((tmp_path / f"{name}.html").read_text()) for name in ("label", "name"))
    whole = ("span", {"class": "whole"})  # around a number and what belongs to it
    assert [one for one in page.found if one != whole] == [one for one in usual.found if one != whole]
    assert page.texts["title"] == page.texts["h1"] == [f"Of {printable(label).rstrip()}"]
    assert page.texts["td"][0] == page.texts["th"][1] == in_cell(label)
    assert page.texts["p"] == [f"About {printable(label)}."]


@hostile
def test_latex_shows_the_label_and_obeys_nothing_of_it(tmp_path, label):
    written = read_latex(forms(tmp_path, label)["tex"])
    shown = " ".join(unicodedata.normalize("NFC", printable(label)).split(" ")).replace("'", "\u2019")
    assert written.rows == [
        ["Model", shown, "Note"],
        [shown, "-0.5", "x"],
        ["b", "-", f"{shown} ({shown})"],
    ]
    assert (written.caption, written.note) == (f"Of {shown}", f"About {shown}.")


@hostile
def test_csv_gives_the_label_back_and_no_spreadsheet_computes_it(tmp_path, label):
    with forms(tmp_path, label)["csv"].open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    cell = rows[1][0]
    label = label.replace("\r", "\\r")
    assert text_of_csv(cell) == label
    assert NUMBER.fullmatch(cell) or not re.match(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20].|[\t\r\n]", cell)
    assert (cell == label) == (not FORMULA.match(label) or label == "-0.5")
    assert [row[1:] for row in rows] == [["score", "count"], ["-0.5", "1"], ["2.0", ""]]


@pytest.mark.parametrize("number", ["-0.5", "+0.02", "-1.5 %", "1e-05", "-2e+20", "-"])
def test_numbers_stay_numbers_in_csv(tmp_path, number):
    assert forms(tmp_path, number)["csv"].read_text().splitlines()[1] == f"{number},-0.5,1"


@hostile
def test_a_table_of_the_study_is_read_back_by_its_check(tmp_path, label):
    records = [fake_record(fake_model("m", label=label), method, "d", test="d") for method in ("base", "qlora")]
    evaluated = evaluated_systems(records, [fake_comparisons(records, "d")])
    paths = {form: str(tmp_path / f"table2.{form}") for form in ("csv", "md", "tex")}
    table = table2(evaluated, "rouge_l", read_paper(ROOT / "config/papers/slm-qlora.yaml"))
    write_table2(table, evaluated, "rouge_l", paths)
    name = label.replace("\r", "\\r")
    keys = [("none", "d", name, "base", "rouge_l"), ("d", "d", name, "qlora", "rouge_l")]
    with Path(paths["csv"]).open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["source"] == HERE]
    names = ("data", "test", "model", "method", "metric")
    assert [tuple(text_of_csv(row[name]) for name in names) for row in rows] == keys


def test_tables_by_metric_and_class_have_a_place_for_each_label(tmp_path):
    models = [fake_model(f"m{place}", label=label) for place, label in enumerate(LABELS)]
    scores = {"rouge_l": 0.4, "bleu": 12.0}
    records = [fake_record(model, method, scores=scores) for model in models for method in ("base", "qlora")]
    evaluated = evaluated_systems(records, [fake_comparisons(records)])
    names = [(in_cell(label), method) for label in LABELS for method in ("base", "qlora")]
    metrics, breakdown = ({form: str(tmp_path / f"{name}.{form}") for form in ("csv", "md", "tex")} for name in "ab")
    write_metrics(metrics_table(evaluated), evaluated, metrics)
    assert [tuple(row[:2]) for row in cells_of(metrics["md"])] == [("Model", "Method"), *names]
    write_breakdown(breakdown_table(evaluated, "rouge_l"), evaluated, "rouge_l", breakdown)
    head, *rows = cells_of(breakdown["md"])
    assert head[:4] == ["Class", "Model", "Method", "ROUGE-L"]
    assert [tuple(row[1:4]) for row in rows] == [(*name, "0.40") for name in names] * 3


def cells_of(path):
    """The text of each cell of a document's table."""
    tokens = MarkdownIt("commonmark").enable("table").parse(Path(path).read_text())
    rows = []
    for opening, content in pairwise(tokens):
        if opening.type == "tr_open":
            rows.append([])
        elif opening.type in ("th_open", "td_open"):
            rows[-1].append("".join(part.content for part in content.children))
    return rows
