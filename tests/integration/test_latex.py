"""Every table, set by pdfLaTeX: it fits on the page, and the PDF's text is the table's. Skips where it is missing."""

import random
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from codetune.base.text import printable
from codetune.report.latex import COMMANDS
from codetune.report.rows import evaluated_systems
from codetune.report.signs import LATEX, TIE, escape_latex, fragments
from codetune.report.table2 import table2, write_table2
from every_table import SIGNATURE, TABLES, fake_systems, write_all
from fake_comparisons import fake_comparisons
from fake_records import fake_model, fake_record
from hostile import LABELS
from latex_reader import as_copied, lines_of, needs_latex, read_latex, set_document, set_table, sources, unescape
from paper_study import PAPER

pytestmark = needs_latex

NAMES = [
    "Llama-3.2-1B, miniature",
    "Qwen2.5-3B-Instruct with a long name",
    'A|B <x> & "100 %" \u00b1 _\u4e2d_',
    "x" * 60,
]
OT1, T1 = (), (r"\usepackage{cmap}\usepackage[T1]{fontenc}",)  # cmap: a name for each sign of LaTeX's bitmap fonts
SCORES = {"rouge_l": 0.2654, "rouge_l_on_code": 0.2654, "bleu": 12.34, "bleu_on_code": 12.34}
HEAD = "\n".join(COMMANDS) + "\n"
POINTS = re.compile(r"(Overfull \\[hv]box|Float too large).*")


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return write_all(tmp_path_factory.mktemp("tables"), NAMES)


@pytest.fixture(scope="module", params=[OT1, T1], ids=["OT1", "T1"])
def encoding(request, tmp_path_factory):
    """What loads the encoding. The fonts of T1 are drawn when they are first needed."""
    try:
        set_document(tmp_path_factory.mktemp("fonts"), "x", *request.param)
    except AssertionError as error:
        pytest.skip(f"LaTeX has no fonts of this encoding: {str(error)[-200:]}")
    return request.param


def in_pdf(text):
    """What pdfLaTeX shows of a text, without spaces: lines may end anywhere, and accents stand apart."""
    text = unicodedata.normalize("NFC", printable(text))
    known = "".join(s if s.isascii() or s in LATEX or accented(s) else f"U+{ord(s):04X}" for s in text)
    return squeezed(known.replace("'", "\u2019"))


def accented(sign):
    return unicodedata.normalize("NFD", sign)[0].isascii()


def squeezed(text):
    found = unicodedata.normalize("NFKC", text).replace("\u2010", "-")
    return "".join(found.split())


@pytest.mark.parametrize("name", TABLES)
def test_a_table_fits_the_page_and_the_pdf_has_every_word_of_it(tmp_path, paths, name, encoding):
    path = paths[name]["tex"]
    text, log = set_table(tmp_path, path, *encoding)
    assert POINTS.findall(log) == []
    assert not re.search(r"Missing character|LaTeX Warning: (?!Font|Label|Table widths)", log)
    written, copied = read_latex(path), squeezed(text)
    for row in written.rows:
        for cell in row:
            for part in fragments(cell.replace("\u2019", "'")):
                assert in_pdf(part.replace(TIE, "")) in copied, part
    assert in_pdf(written.caption) in copied


@pytest.mark.parametrize("name", TABLES)
def test_each_cell_is_set_as_what_it_says(tmp_path, paths, name, encoding):
    """One cell per line, so that the PDF tells which is which."""
    latex = Path(paths[name]["tex"]).read_text(encoding="utf-8")
    cells = [cell for lines in lines_of(latex) for line in lines for cell in sources(line)]
    unique = {cell: unescape(cell) for cell in cells}
    assert set_lines(tmp_path, list(unique), encoding) == [in_pdf(one) for one in unique.values()]


def set_lines(folder, sources, encoding):
    """The text of each of these in the PDF, without spaces."""
    body = HEAD + "\n".join(rf"\noindent\hbox{{{one} \textsection}}" + "\n" for one in sources) + "}"
    wide = r"\setlength{\paperwidth}{200in}\pdfpagewidth=200in\setlength{\textwidth}{190in}\tiny"
    text, _ = set_document(folder, wide + body, *encoding)
    return squeezed(re.sub(r"\n\s*\d+\s*\f", "\n", text)).split("\u00a7")[:-1]


def test_every_label_is_set_as_what_it_says(tmp_path, encoding):
    random.seed(1)
    signs = "".join(map(chr, range(33, 127)))
    labels = [one for one in LABELS if one.strip()] + list(signs)
    labels += [
        "Model (qlora) \u2020 1 of 3 \u2021",
        "0.5 \u00b1 0.1 \u00d7 3\u00b0 \u2013 \u2014 \u2264\u2265\u2248\u2192\u2212\u00b7 \u00a3",
    ]
    labels += [
        "\u00e9\u00e0\u00f4\u00f1\u00fc\u00e5\u0161\u00e7\u0151\u0101\u011f\u017c \u00df\u00e6\u00f8\u0153",
        "\u2018a\u2019 \u201cb\u201d",
    ]
    labels += ["".join(random.choice(signs) for _ in range(12)) for _ in range(100)]
    found = set_lines(tmp_path, [escape_latex(label) for label in labels], encoding)
    assert found == [in_pdf(label) for label in labels]


def test_signatures_can_be_copied(tmp_path, paths, encoding):
    for name in ("table2", "metrics"):
        text, _ = set_table(tmp_path, paths[name]["tex"], *encoding)
        assert squeezed(f"[{SIGNATURE}]") in "".join(text.split()), "a ligature is another sign"
        assert "< 0.001" in as_copied(text) or name != "table2"


@pytest.mark.parametrize("options", ["", "a4paper,11pt", "12pt"])
def test_a_list_of_tables_shows_every_title(tmp_path, paths, options):
    """A caption is written to a file and read again."""
    bodies = [rf"\input{{{paths[name]['tex']}}}" for name in TABLES]
    packages = [rf"\usepackage{{{name}}}" for name in ("array", "booktabs", "longtable")]
    text, _ = set_document(tmp_path, "\n".join([r"\listoftables", *bodies]), *packages)
    for name in TABLES:
        assert squeezed(text).count(in_pdf(read_latex(paths[name]["tex"]).caption)) == 2
    numbers = re.findall(r"Table (\d+):", text)
    assert sorted(map(int, numbers)) == list(range(1, len(TABLES) + 1))


def test_table_2_of_the_paper_s_models_is_two_pages_with_its_note(tmp_path):
    """Five models untuned in two templates and tuned, one that is not tuned, what is retrieved and what is quoted."""
    labels = ["Llama-3.2-1B", "Llama-3.2-3B", "Gemma-2-2b-it", "Qwen2.5-1.5B", "Qwen2.5-3B", "Phi-3 Mini 4K"]
    evaluated = fake_systems(labels, seeds=1, tests=["alpaca"])[:-1]
    retrieval = fake_record(fake_model("none", label="Most similar training sample"), "retrieval", scores=SCORES)
    records = [*(record for one in evaluated for record in one.records), retrieval]
    code = f"{SIGNATURE}|code:first fenced block of the text up to the next turn, else that text without a lead-in"
    facts = evaluated[0].comparisons.metrics
    facts["rouge_l_on_code"] = replace(facts["rouge_l_on_code"], signature=f"{code} sentence|extraction:1")
    evaluated = evaluated_systems(records, [fake_comparisons(records, metrics=facts, resamples=10_000)])
    files = {kind: str(tmp_path / f"table2.{kind}") for kind in ("csv", "md", "tex")}
    write_table2(table2(evaluated, "rouge_l", PAPER), evaluated, "rouge_l", files)
    text, log = set_table(tmp_path, files["tex"])
    panel, more = read_latex(files["tex"]).panels
    assert len(panel) == 1 + 5 * 3 + 2 + 1
    assert len(more) == len(panel) + 2  # with those that the paper quotes
    assert POINTS.findall(log) == []
    assert text.count("\f") == 2


MODELS = ["Llama-3.2-1B", "Llama-3.2-3B", "Gemma-2-2b-it", "Qwen2.5-1.5B", "Qwen2.5-3B", "Phi-3 Mini 4K"]
METHODS = ["qlora", "lora", "dora", "ia3", "prompt-tuning", "prefix-tuning", "adalora", "full", "lora-rank-64"]
PAGES = {  # of each table, in a study of so many systems
    5: {"table1": 1, "table2": 2, "pairs": 2, "metrics": 1, "breakdown": 2, "cost": 2, "audit": 7},
    15: {"table1": 2, "table2": 2, "pairs": 3, "metrics": 2, "breakdown": 2, "cost": 2, "audit": 7},
    54: {"table1": 4, "table2": 5, "pairs": 12, "metrics": 4, "breakdown": 6, "cost": 4, "audit": 7},
}


@pytest.mark.parametrize(("systems", "models", "methods", "seeds"), [(5, 5, 1, 1), (15, 5, 3, 3), (54, 6, 9, 3)])
def test_tables_are_a_page_wide_and_take_few_pages(tmp_path, systems, models, methods, seeds):
    """At 5, 15 and 54 tuned systems, of 2,003 test samples."""
    size = {"seeds": seeds, "tests": ["alpaca"], "methods": METHODS[:methods], "samples": 2003}
    pages = {}
    for name, files in write_all(tmp_path, MODELS[:models], **size).items():
        latex = Path(files["tex"]).read_text(encoding="utf-8")
        assert not re.search(r"\\(tiny|scriptsize|resizebox|scalebox)|landscape", latex), name
        text, log = set_table(tmp_path, files["tex"])
        wide = [float(points) for points in re.findall(r"Overfull \\hbox \((.*?)pt too wide\)", log)]
        assert max(wide, default=0) <= 1, name
        assert POINTS.findall(log) == [], name
        pages[name] = text.count("\f")
    assert pages == PAGES[systems]


def test_the_tables_of_a_large_study_with_labels_of_all_kinds_fit_their_pages(tmp_path):
    labels = [label for label in LABELS if label.isprintable()]
    assert len(labels) > 50
    for name, files in write_all(tmp_path, labels, seeds=3).items():
        _, log = set_table(tmp_path, files["tex"])
        assert POINTS.findall(log) == [], name
