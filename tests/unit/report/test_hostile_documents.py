"""Labels, paths and names that mean something to figures, pages, cards and captions: each is shown as it is written."""

import html
import os
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, unquote_to_bytes

import matplotlib as mpl
import pytest
import yaml
from browser_study import data_of, make_study
from codetune.base.files import read_json, write_json
from codetune.base.text import printable
from codetune.report.browser import write_browser
from codetune.report.figure import FIGURES
from codetune.report.looks import Looks
from codetune.report.page import to_html
from codetune.report.provenance import write_provenance
from codetune.report.publish import model_card
from codetune.report.rocrate import _file
from codetune.report.sheet import STYLE, save_figure
from codetune.report.shown import show
from codetune.study.model import Source
from codetune.study.publications import Publication, Publications
from codetune.study.records import read_records
from conftest import ROOT
from docutils.core import publish_parts
from fake_comparisons import fake_comparisons
from fake_records import DESCRIBED, fake_model, fake_record
from fake_trainings import written
from hostile import LABELS, Elements, hostile, in_cell
from jinja2 import Environment
from markdown_it import MarkdownIt
from matplotlib.text import Text
from tunings import lora

NUMBER = re.compile(r"[\d.]+")  # as at the ticks of an axis


@pytest.fixture(scope="module")
def hostile_runs(tmp_path_factory):
    """Tuned runs of a model for each label, and their comparisons with the untuned ones."""
    folder = tmp_path_factory.mktemp("runs")
    models = [fake_model(f"m{place}", label=label, family=label) for place, label in enumerate(LABELS)]
    tuned = [fake_record(model, "qlora") for model in models]
    paths = [written(folder, record, place % 5) for place, record in enumerate(tuned)]
    untuned = [fake_record(model, "base", scores={"rouge_l": 0.4}) for model in models]
    return read_records(paths), untuned, fake_comparisons([*tuned, *untuned])


def shows(text, label):
    """Whether a text has a label, or as much of a long one as there is room for."""
    return label in text or (text.endswith("…") and label.startswith(text[:-1]))


@pytest.mark.filterwarnings("ignore:Glyph .* missing", "ignore:.*Matplotlib currently does not support .* natively")
@pytest.mark.parametrize("start", range(0, len(LABELS), 8))
@pytest.mark.parametrize("name", FIGURES)
def test_figures_show_labels_as_they_are_written(tmp_path, hostile_runs, name, start):
    records, untuned, comparisons = hostile_runs
    some, labels = records[start : start + 8], LABELS[start : start + 8]
    study = [*untuned[start : start + 8], *some]
    for place, shown in enumerate(show(name, study, [comparisons], "rouge_l").values()):
        with mpl.rc_context(STYLE):
            figure = FIGURES[name](shown)
            save_figure(figure, {"svg": str(tmp_path / f"{place}.svg")})
        texts = [text for text in figure.findobj(Text) if text.get_text()]
        words = [text.get_text().replace("\n", "") for text in texts]
        own = [label for label, one in zip(labels, some, strict=True) if one.run.system in shown.systems]
        assert [label for label in map(printable, own) if not any(shows(text, label) for text in words)] == []
        assert not any(text.get_parse_math() for text in texts)
        assert min(axis.bbox.width for axis in figure.axes) > 40
        for text in texts:
            # Ticks beyond an axis are texts, too, though nothing draws them.
            if not NUMBER.fullmatch(text.get_text()) and any(label in text.get_text() for label in own):
                box = text.get_window_extent()
                assert -1 <= box.x0 <= box.x1 <= figure.bbox.width + 1
                assert -1 <= box.y0 <= box.y1 <= figure.bbox.height + 1
        kinds = {element.tag.rpartition("}")[2] for element in ET.parse(tmp_path / f"{place}.svg").getroot().iter()}
        assert not kinds & {"script", "image", "a", "foreignObject", "text"}


def test_no_two_labels_look_the_same_in_figures(hostile_runs):
    looks = Looks.of_study(hostile_runs[0])
    assert len({looks.name(system) for system in looks.systems}) == len(LABELS)


@hostile
def test_the_sample_browser_gets_labels_and_texts_as_they_are(tmp_path, label):
    runs = [fake_record(fake_model("a", label=label), method, "d", test="d") for method in ("base", "qlora")]
    write_browser(**make_study(tmp_path, [label], runs))
    text = (tmp_path / "page.html").read_text()
    page, data = Elements(text), data_of(text)
    assert data["models"][0]["label"] == label
    assert data["models"][0]["runs"][0]["texts"] == [label]
    assert [tag for tag, _ in page.found].count("script") == 2 + 1 + 2 + 1
    assert not [tag for tag, _ in page.found if tag == "img"]


@hostile
def test_a_model_card_has_the_metadata_and_the_structure_of_any_other(label):
    record = fake_record("a", "qlora", "d", test="d")

    def card(text, **source):
        plan = record.training.plan
        training = replace(
            record.training, plan=replace(plan, tuning=lora(target_modules=[text, "q"]), source=Source(**source))
        )
        record_of = replace(record, training=training)
        known = Publications(Publication(license=text), {"d": Publication(f"x/{text}", text, text)}, ["d"])
        return model_card(record_of, training, "rouge_l", known, DESCRIBED).removeprefix("---\n")

    def parsed(text):
        tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
        return [
            (token.type, [part.type for part in token.children or [] if part.type != "softbreak"]) for token in tokens
        ]

    front, _, body = card(label, repo=f"x/{label}").partition("\n---\n")
    assert yaml.safe_load(front)["base_model"] == f"x/{label}"
    head = "library_name pipeline_tag tags base_model base_model_relation datasets license license_name model-index"
    assert list(yaml.safe_load(front)) == head.split()
    (result,) = yaml.safe_load(front)["model-index"][0]["results"]
    assert (result["dataset"]["type"], result["dataset"]["revision"]) == (f"x/{label}", label)
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
    kept_whole = ("span", {"class": "whole"})  # a number with its unit, such as 100 %
    assert [one for one in page.found if one != kept_whole] == [one for one in usual.found if one != kept_whole]
    assert page.texts["td"][6] == page.texts["td"][8] == in_cell(label)
    assert yaml.safe_load(page.texts["code"][-1]) == document(label)[1]


PATHS = ["results/a", 'it\'s "odd" & ``x`` 100 % $`/`a', "a\\b`_ *c* |d|", "a_/b_", ":role:`x`", "a``", "``a"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("caption", ["figure", "page", "samples"])
def test_captions_of_the_report_show_paths_and_names(path, caption):
    job = SimpleNamespace(
        wildcards=SimpleNamespace(test="a._b_.c_", page="table1"),
        params=SimpleNamespace(caption="What is shown."),
        input=SimpleNamespace(document=path, samples=path, records=[path], comparisons=[path]),
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
    path = Path(folder, "report/pages/table2.html")
    study = SimpleNamespace(config={"rehearsal": False})
    text = rendered("workflow", snakemake=study, files=[SimpleNamespace(target=path.name, path=path)], categories={})
    shown = publish_parts(text, writer="html")["html_body"]
    (script,) = [unquote(html.unescape(link)) for link in re.findall('href="javascript:([^"]*)"', shown)]
    (quoted,) = re.fullmatch(r"app\.showResultInfo\(decodeURIComponent\('([\w.%/-]*)'\)\)", script).groups()
    assert unquote(quoted) == str(path)


@pytest.mark.parametrize(
    "name", ["a b.yaml", "100%.yaml", "#1?.yaml", "c:d.yaml", "\u00fc\u4e2d.yaml", "half \udcff.yaml"]
)
def test_a_file_of_the_crate_has_a_uri_whatever_its_name(tmp_path, name):
    path = tmp_path / "config" / name
    path.parent.mkdir()
    path.write_text("x")
    (described,) = [_file(one, tmp_path) for one in path.parent.iterdir()]
    assert re.fullmatch(r"config/[\w.%-]+", described["@id"], re.ASCII)
    assert os.fsencode(tmp_path) + b"/" + unquote_to_bytes(described["@id"]) == os.fsencode(path)
    write_json(tmp_path / "crate.json", described)
    assert read_json(tmp_path / "crate.json") == described
