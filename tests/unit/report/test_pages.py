"""Pages of the report: Markdown that the study writes, shown as HTML; and the document on the runs' provenance."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

from codetune.base.identity import CheckpointIdentity
from codetune.report.page import to_html, write_page
from codetune.report.provenance import write_provenance
from conftest import ROOT
from fake_records import ENVIRONMENT, fake_generation, fake_record

MARKDOWN = """# Title <b> & more

| Model | ROUGE-L |
|:------|--------:|
| a & b | 0.5 |
| `c` | - |

A paragraph
of two lines.

- one: `x`
- two

```yaml
a: <1>

- no item
```
"""


def parsed(text):
    return ET.fromstring(f"<body>{text}</body>")


def test_markdown_becomes_the_same_in_html():
    page = parsed(to_html(MARKDOWN))
    assert [child.tag for child in page] == ["h1", "div", "p", "ul", "pre"]
    assert page.find("h1").text == "Title <b> & more"
    cells = [["".join(cell.itertext()) for cell in row] for row in page.iter("tr")]
    assert cells == [["Model", "ROUGE-L"], ["a & b", "0.5"], ["c", "-"]]
    assert [[cell.get("class") for cell in row] for row in page.iter("tr")] == [[None, "right"]] * 3
    assert [row.get("class") for row in page.iter("tr")] == [None, None, "first"]
    assert page.find("p").text.split() == "A paragraph of two lines.".split()
    assert ["".join(item.itertext()) for item in page.iter("li")] == ["one: x", "two"]
    assert "".join(page.find("pre").itertext()) == "a: <1>\n\n- no item\n"


def test_a_bar_in_a_cell_and_stars_in_paths_stay_text():
    page = parsed(to_html("| a |\n|---|\n| x \\| y |\n| runs/*/b/*/c |\n\nmy_model_1 and **that**"))
    assert ["".join(cell.itertext()) for cell in page.iter("td")] == ["x | y", "runs/*/b/*/c"]
    assert page.find("p").text == "my_model_1 and **that**"


def test_rows_of_one_model_are_a_group_and_numbers_stay_whole():
    rows = ["| Model | Gain |", "|---|---:|", "| a | +0.1 to +0.2 |", "| a | < 0.001 |", "| b | 5 % |", "| b | 1 ± 2 |"]
    page = parsed(to_html("\n".join(rows)))
    assert [row.get("class") for row in page.iter("tr")] == [None, None, None, "first", None]
    assert [row[0].get("class") for row in page.iter("tr")] == [None, None, "again", None, "again"]
    wholes = [span.text for span in page.iter("span")]
    assert wholes == ["+0.1 to +0.2", "< 0.001", "5 %", "1 ± 2"]


def test_a_page_has_a_title_and_may_load_nothing(tmp_path):
    (tmp_path / "a.md").write_text(MARKDOWN)
    write_page(str(tmp_path / "a.md"), str(ROOT / "workflow/report/page.html"), str(tmp_path / "a.html"))
    page = (tmp_path / "a.html").read_text()
    assert "<title>Title &lt;b&gt; &amp; more</title>" in page
    assert "default-src 'none'" in page
    assert re.findall(r"script-src '(.*?)'", page)[0].startswith("sha256-")
    assert not [word for word in ("TITLE", "BODY", "CONTENT-SECURITY-POLICY") if word in page]


def generated(record, checkpoint, version="2.0", gpus=()):
    """The record as if its predictions came from this checkpoint, this version of torch and these GPUs."""
    environment = replace(ENVIRONMENT, packages={"torch": version}, gpus=list(gpus))
    facts = fake_generation(checkpoint=checkpoint, environment=environment, seconds=90.0)
    tests = {name: replace(tested, generation=facts) for name, tested in record.tests.items()}
    return replace(record, tests=tests)


def test_provenance_tells_checkpoints_times_and_every_version(tmp_path):
    hub = CheckpointIdentity("1" * 64, repo="x/y", revision="f00")
    untuned = generated(fake_record("a", "base"), hub)
    tuned = generated(fake_record("a", "qlora", "d"), hub, version="2.1", gpus=["H100"])
    other = generated(fake_record("b", "base"), CheckpointIdentity("2" * 64, path="m"))
    target = tmp_path / "provenance.md"
    write_provenance([untuned, tuned, other], {"key": "value"}, str(target))
    lines = [re.sub(" +", " ", line) for line in target.read_text().splitlines()]
    assert "| d | a | qlora | 0 | 60.0 | 1.5 | H100 |" in lines
    assert "| - | b | base | 0 | - | 1.5 | a CPU |" in lines
    assert f"| a | x/y | f00 | `{'1' * 64}` |" in lines
    assert f"| b | m | - | `{'2' * 64}` |" in lines
    assert "| torch | 2.0, 2.1 |" in lines
    assert lines[-2] == "key: value"
    assert "".join(parsed(to_html(target.read_text())).find("pre").itertext()) == "key: value\n"


def test_a_run_on_two_test_sets_has_the_time_of_both_and_all_its_machines(tmp_path):
    checkpoint = CheckpointIdentity("1" * 64, path="m")
    one = generated(fake_record("a", "base", test="one"), checkpoint)
    two = generated(fake_record("a", "base", test="two"), checkpoint, gpus=["A100", "A100"])
    write_provenance([replace(one, tests=one.tests | two.tests)], {}, str(tmp_path / "provenance.md"))
    lines = [re.sub(" +", " ", line) for line in (tmp_path / "provenance.md").read_text().splitlines()]
    assert "| - | a | base | 0 | - | 3.0 | a CPU; A100, A100 |" in lines
