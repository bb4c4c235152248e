"""The paper about a study: two to four pages at any size, the same bytes each time, no number but the study's."""

import math
import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
from codetune.base.errors import StudyError
from codetune.base.files import read_json
from codetune.base.rehearsal import rehearsing
from codetune.base.text import printable
from codetune.report import paper as papers
from codetune.report.article import Article, Part
from codetune.report.findings import read_material
from codetune.report.macros import write_macros
from codetune.report.paper import Origins, make_article, write_paper
from codetune.report.rows import evaluated_systems
from codetune.report.stamp import STAMP
from codetune.report.typeset import MOST_PAGES, set_article, shown
from conftest import ROOT
from every_table import fake_systems
from fake_comparisons import fake_comparisons
from hostile import LABELS
from paper_files import untuned, write_paper_files, write_untuned_files

TEMPLATE = ROOT / "workflow/report/paper.typ"
NAMES = ["Llama-3.2-1B", "Llama-3.2-3B", "Gemma-2-2b-it", "Qwen2.5-1.5B", "Qwen2.5-3B"]
SIZES = {"1": (NAMES[:1], 1), "5": (NAMES, 1), "15": (NAMES, 3), "54": ([f"Model {chr(65 + i)}" for i in range(18)], 3)}
NUMBER = re.compile(r"(?<![\w.-])[+-]?[0-9][0-9,]*(?:\.[0-9]+)?")
needs_pdftotext = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def pages_of(pdf):
    """The text of each page, without spaces and with letters in one form."""
    text = subprocess.run(["pdftotext", "-", "-"], input=pdf, capture_output=True, check=True).stdout.decode()
    return [squeezed(page) for page in text.split("\f")[:-1]]


def squeezed(text):
    text = unicodedata.normalize("NFKC", text)
    return re.sub(r"[\s\u200b\u2010-]", "", text)


def paper_of(files):
    write_paper(files, "rouge_l", ROOT, "results/paper.pdf")
    return Path("results/paper.pdf").read_bytes()


def article_of(files):
    origins = Origins(
        {"title": "t", "version": "1", "references": [REFERENCE]}, {"models": {}, "datasets": DATASETS}, {}
    )
    return make_article(read_material(files, "rouge_l"), files, origins)


REFERENCE = {"title": "A paper: of some", "authors": [{"name": "Somebody"}]}
DATASETS = {"x": {"repo": "x/y"}}


@needs_pdftotext
@pytest.mark.parametrize("size", SIZES)
def test_a_study_of_any_size_is_two_to_four_pages(size):
    labels, seeds = SIZES[size]
    pages = pages_of(paper_of(write_paper_files(labels, seeds=seeds)))
    assert 2 <= len(pages) <= MOST_PAGES
    text = "".join(pages)
    for heading in ("Abstract", "Question", "Results", "Cost", "Thepublishedclaims", "Whatcannotbesaid", "Reference"):
        assert heading in text
    for name in labels[:3]:
        assert squeezed(name) in text


@needs_pdftotext
def test_what_matters_least_is_left_out_of_a_study_that_has_more_than_four_pages():
    labels = [f"A model with quite a long name, the {number}th of its kind" for number in range(25)]
    pages = pages_of(paper_of(write_paper_files(labels, tests=("alpaca", "evol", "other", "more"), seeds=3)))
    assert len(pages) <= MOST_PAGES
    assert squeezed("What cannot be said") in "".join(pages)


def test_the_same_study_gives_the_same_bytes():
    files = write_paper_files(NAMES, seeds=2)
    first = paper_of(files)
    assert first.startswith(b"%PDF")
    assert paper_of(files) == first
    assert not re.search(rb"/CreationDate|/ModDate|<xmp:(Create|Modify)Date>(?!1970)", first)


def test_every_number_of_the_text_is_one_of_numbers_json():
    files = write_paper_files(NAMES, seeds=2)
    write_macros(files, "rouge_l", {"json": "results/numbers.json", "tex": "results/numbers.tex"})
    numbers = [
        one for one in read_json("results/numbers.json")["numbers"].values() if not isinstance(one["value"], str)
    ]
    texts = list(texts_of(article_of(files)))
    found = [number for text in texts for number in NUMBER.findall(without_names(text))]
    assert len(found) > 100
    assert [number for number in found if not is_known(number, numbers)] == []


def texts_of(article):
    """The texts of an article but for claims, whose cells are the audit's, and commits."""
    yield article.abstract
    for part in article.parts:
        yield from (part.text, part.note, *part.items)
        if part.key not in ("failed", "checkpoints"):
            yield from (cell for row in part.rows for cell in row)


def without_names(text):
    for pattern in (
        *map(re.escape, NAMES),
        r"results/\S+",
        r"\[.*?\|.*?\]",
        r"\(F1\|.*?\)",
        r"(Table|Figure) \d+",
        r"Step 0",
        r"\[1\]",
    ):
        text = re.sub(pattern, "", text)
    return text


def is_known(printed, numbers):
    """Whether it is the text of a number, or its value as precisely as it is printed."""
    value, digits = float(printed.replace(",", "")), len(printed.partition(".")[2])
    near = 0.5 * 10**-digits * (1 + 1e-9)
    return any(
        printed == one["text"].split(" ")[0] or math.isclose(abs(value), abs(one["value"]) * scale, abs_tol=near)
        for one in numbers
        for scale in (1, 1e-3, 1e-6)
    )


@needs_pdftotext
def test_labels_are_shown_as_they_are_written():
    labels = [label for label in LABELS if label.strip() and label.isprintable()][:40]
    assert len(labels) > 30
    parts = [
        Part("text", "; ".join(labels)),
        Part("table", "t", head=["Model"], rows=[[one] for one in labels], left=[True]),
    ]
    article = Article("#title * $x$ @y <z>", r"_by_ \ `line`", "= no heading", parts)
    text = "".join(pages_of(set_article(article, TEMPLATE)))
    for label in [*labels, article.title, article.byline, article.abstract]:
        assert squeezed(shown(label)) in text, label


def test_a_sign_that_no_font_has_is_shown_by_its_code_point():
    assert shown("Modell \u4e2d \u00e9 \u03b1 \U0001f600") == "Modell U+4E2D \u00e9 \u03b1 U+1F600"
    assert shown("a\nb\u202e") == printable("a\nb\u202e")
    assert shown("gains of -0.04 to +0.02; model-2.5 and -3b") == "gains of \u22120.04 to +0.02; model-2.5 and -3b"


def test_texts_refer_to_tables_and_figures_that_are_there():
    parts = [
        Part("text", "One.", mentions=["b", "f", "gone"]),
        Part("table", key="a", rank=2),
        Part("table", key="b"),
        Part("figure", key="f"),
    ]
    article = Article("", "", "", parts)
    assert article.with_mentions().parts[0].text == "One. See Table 2 and Figure 1."
    assert article.shorter().with_mentions().parts[0].text == "One. See Table 1 and Figure 1."
    assert article.shorter().highest_rank == 0


def test_a_study_that_tunes_nothing_has_a_paper_too():
    records = untuned(fake_systems(NAMES[:2]))
    files = write_untuned_files(evaluated_systems(records, [fake_comparisons(records)]), ["alpaca"])
    article = article_of(files)
    assert "No model was tuned" in article.abstract
    assert paper_of(files).startswith(b"%PDF")


def test_a_replication_is_called_one_only_on_the_paper_s_models_and_data():
    material = read_material(write_paper_files(NAMES[:1]), "rouge_l")
    own = {"models": {"m0": {"repo": "someone/something"}}, "datasets": {"x": {"repo": "x/y"}}}
    data = {"datasets": {"x": {"repo": "x/y"}}}
    citation = {"references": [REFERENCE]}
    titles = [papers._title(material, Origins(citation, own, config)) for config in (data, {})]
    assert titles == ["A paper: a replication", "A paper: a study with other models or data"]
    part = {"datasets": {"x": {"repo": "x/y", "sample": {"records": 5}}}}
    assert not Origins(citation, own, part).has_its_data


@pytest.mark.parametrize("source", ["#foo(", '#import "nowhere.typ"', "= Title without a number of pages"])
def test_what_typst_cannot_set_is_one_line(tmp_path, source):
    template = tmp_path / "paper.typ"
    template.write_text(source)
    with pytest.raises(StudyError) as error:
        set_article(Article("", "", ""), template)
    assert str(error.value).startswith(f"{template}: Typst cannot set it (")
    assert "\n" not in str(error.value)


def test_a_missing_template_is_one_line(tmp_path):
    with pytest.raises(StudyError, match="Typst cannot set it"):
        set_article(Article("", "", ""), tmp_path / "none.typ")


@pytest.mark.parametrize("svg", ["", "<svg/>", "<svg width='3' height='4'>"])
def test_a_damaged_figure_is_one_line(svg):
    files = write_paper_files(NAMES[:1])
    Path(files["figures"][0]).write_text(svg)
    with pytest.raises(StudyError, match=r"dumbbell\.svg: not what it should be"):
        paper_of(files)


@needs_pdftotext
def test_the_stamp_of_a_rehearsal_is_on_every_page():
    with rehearsing({"rehearsal": True}):
        pages = pages_of(paper_of(write_paper_files(NAMES)))
    assert all(squeezed(STAMP) in page for page in pages)
    assert not any(squeezed(STAMP) in page for page in pages_of(paper_of(write_paper_files(NAMES))))


@needs_pdftotext
def test_a_stamp_is_on_every_page_of_a_long_article():
    article = Article("t", "b", "a", [Part("text", "word " * 3000)], stamp="SYNTHETIC: NO RESULT")
    pages = pages_of(set_article(article, TEMPLATE))
    assert len(pages) > 1
    assert all("SYNTHETIC:NORESULT" in page for page in pages)
