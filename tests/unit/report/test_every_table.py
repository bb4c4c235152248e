"""Every table in every form: each cell shows the number, and all forms show the same."""

import csv
import itertools
import random
import re
import unicodedata

import pandas as pd
import pytest
from codetune.base.text import printable
from codetune.report.latex import LANDSCAPE, PORTRAIT, choose_layout
from codetune.report.page import to_html
from codetune.report.writing import text_of_csv, write_forms
from every_table import SIGNATURE, TABLES, write_all
from fake_comparisons import METRICS
from hostile import LABELS, Elements
from latex_reader import lines_of, read_latex, sources, unescape
from markdown_reader import read_markdown

NAMES = ["Llama-3.2-1B", "Qwen2.5-3B, miniature", "A|B <x> & 100 % \u00b1 \u4e2d"]
SIGNS = (
    "ab1 \\{}[]()<>|~^_%$#&*+-=`'\"!?/:;.,@\u00e9\u0142\u00df\u00b1\u00d7\u2013\u2026"
    "\u03bb\u4e2d\U0001f999\u00a0\u05d0\n\t"
)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return write_all(tmp_path_factory.mktemp("tables"), NAMES)


def csv_of(paths):
    with open(paths["csv"], newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def in_latex(text):
    """What LaTeX shows of a text: composed letters, and the apostrophe of print."""
    return unicodedata.normalize("NFC", printable(text)).replace("'", "\u2019")


@pytest.mark.parametrize("name", TABLES)
def test_markdown_latex_and_the_page_have_the_same_cells(paths, name):
    document, written = read_markdown(paths[name]["md"]), read_latex(paths[name]["tex"])
    if name == "audit":  # Markdown has a table per subject, LaTeX a column
        head, *rows = written.rows
        assert {tuple(table[0]) for table in document.tables} == {tuple(head[1:])}
        shown = [row for table in document.tables for row in table[1:]]
        assert [in_latex(heading) for heading in document.headings[1:]] == [
            key for key, _ in itertools.groupby(row[0] for row in rows)
        ]
        assert [[in_latex(cell) for cell in row] for row in shown] == [row[1:] for row in rows]
    else:
        (shown,) = document.tables
        assert [[in_latex(cell) for cell in row] for row in shown] == written.rows
    assert written.caption == in_latex(document.headings[0])
    assert [written.note] == [in_latex(text) for text in document.paragraphs]
    page = Elements(to_html(open(paths[name]["md"], encoding="utf-8").read()))
    assert page.texts["th"] + page.texts["td"] == [
        *(cell for table in document.tables for cell in table[0]),
        *(cell for table in document.tables for row in table[1:] for cell in row),
    ]
    assert page.texts["p"] == document.paragraphs


def columns(paths, name):
    (rows,) = read_markdown(paths[name]["md"]).tables
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def agrees(shown, value, digits):
    """Whether a cell shows the CSV's value, rounded; a dash stands for none."""
    if value in ("", None):
        return shown == "-"
    found = float(shown.replace(",", ""))
    return abs(found - float(value)) <= 0.5 * 10**-digits * (1 + 1e-9) and not re.match(r"[+-]0\.?0*$", shown)


def test_every_number_of_table_2_is_the_csv_s(paths):
    rows, table = columns(paths, "table2"), csv_of(paths["table2"])
    assert len(rows) == len(table) > 12
    for row, of in zip(rows, table, strict=True):
        method = f" ({of['method']})" if of["test"] else " (quoted)"
        assert row["Model"] == text_of_csv(of["model"]) + method
        assert (row["Test"], row["Verdict"]) == (of["test"] or "-", of["verdict"] or "-")
        score, _, deviation = row["ROUGE-L"].partition(" \u00b1 ")
        assert agrees(score, of["score"], 4)
        assert agrees(deviation or "-", of["deviation"], 4)
        coded, _, sign = row["On code"].partition(" ")
        assert agrees(coded, of["score_on_code"], 4)
        assert sign == {"better": "+", "worse": "-"}.get(of["verdict_on_code"], "")
        for name in ("base", "base-chat"):
            assert agrees(row[f"Gain over {name}"], of[f"gain_over_{name}"], 4)
        for name, key in (("95 % interval", "score"), ("95 % interval of the smaller gain", "gain")):
            low, _, high = row[name].partition(" to ")
            assert agrees(low, of[f"{key}_low"], 3)
            assert agrees(high or "-", of[f"{key}_high"], 3)
        assert row["Seeds"] == (of["seeds"] or "-")
        assert row["p (Holm)"] == {"": "-", "0.0004": "< 0.001", "0.04": "0.040", "0.4": "0.400"}[of["p_holm"]]
        assert agrees(row["Paper"], of["paper_score"], 2)
        assert agrees(row["ROUGE-L without 3 leaked"], of["score_without_leaked"], 4)
        assert agrees(row["Cut off (%)"], of["truncated"] and 100 * float(of["truncated"]), 1)
        assert agrees(row["Length"], of["length_ratio"], 2)


def test_every_number_of_the_metrics_is_the_csv_s(paths):
    rows, table = columns(paths, "metrics"), csv_of(paths["metrics"])
    labels = [one.label for one in METRICS.values()]
    shown = {(row["Test"], row["Model"], row["Scored"], label): row[label] for row in rows for label in labels}
    assert len(table) == len(shown) == len(labels) * len(rows)
    marks = {"better": " +", "worse": " -", "": "", "undecided": ""}
    for of in table:
        label = of["label"].removesuffix(" on code")
        kind = "as written" if label == of["label"] else "on code"
        cell = shown[of["test"], f"{text_of_csv(of['model'])} ({of['method']})", kind, label]
        assert agrees(cell.rstrip("+- "), of["score"], 4 if label == "ROUGE-L" else 2)
        assert cell[len(cell.rstrip("+- ")) :] == marks[of["verdict"]]


def test_every_number_of_the_breakdown_is_the_csv_s(paths):
    rows, table = columns(paths, "breakdown"), csv_of(paths["breakdown"])
    shown = {(row["Test"], row["By"], row["Class"]): row for row in rows}
    assert len(table) == len(shown) * (len(rows[0]) - 4)
    for of in table:
        row = shown[of["test"], of["of"], of["class"]]
        assert row["Samples"] == of["samples"]
        assert agrees(row[f"{text_of_csv(of['model'])} ({of['method']})"], of["score"], 2)


def test_every_number_of_table_1_is_the_csv_s(paths):
    rows, table = columns(paths, "table1"), csv_of(paths["table1"])
    assert [row["Model"] for row in rows] == [text_of_csv(of["model"]) for of in table] == NAMES
    names = {"Batch": "batch_size", "Epochs planned": "epochs", "Steps (paper)": "paper_steps"}
    names |= {"Steps, packed": "steps_packed", "Steps, unpacked": "steps_unpacked"}
    for row, of in zip(rows, table, strict=True):
        for name, key in names.items():
            assert row[name].replace(",", "") == (of[key] or "-")
        for name, key in {"Trainable": "trainable", "Trainable, r=16": "trainable_r16"}.items():
            assert agrees(row[name].removesuffix(" M"), of[key] and int(of[key]) / 1e6, 2)


def test_the_csv_has_full_precision_and_whole_numbers(paths):
    for name in TABLES:
        for row in csv_of(paths[name]):
            for key, cell in row.items():
                if key in (
                    "trainable",
                    "steps",
                    "seeds",
                    "samples",
                    "leaked",
                    "unmeasured",
                    "paper_steps",
                ) or key.startswith("trainable_r"):
                    assert re.fullmatch(r"\d*", cell), (name, key)
                elif key in ("score", "gain", "deviation", "score_low", "gain_percent") and cell:
                    assert repr(float(cell)) == cell
    assert "nan" not in "".join(cell for name in TABLES for row in csv_of(paths[name]) for cell in row.values()).lower()


def test_signatures_are_in_the_notes_as_they_are(paths):
    for name in ("table2", "metrics"):
        assert f"ROUGE-L [{SIGNATURE}]" in read_markdown(paths[name]["md"]).paragraphs[0]
        assert f"ROUGE-L [{SIGNATURE}]" in read_latex(paths[name]["tex"]).note


@pytest.mark.parametrize("seed", range(60))
def test_any_text_comes_back_from_every_form(tmp_path, seed):
    """A random table: texts of signs that mean something somewhere, and numbers of all sizes, some of them missing."""
    random.seed(seed)

    def text():
        if random.random() < 0.2:
            return random.choice(LABELS)
        return "".join(random.choice(SIGNS) for _ in range(random.choice((1, 3, 12, 40)))).strip() or "x"

    width, height = random.randint(1, 22), random.randint(0, 6)
    names = [f"{place} {text()}" for place in range(width)]
    cells = [[random.choice((text(), text(), None)) for _ in names] for _ in range(height)]
    shown = pd.DataFrame(cells, columns=names, dtype=object)
    numbers = [random.choice((1, 0.1, 1e-9, -123456.789, 1e22, None)) for _ in range(height)]
    table = pd.DataFrame({"text": [row[0] for row in cells], "number": numbers}, dtype=object)
    title, note = text(), text()
    files = {form: str(tmp_path / f"t.{form}") for form in ("csv", "md", "tex")}
    write_forms(table, shown, title, note, files)
    expected = [[printable(cell or "-") for cell in row] for row in ([*names], *cells)]
    document = read_markdown(files["md"])
    assert [[cell.strip() for cell in row] for row in document.tables[0]] == [
        [cell.strip() for cell in row] for row in expected
    ]
    assert [document.headings[0].strip(), document.paragraphs[0].strip()] == [
        printable(one).strip() for one in (title, note)
    ]
    written = read_latex(files["tex"])
    assert written.rows == [[in_latex(cell) for cell in row] for row in expected]
    assert [written.caption, written.note] == [in_latex(title), in_latex(note)]
    for row, of, number in zip(csv_of(files), cells, numbers, strict=True):
        assert text_of_csv(row["text"]) == (of[0] or "").replace("\r", "\\r")
        assert row["number"] == ("" if number is None else repr(number))


def test_a_row_is_a_line_of_latex_and_cells_are_divided_by_ampersands_alone(paths):
    for name in TABLES:
        for lines in lines_of(open(paths[name]["tex"], encoding="utf-8").read()):
            assert len({len(sources(line)) for line in lines}) == 1
            assert all("\n" not in unescape(cell) for line in lines for cell in sources(line))


@pytest.mark.parametrize("count", [1, 4, 8, 12, 20, 60])
def test_a_layout_is_as_wide_as_the_page_at_most_and_has_each_column_once(count):
    rows = [[f"Column number {place}" for place in range(count)], *([["0.1234 to 0.5678"] * count] * 40)]
    layout = choose_layout(rows, [place == 0 for place in range(count)], "")
    assert layout.width == (PORTRAIT if count <= 4 else LANDSCAPE)
    for panel in layout.panels:
        assert sum(panel.values()) + 6 * (len(panel) - 1) <= layout.width + 0.01
    assert sorted(place for panel in layout.panels for place in panel if place) == list(range(1, count))
    assert all(0 in panel for panel in layout.panels)
