"""Labels, paths and names that mean something to a format: each is shown as it is written, and nothing obeys it."""

import csv
import html
import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import pandas as pd
import pytest
import yaml
from browser_study import make_study
from codetune.base.errors import StudyError
from codetune.base.files import read_json, write_json
from codetune.base.text import markdown, markdown_code, printable
from codetune.papers.declared import read_paper
from codetune.report.breakdown import breakdown_table, write_breakdown
from codetune.report.browser import write_browser
from codetune.report.checking import _read_table2
from codetune.report.figure import FIGURES, Shown
from codetune.report.metrics import metrics_table, write_metrics
from codetune.report.page import to_html, write_page
from codetune.report.provenance import write_provenance
from codetune.report.publish import model_card
from codetune.report.rows import evaluated_systems
from codetune.report.style import STYLE, names_of, save_figure
from codetune.report.table2 import table2, write_table2
from codetune.report.writing import FORMULA, NUMBER, escape_latex, text_of_csv, write_forms
from codetune.study.model import Source
from codetune.study.record import read_records
from conftest import ROOT
from docutils.core import publish_parts
from fake_comparisons import fake_comparisons
from fake_records import fake_model, fake_record
from fake_trainings import written
from hostile import IDS, LABELS
from jinja2 import Environment
from markdown_it import MarkdownIt

PAGE = str(ROOT / "workflow/report/page.html")
hostile = pytest.mark.parametrize("label", LABELS, ids=IDS)


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text of each kind."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open, self.texts = [], [], {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in ("meta", "link", "input", "br"):
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def handle_comment(self, data):
        raise AssertionError(data)

    handle_decl_of_text = unknown_decl = handle_pi = handle_comment


def forms(folder, label):
    """A table with the label in a cell, in a head, in the title and in the note."""
    table = pd.DataFrame({"model": [label, "b"], "score": [-0.5, 2.0], "count": pd.array([1, None], dtype="Int64")})
    shown = pd.DataFrame({"Model": [label, "b"], label: ["-0.5", None], "Note": ["x", f"{label} ({label})"]})
    paths = {form: folder / f"table.{form}" for form in ("csv", "md", "tex")}
    write_forms(table, shown, f"Of {label}", f"About {label}.", {form: str(path) for form, path in paths.items()})
    return paths


def in_cell(label):
    """What a cell shows of a label: space at its ends is none of Markdown's."""
    return printable(label).strip()


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
    assert page.found == usual.found
    assert page.texts["title"] == page.texts["h1"] == [f"Of {printable(label).rstrip()}"]
    assert page.texts["td"][0] == page.texts["th"][1] == in_cell(label)
    assert page.texts["p"] == [f"About {printable(label)}."]


SHOWN_BY_LATEX = {
    r"\textbackslash{}": "\\",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"\textasciigrave{}": "`",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
    "{[}": "[",
    "{*}": "*",
    "{}": "",
    **{f"\\{sign}": sign for sign in "&%$#_{}"},
}


@hostile
def test_latex_shows_the_label_and_obeys_nothing_of_it(tmp_path, label):
    pattern = "|".join(map(re.escape, SHOWN_BY_LATEX))
    latex = escape_latex(label)
    assert re.sub(pattern, lambda found: SHOWN_BY_LATEX[found[0]], latex) == printable(label)
    rest = re.sub(pattern, "", latex)
    assert not set(rest) & set("\\{}$&#^_%~<>|`\n")
    assert "--" not in latex
    assert "''" not in latex
    lines = forms(tmp_path, label)["tex"].read_text().splitlines()
    rows = [line for line in lines if line.endswith(r" \\")]
    assert [len(re.findall(r"(?<!\\)&", row)) for row in rows] == [2, 2, 2]
    assert not [row for row in rows if row.lstrip().startswith(("[", "*"))]


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
    table = table2(evaluated, "rouge_l", read_paper(ROOT / "config/paper.yaml"))
    write_table2(table, evaluated, "rouge_l", paths)
    name = label.replace("\r", "\\r")
    keys = [("none", "d", name, "base", "rouge_l"), ("d", "d", name, "qlora", "rouge_l")]
    assert list(_read_table2(Path(paths["csv"]))) == keys


def test_tables_by_metric_and_class_have_a_place_for_each_label(tmp_path):
    models = [fake_model(f"m{place}", label=label) for place, label in enumerate(LABELS)]
    scores = {"rouge_l": 0.4, "bleu": 12.0}
    records = [fake_record(model, method, scores=scores) for model in models for method in ("base", "qlora")]
    evaluated = evaluated_systems(records, [fake_comparisons(records)])
    titles = [in_cell(f"{label} ({method})") for label in LABELS for method in ("base", "qlora")]
    metrics, breakdown = ({form: str(tmp_path / f"{name}.{form}") for form in ("csv", "md", "tex")} for name in "ab")
    write_metrics(metrics_table(evaluated), evaluated, metrics)
    assert [row[0] for row in cells_of(metrics["md"])] == ["Model", *titles]
    write_breakdown(breakdown_table(evaluated, "rouge_l"), evaluated, "rouge_l", breakdown)
    rows = cells_of(breakdown["md"])
    assert rows[0] == ["By", "Class", "Samples", *titles]
    assert {tuple(row[3:]) for row in rows[1:]} == {("0.4000",) * len(titles)}


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


@pytest.fixture(scope="module")
def hostile_runs(tmp_path_factory):
    """Tuned runs of a model for each label, and their comparisons with the untuned ones."""
    folder = tmp_path_factory.mktemp("runs")
    models = [fake_model(f"m{place}", label=label, family=label) for place, label in enumerate(LABELS)]
    tuned = [fake_record(model, "qlora") for model in models]
    paths = [written(folder, record, place % 5) for place, record in enumerate(tuned)]
    untuned = [fake_record(model, "base", scores={"rouge_l": 0.4}) for model in models]
    return read_records(paths), fake_comparisons([*tuned, *untuned])


@pytest.mark.filterwarnings("ignore:Glyph .* missing", "ignore:.*Matplotlib currently does not support .* natively")
@pytest.mark.parametrize("start", range(0, len(LABELS), 8))
@pytest.mark.parametrize("name", FIGURES)
def test_figures_show_labels_as_they_are_written(tmp_path, hostile_runs, name, start):
    records, comparisons = hostile_runs
    some, labels = records[start : start + 8], LABELS[start : start + 8]
    with mpl.rc_context(STYLE):
        figure = FIGURES[name](Shown(some, [comparisons], "rouge_l"))
        save_figure(figure, {"svg": str(tmp_path / "figure.svg")})
    with_names = figure.axes[0].get_yticklabels() if name in ("figure1", "forest") else figure.legends[0].get_texts()
    shown = [text.get_text() for text in with_names]
    assert [text.replace("\n", "") for text in shown[: len(labels)]] == [printable(label) for label in labels]
    assert not any(text.get_parse_math() for text in with_names)
    boxes = [text.get_window_extent() for text in with_names]
    assert min(box.x0 for box in boxes) >= -1
    assert max(box.x1 for box in boxes) <= figure.bbox.width + 1
    assert max(box.y1 for box in boxes) <= figure.bbox.height + 1
    assert min(box.y0 for box in boxes) >= -1
    assert min(axis.bbox.width for axis in figure.axes) > 40
    drawing = ET.parse(tmp_path / "figure.svg").getroot()
    kinds = {element.tag.rpartition("}")[2] for element in drawing.iter()}
    assert not kinds & {"script", "image", "a", "foreignObject", "text"}


def test_no_two_labels_look_the_same_in_figures(hostile_runs):
    assert len(set(names_of(hostile_runs[0]))) == len(LABELS)


@hostile
def test_the_sample_browser_gets_labels_and_texts_as_they_are(tmp_path, label):
    runs = [fake_record(fake_model("a", label=label), method, "d", test="d") for method in ("base", "qlora")]
    write_browser(**make_study(tmp_path, [label], runs))
    page = Elements((tmp_path / "page.html").read_text())
    data = json.loads(next(text for text in page.texts["script"] if text.startswith("{")))
    assert data["models"][0]["label"] == label
    assert data["models"][0]["runs"][0]["texts"] == [label]
    assert [tag for tag, _ in page.found].count("script") == 2
    assert not [tag for tag, _ in page.found if tag == "img"]


@hostile
def test_a_model_card_has_the_metadata_and_the_structure_of_any_other(label):
    record = fake_record("a", "qlora", "d", test="d")

    def card(text, **source):
        plan = record.training.plan
        lora = replace(plan.lora, target_modules=[text, "q"])
        training = replace(record.training, plan=replace(plan, lora=lora, source=Source(**source)))
        return model_card(replace(record, training=training), training, "rouge_l").removeprefix("---\n")

    def parsed(text):
        tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
        return [
            (token.type, [part.type for part in token.children or [] if part.type != "softbreak"]) for token in tokens
        ]

    front, _, body = card(label, repo=f"x/{label}").partition("\n---\n")
    assert yaml.safe_load(front)["base_model"] == f"x/{label}"
    assert list(yaml.safe_load(front)) == ["library_name", "pipeline_tag", "tags", "base_model"]
    usual = card("name", repo="x/name").partition("\n---\n")[2]
    assert parsed(body) == parsed(usual)
    body = card(label, path=label.replace("/", "-")).partition("\n---\n")[2]
    assert parsed(body) == parsed(usual)


@hostile
def test_provenance_keeps_its_structure(tmp_path, label):
    record = fake_record("a", "qlora", "d", test="d")

    def document(text):
        tested = record.tests["d"]
        environment = replace(tested.generation.environment, gpus=[text], packages={"torch": text})
        checkpoint = replace(tested.generation.checkpoint, repo=None, path=text)
        generation = replace(tested.generation, environment=environment, checkpoint=checkpoint)
        of_test = {"d": replace(tested, generation=generation)}
        config = {"datasets": {"d": {"license": text, "path": f"x\n{text}\ny"}}}
        write_provenance([replace(record, tests=of_test)], config, str(tmp_path / "provenance.md"))
        return (tmp_path / "provenance.md").read_text(), config

    page, usual = Elements(to_html(document(label)[0])), Elements(to_html(document("name")[0]))
    assert page.found == usual.found
    assert page.texts["td"][6] == page.texts["td"][8] == in_cell(label)
    assert yaml.safe_load(page.texts["code"][-1]) == document(label)[1]


PATHS = ["results/a", 'it\'s "odd" & ``x`` 100 % $`/`a', "a\\b`_ *c* |d|", "a_/b_", ":role:`x`", "a``", "``a"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("caption", ["figure", "page", "samples"])
def test_captions_of_the_report_show_paths_and_names(path, caption):
    job = SimpleNamespace(
        wildcards=SimpleNamespace(test="a._b_.c_", page="table1"),
        params=SimpleNamespace(caption="What is shown."),
        input=SimpleNamespace(document=path, samples=path, records=[path]),
        output=[path],
    )
    shown = publish_parts(rendered(caption, snakemake=job), writer="html")["body"]
    assert "system-message" not in shown
    text = html.unescape(re.sub("<[^>]*>", "", shown))
    assert path in text
    assert caption != "samples" or "All a._b_.c_ test samples" in text


def rendered(name, **values):
    """A caption as Snakemake renders it."""
    template = (ROOT / f"workflow/report/{name}.rst").read_text()
    return Environment(trim_blocks=True, lstrip_blocks=True).from_string(template).render(**values)


@pytest.mark.parametrize("folder", ["results", 'it\'s "odd" 100 %', "a\\'); alert(1); ('"])
def test_links_of_the_report_s_first_page_name_the_path_in_any_folder(folder):
    """A browser decodes the address once, and then runs it as JavaScript."""
    from urllib.parse import unquote

    path = Path(folder, "report/pages/table2.html")
    text = rendered("workflow", files=[SimpleNamespace(target=path.name, path=path)], categories={})
    shown = publish_parts(text, writer="html")["html_body"]
    (script,) = [unquote(html.unescape(link)) for link in re.findall('href="javascript:([^"]*)"', shown)]
    (quoted,) = re.fullmatch(r"app\.showResultInfo\(decodeURIComponent\('([\w.%/-]*)'\)\)", script).groups()
    assert unquote(quoted) == str(path)


@hostile
def test_messages_are_one_line_that_a_terminal_only_shows(label):
    message = str(StudyError(f"config: models.m.label: {label}"))
    assert len(message.splitlines()) == 1
    assert not [sign for sign in message if unicodedata.category(sign) in ("Cc", "Cs") or sign in "\u202e\u2066"]


def test_half_a_surrogate_pair_is_written_as_json_writes_it(tmp_path):
    write_json(tmp_path / "a.json", {"half": "\ud800"})
    assert read_json(tmp_path / "a.json") == {"half": "\ud800"}
    assert str(StudyError("half \ud800")) == "half \\ud800"


@pytest.mark.parametrize("text", ["a", "`", "``a`b```", " a ", "", "a\nb"])
def test_code_spans_show_their_text(text):
    (paragraph,) = [one for one in MarkdownIt("commonmark").parse(f"x {markdown_code(text)} y") if one.type == "inline"]
    assert [part.type for part in paragraph.children] == ["text", "code_inline", "text"]
    assert paragraph.children[1].content.strip() == printable(text).strip()


@pytest.mark.parametrize(
    "text", ["Llama-3.2-1B, miniature", "Phi-3 Mini 4K", "a_b (qlora)", "p < 0.001 [F1|x:y]", "R&D"]
)
def test_plain_text_is_its_own_markdown(text):
    assert markdown(text) == text
