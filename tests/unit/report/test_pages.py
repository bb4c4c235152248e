"""Pages of the report: Markdown that the study writes, shown as HTML; and the document on the runs' provenance."""

import json
import re
import xml.etree.ElementTree as ET

from codetune.report.pages import to_html, write_page
from codetune.report.provenance import write_provenance
from conftest import ROOT

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
    assert page.find("p").text.split() == "A paragraph of two lines.".split()
    assert ["".join(item.itertext()) for item in page.iter("li")] == ["one: x", "two"]
    assert "".join(page.find("pre").itertext()) == "a: <1>\n\n- no item\n"


def test_a_bar_in_a_cell_and_stars_in_paths_stay_text():
    page = parsed(to_html("| a |\n|---|\n| x \\| y |\n| runs/*/b/*/c |\n\nmy_model_1 and **that**"))
    assert ["".join(cell.itertext()) for cell in page.iter("td")] == ["x | y", "runs/*/b/*/c"]
    assert page.find("p").text == "my_model_1 and **that**"


def test_a_page_has_a_title_and_may_load_nothing(tmp_path):
    (tmp_path / "a.md").write_text(MARKDOWN)
    write_page(str(tmp_path / "a.md"), str(ROOT / "workflow/report/page.html"), str(tmp_path / "a.html"))
    page = (tmp_path / "a.html").read_text()
    assert "<title>Title &lt;b&gt; &amp; more</title>" in page
    assert "default-src 'none'" in page
    assert "script-src" not in page
    assert not [word for word in ("TITLE", "BODY", "CONTENT-SECURITY-POLICY") if word in page]


def record(version, checkpoint, **more):
    environment = {"python": "3.11.1", "packages": {"torch": version}, "gpus": [], "processor": "CPU"}
    return {"environment": environment, "checkpoint": checkpoint, "seconds": 90, **more}


def test_provenance_tells_checkpoints_times_and_every_version(tmp_path):
    hub, local = {"repo": "x/y", "revision": "f00", "sha256": "1" * 64}, {"path": "m", "sha256": "2" * 64}
    files = {
        "base.json": record("2.0", hub),
        "tuned.json": record("2.1", hub),
        "other.json": record("2.0", local),
        "training.json": record("2.0", hub, cost={"seconds": 600}),
    }
    for name, value in files.items():
        (tmp_path / name).write_text(json.dumps(value))
    runs = [
        {"dataset": "d", "model": "a", "method": "base", "seed": 0, "tuned": False},
        {"dataset": "d", "model": "a", "method": "qlora", "seed": 0, "tuned": True},
        {"dataset": "d", "model": "b", "method": "base", "seed": 0, "tuned": False},
    ]
    generations = [str(tmp_path / name) for name in ("base.json", "tuned.json", "other.json")]
    target = tmp_path / "provenance.md"
    write_provenance(runs, generations, [str(tmp_path / "training.json")], {"key": "value"}, str(target))
    lines = [re.sub(" +", " ", line) for line in target.read_text().splitlines()]
    assert "| d | a | qlora | 0 | 10.0 | 1.5 | CPU |" in lines
    assert "| d | b | base | 0 | - | 1.5 | CPU |" in lines
    assert f"| a | x/y | f00 | `{'1' * 64}` |" in lines
    assert f"| b | m | - | `{'2' * 64}` |" in lines
    assert "| torch | 2.0, 2.1 |" in lines
    assert lines[-2] == "key: value"
    assert "".join(parsed(to_html(target.read_text())).find("pre").itertext()) == "key: value\n"
