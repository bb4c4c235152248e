"""What a study found as a document and as the first page of the report."""

import re

import pytest
from codetune.report.finding import Material
from codetune.report.rows import evaluated_systems
from codetune.report.summary import FIGURES, summary_of, write_summary
from conftest import ROOT
from fake_comparisons import fake_comparisons, write_fake_comparisons
from fake_records import fake_method, fake_model, fake_record, write_fake

SCORES = {"base": (0.2, 0.3), "qlora": (0.7, 0.6), "dora": (0.28, 0.5)}


def records_of(models=2, methods=("qlora",), label="Mine"):
    found = []
    for place in range(models):
        model = fake_model(f"m{place}", label=f"{label} {'abcdefghij'[place]}")
        for name in ("base", *methods):
            written, coded = SCORES[name]
            scores = {"rouge_l": written, "rouge_l_on_code": coded}
            found.append(fake_record(model, name if name == "base" else fake_method(name), scores=scores))
    return found


def written(records):
    material = Material(evaluated_systems(records, [fake_comparisons(records)]), "rouge_l")
    return "\n".join(summary_of(material))


def tables(text):
    """The cells of each table."""
    found = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


def test_the_first_line_beneath_the_title_is_what_tuning_gained():
    lines = written(records_of()).splitlines()
    assert lines[0] == "# What this study found"
    assert lines[2] == "- Tuning by qlora raised ROUGE-L for 2 of 2 models, by 0.50."


def test_table_2_in_short_has_scores_before_and_after():
    (table,) = tables(written(records_of()))
    gain = ["+0.500 (+0.400 to +0.600)", "better", "+0.300 (+0.200 to +0.400)", "better"]
    assert table[0] == ["Model", "Method", "Untuned", "Tuned", "Gain", "Verdict", "Gain on code", "Verdict on code"]
    assert table[2] == ["Mine a", "qlora", "0.200", "0.700", *gain]


def test_of_many_systems_it_is_a_matrix_of_gains_in_which_undecided_ones_are_in_brackets():
    written_, coded = tables(written(records_of(9, ("qlora", "dora"))))
    assert written_[0] == ["Model", "qlora", "dora"]
    assert written_[2] == ["Mine a", "+0.50", "(+0.08)"]
    assert coded[2] == ["Mine a", "+0.30", "+0.20"]


def test_methods_have_a_line_of_their_own_after_the_answers():
    text = written(records_of(2, ("qlora", "dora")))
    answers, _, methods = text.partition("## By method\n\n")
    assert "By qlora" not in answers
    assert methods.splitlines()[:2] == [
        "- By qlora: raised for 2 of 2 models, by 0.50. On code: raised for 2 of 2 models, by 0.30.",
        "- By dora: undecided for all 2 models, at +0.08. On code: raised for 2 of 2 models, by 0.20.",
    ]
    assert "By method" not in written(records_of())


@pytest.fixture
def page(tmp_path):
    records = records_of(label="<b>*x*</b>")
    (tmp_path / "f.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    inputs = {
        "records": [write_fake(record, tmp_path) for record in records],
        "comparisons": [write_fake_comparisons(fake_comparisons(records), tmp_path)],
        "figures": [str(tmp_path / "f.svg")],
    }
    outputs = {"text": str(tmp_path / "s.md"), "page": str(tmp_path / "s.html")}
    write_summary(inputs, ROOT / "workflow/report/page.html", "rouge_l", outputs)
    first = {name: (tmp_path / f"s.{name}").read_bytes() for name in ("md", "html")}
    write_summary(inputs, ROOT / "workflow/report/page.html", "rouge_l", outputs)
    assert first == {name: (tmp_path / f"s.{name}").read_bytes() for name in ("md", "html")}
    return first["html"].decode()


def test_the_page_holds_its_figures_between_the_marks_that_the_report_looks_for(page):
    """workflow.rst takes what is before and after them, and shows its own copy of the figures."""
    parts = page.split("<main>")[1].split("</main>")[0].split(FIGURES.strip())
    assert len(parts) == 3
    assert ("What it cannot say" in parts[0], "What it cannot say" in parts[2]) == (False, True)
    assert parts[1].count("data:image/svg+xml;base64,") == 1
    rst = (ROOT / "workflow/report/workflow.rst").read_text()
    assert f'split("<main>")[1].split("</main>")[0].split("{FIGURES.strip()}")' in rst


def test_labels_stay_text_in_the_page(page):
    assert "<b>" not in page
    assert "&lt;b&gt;*x*&lt;/b&gt; a" in page
    assert re.search(r"img-src data:", page)
