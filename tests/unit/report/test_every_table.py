"""Every table in every form: each cell shows the number, and all forms show the same."""

import csv
import itertools
import random
import re
import unicodedata

import pandas as pd
import pytest
from codetune.base.text import printable
from codetune.report.columns import TEXT_WIDTH, choose_layout
from codetune.report.page import to_html
from codetune.report.writing import text_of_csv, write_forms
from every_table import SIGNATURE, TABLES, write_all
from fake_comparisons import METRICS
from hostile import LABELS, Elements
from latex_reader import lines_of, read_latex, sources, unescape
from markdown_reader import read_markdown, rows_of

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
    """LaTeX leaves columns out; what it has is what Markdown has. The audit has a table per subject in Markdown."""
    document, written = read_markdown(paths[name]["md"]), read_latex(paths[name]["tex"])
    if name == "audit":
        shown = [
            {"": subject} | dict(zip(table[0], row, strict=True))
            for subject, table in zip(document.headings[1:], document.tables, strict=True)
            for row in table[1:]
        ]
    else:
        shown = rows_of(paths[name]["md"])
    assert len(written.table) == len(shown)
    for row, of in zip(written.table, shown, strict=True):
        group, names = row.pop("", None), list(of.values())
        assert group in (None, *(in_latex(", ".join(names[:count])) for count in (1, 2)))
        assert row == {in_latex(key): in_latex(of[key]) for key in of if in_latex(key) in row}
        assert len(row) >= min(4, len(of) - 3)
    assert written.caption == in_latex(document.headings[0])
    assert in_latex(document.paragraphs[0]) in written.note
    page = Elements(to_html(open(paths[name]["md"], encoding="utf-8").read()))
    assert page.texts["th"] + page.texts["td"] == [
        *(cell for table in document.tables for cell in table[0]),
        *(cell for table in document.tables for row in table[1:] for cell in row),
    ]
    assert page.texts["p"] == document.paragraphs


@pytest.mark.parametrize("name", [name for name in TABLES if name not in ("table1", "pairs", "audit")])
def test_systems_stand_model_by_model_below_what_they_are_compared_with(paths, name):
    found = [(row.get("test", ""), row.get("class", ""), row["model"]) for row in csv_of(paths[name])]
    groups = [key for key, _ in itertools.groupby(found)]
    assert len(groups) == len(set(groups)), "a model's rows stand in two places"
    for _, rows in itertools.groupby(csv_of(paths[name]), key=lambda row: row["model"]):
        methods = [method for method, _ in itertools.groupby(row["method"] for row in rows if row["method"])]
        assert methods[:3] in ([], ["base", "base-chat", "qlora"])


def columns(paths, name):
    return rows_of(paths[name]["md"])


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
        assert (row["Model"], row["Method"]) == (text_of_csv(of["model"]), of["method"] or "quoted")
        assert (row["Test"], row["Verdict"]) == (of["test"] or "-", of["verdict"] or "-")
        assert agrees(row["ROUGE-L"], of["score"], 2)  # ten samples
        assert agrees(row["Deviation"], of["deviation"], 3)
        coded, _, sign = row["On code"].partition(" ")
        assert agrees(coded, of["score_on_code"], 2)
        assert agrees(row["Gain"], of["gain"], 2)
        assert row["Over"] == (of["gain_over"] or "-")
        assert sign == {"better": "+", "worse": "-"}.get(of["verdict_on_code"], "")
        for name in ("base", "base-chat"):
            assert agrees(row[f"Gain over {name}"], of[f"gain_over_{name}"], 2)
        for name, key in (("95 % interval", "score"), ("95 % interval of the gain", "gain")):
            low, _, high = row[name].partition(" to ")
            assert agrees(low, of[f"{key}_low"], 2)
            assert agrees(high or "-", of[f"{key}_high"], 2)
        assert row["Seeds"] == (of["seeds"] or "-")
        assert row["p (Holm)"] == {"": "-", "0.0004": "< 0.001", "0.04": "0.040", "0.4": "0.400"}[of["p_holm"]]
        assert agrees(row["Paper"], of["paper_score"], 2)
        assert agrees(row["ROUGE-L without 3 leaked"], of["score_without_leaked"], 2)
        assert agrees(row["Cut off (%)"], of["truncated"] and 100 * float(of["truncated"]), 1)
        assert agrees(row["Length"], of["length_ratio"], 2)


def test_every_number_of_the_metrics_is_the_csv_s(paths):
    rows, table = columns(paths, "metrics"), csv_of(paths["metrics"])
    labels = [one.label for one in METRICS.values()]
    names = ("Test", "Model", "Method", "Scored")
    shown = {(*(row[name] for name in names), label): row[label] for row in rows for label in labels}
    assert len(table) == len(shown) == len(labels) * len(rows)
    marks = {"better": " +", "worse": " -", "": "", "undecided": ""}
    for of in table:
        label = of["label"].removesuffix(" on code")
        kind = "as written" if label == of["label"] else "on code"
        cell = shown[of["test"], text_of_csv(of["model"]), of["method"], kind, label]
        assert agrees(cell.rstrip("+- "), of["score"], 2 if label == "ROUGE-L" else 0)
        assert cell[len(cell.rstrip("+- ")) :] == marks[of["verdict"]]


def test_every_number_of_the_breakdown_is_the_csv_s(paths):
    rows, table = columns(paths, "breakdown"), csv_of(paths["breakdown"])
    for row, of in zip(rows, table, strict=True):
        assert (row["Test"], row["Model"], row["Method"]) == (of["test"], text_of_csv(of["model"]), of["method"])
        assert row["Class"].startswith(of["class"])
        assert row["Class"].endswith(f"(n = {of['samples']})")
        for name, key in (("ROUGE-L", "score"), ("Gain", "gain"), ("On code", "score_on_code")):
            assert agrees(row[name], of[key], 2)
        low, _, high = row["95 % interval of the gain"].partition(" to ")
        assert agrees(low, of["gain_low"], 2)
        assert agrees(high or "-", of["gain_high"], 2)


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
        assert f"[{SIGNATURE}]" in read_markdown(paths[name]["md"]).paragraphs[0]
        assert f"[{SIGNATURE}]" in read_latex(paths[name]["tex"]).note


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
    for place, row in enumerate(cells):
        row[0] = f"{place} {text()}"  # what the row is found by in each panel
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
    assert sorted(written.rows[1:]) == sorted([in_latex(cell) for cell in row] for row in expected[1:])
    assert written.rows[0] == [in_latex(name) for name in expected[0]]
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
    layout = choose_layout(rows, [place == 0 for place in range(count)], 1, {"": range(1, count)})
    assert layout.size in ("small", "footnotesize")
    for panel in layout.panels:
        assert panel.width <= TEXT_WIDTH + 0.01
    assert sorted(place for panel in layout.panels for place in panel.widths if place) == list(range(1, count))
    assert all(0 in panel.widths for panel in layout.panels)


def test_a_column_that_does_not_fit_goes_into_the_next_panel():
    rows = [["Name", *"abcdef"], *([["x", *["0.1234 to 0.5678"] * 6]] * 3)]
    layout = choose_layout(rows, [True] + [False] * 6, 1, {"": [1, 2, 3, 4, 5], "More": [6]})
    assert [(panel.title, list(panel.widths)) for panel in layout.panels] == [
        ("", [0, 1, 2, 3, 4]),
        ("More", [0, 5, 6]),
    ]
