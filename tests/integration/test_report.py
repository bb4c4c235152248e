"""The report and the sample browser, opened from disk in a real browser: they work, and ask for nothing."""

import json
import shutil
import subprocess

import pytest
from browser_study import make_study, run
from codetune.report.browser import write_browser
from codetune.report.page import write_page
from conftest import ROOT
from every_table import TABLES, write_all
from small_study import BIN, LOCAL, snakemake
from webdriver import browser, missing

NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
COUNT = 60
SHOWN = "return document.querySelectorAll('article').length"
FIRST = "return document.querySelector('article h2').textContent"
CHOOSE = """
const control = document.getElementById(arguments[0]);
control.value = [...control.options].find(option => option.textContent.startsWith(arguments[1])).value;
control.dispatchEvent(new Event("change"));
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    if missing():
        pytest.skip(f"no browser: {', '.join(missing())} not installed (apt-get install chromium chromium-driver)")
    with browser(tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """A page of 60 samples and three runs. Gains grow with the id; sample 0 is hostile, 10 truncated, 20 empty."""
    folder = tmp_path_factory.mktemp("samples")
    texts = [NASTY, "x = 1 or 7", "", *(f"print({i})" for i in range(3, COUNT))]
    scores = [[0.2] * COUNT, [i / COUNT for i in range(COUNT)], [0.5] * COUNT]
    study = make_study(folder, texts, [run("a", "base"), run("a", "qlora"), run("b", "base")], scores)
    write_browser(**study)
    return folder / "page.html"


@pytest.fixture
def page(chromium, samples):
    """The sample browser, opened; at the end nothing may have gone wrong."""
    chromium.open(samples)
    yield chromium
    assert chromium.problems() == []


def test_samples_come_by_the_page(page):
    assert page.run(SHOWN) == 25
    assert page.run("return document.getElementById('count').textContent") == f"1 to 25 of {COUNT} samples"
    page.run("document.getElementById('next').click(); document.getElementById('next').click()")
    assert (page.run(SHOWN), page.run(FIRST)) == (COUNT - 50, "Sample 500")
    assert page.run("return document.getElementById('next').disabled")
    page.press("#previous", "\ue007")  # Enter
    assert page.run(FIRST) == "Sample 250"
    page.run(CHOOSE, "page", "page 1")
    assert page.run(FIRST) == "Sample 0"


@pytest.mark.parametrize(
    ("order", "model", "first"),
    [
        ("gain, largest", "Model A", 590),
        ("gain, smallest", "Model A", 0),
        ("score, highest", "Model A", 590),
        ("score, lowest", "Model A", 0),
        ("gain, largest", "all models", 590),
        ("score, highest", "Model <b>", 0),  # all the same: in the order of their ids
    ],
)
def test_samples_are_sorted(page, order, model, first):
    page.run(CHOOSE, "model", model)
    page.run(CHOOSE, "order", order)
    assert page.run(FIRST) == f"Sample {first}"


def test_samples_are_filtered_by_text_and_language(page):
    page.press("#text", "print(42)")
    page.wait_for("return document.querySelectorAll('article').length === 1")
    assert page.run(FIRST) == "Sample 420"
    page.press("#text", " and nothing else")
    page.wait_for("return document.getElementById('count').textContent === 'No sample is like that.'")
    page.run("document.getElementById('text').value = ''")
    page.run(CHOOSE, "language", f"Python ({COUNT})")
    assert page.run(SHOWN) == 25


def test_outputs_stand_beside_each_other_with_their_scores_and_flags(page):
    headings = "document.querySelectorAll('article')[arguments[0]].querySelectorAll('.texts h3')"
    titles = f"return [...{headings}].map(heading => heading.textContent)"
    assert page.run(titles, 1) == ["Reference", "Untuned (base) 0.200truncated", "Tuned (qlora) 0.017truncated"]
    assert page.run(titles, 2) == ["Reference", "Untuned (base) 0.200empty", "Tuned (qlora) 0.033empty"]
    page.run(CHOOSE, "model", "Model <b>")
    assert page.run(titles, 3) == ["Reference", "Untuned (base) 0.500"]


def test_scores_have_the_scale_of_their_metric_and_a_dash_where_it_does_not_apply(chromium, tmp_path):
    study = make_study(tmp_path, ["x", "y"], [run("a", "base"), run("a", "qlora")], [[40.0, None], [56.78, 12.0]])
    write_browser(**study | {"metric": "bleu"})
    chromium.open(tmp_path / "page.html")
    first = "return document.getElementById('metric').selectedOptions[0].textContent"
    assert chromium.run(first) == "BLEU (0 to 100)"
    about = "return [...document.querySelectorAll('article .of-sample .score')].map(one => one.textContent)"
    assert chromium.run(about) == ["Python · score 56.8 · gain +16.8", "Python · score 12.0"]
    titles = "return [...document.querySelectorAll('article:last-child h3 .score')].map(one => one.textContent)"
    assert chromium.run(titles) == ["\u2013", "12.0"]
    assert chromium.problems() == []


def test_numbers_have_a_sign_unless_they_round_to_zero(page):
    shown = page.run("return [-0.0001, 0.0001, 0, -0.0006, 0.0006, -1, NaN].map(value => number(value, true))")
    assert shown == ["0.000", "0.000", "0.000", "-0.001", "+0.001", "-1.000", "\u2013"]
    assert page.run("return [0.25, 0, 1].map(value => number(value))") == ["0.250", "0.000", "1.000"]


def test_words_that_the_reference_does_not_have_are_marked(page):
    second = "document.querySelectorAll('article')[1].querySelectorAll('.texts > div')[2]"
    assert page.run(f"return {second}.querySelector('pre').textContent") == "x = 1 or 7"
    assert page.run(f"return [...{second}.querySelectorAll('mark')].map(mark => mark.textContent)") == ["or", "7"]
    assert page.run(f"return {second}.querySelector('.note').textContent").startswith("all words")
    last = "document.querySelectorAll('article')[4].querySelectorAll('.texts > div')[2]"
    assert page.run(f"return {last}.querySelector('.note').textContent") == "1 words of the reference missing: x"


MARKED = "return [...document.querySelectorAll('article:nth-of-type(1) mark')].map(mark => mark.textContent)"
NOTES = "return [...document.querySelectorAll('article:nth-of-type(1) .note')].map(note => note.textContent)"
EXPLAINED = "return document.getElementById('marks').textContent"


def test_marks_are_of_the_metric_that_is_shown(chromium, tmp_path):
    """The reference is `x = 0`: in words `X=0` and `x-0` are the same, in tokens they are not."""
    study = make_study(tmp_path, ["X - 0 + _é1"], [run("a", "base")], [[0.5]])
    write_browser(**study | {"metric": "bleu"})
    chromium.open(tmp_path / "page.html")
    assert (chromium.run(MARKED), chromium.run(NOTES)) == ([], [])
    assert chromium.run(EXPLAINED).startswith("BLEU has no marks. Choose ROUGE-L or Code ROUGE-L")
    chromium.run(CHOOSE, "metric", "ROUGE-L")
    assert (chromium.run(MARKED), chromium.run(NOTES)) == (["1"], ["all words of the reference, in its order"])
    assert chromium.run(EXPLAINED).endswith("do not count for ROUGE-L.")
    chromium.run(CHOOSE, "metric", "Code ROUGE-L")
    assert chromium.run(MARKED) == ["X", "-", "+", "_é1"]
    assert chromium.run(NOTES) == ["2 tokens of the reference missing: x ="]
    assert chromium.run(EXPLAINED).endswith("do not count for Code ROUGE-L.")
    assert chromium.problems() == []


def test_all_models_are_folded_up_and_open_by_key(page):
    page.run(CHOOSE, "model", "all models")
    assert page.run("return document.querySelectorAll('article:first-child details').length") == 2
    assert page.run("return document.querySelectorAll('article mark').length") == 0
    page.press("article:first-child summary", "\ue007")
    page.wait_for("return document.querySelectorAll('article:first-child details:first-of-type pre').length === 2")


def test_a_script_in_an_output_stays_text(page):
    assert page.run("return document.querySelectorAll('article')[0].querySelectorAll('pre')[1].textContent") == NASTY
    assert page.run("return document.querySelectorAll('img').length") == 0
    assert page.run("return document.scripts.length") == 2
    assert not page.alert()


def test_the_page_s_policy_turns_markup_down(page):
    with pytest.raises(RuntimeError, match="TrustedHTML"):
        page.run("document.body.innerHTML = '<b>x</b>'")
    assert "TrustedHTML" in page.problems()[0]


@pytest.mark.parametrize("width", [500, 800, 1280])
def test_nothing_is_wider_than_the_window(page, width):
    page.resize(width, 1000)
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Pages of all tables of 54 tuned systems, by name."""
    folder = tmp_path_factory.mktemp("tables")
    methods = [f"method-{number}" for number in range(9)]
    models = [f"Model-{number}-of-some-length" for number in range(6)]
    size = {"seeds": 3, "tests": ["alpaca"], "methods": methods, "samples": 2003}
    for name, files in write_all(folder, models, **size).items():
        write_page(files["md"], str(ROOT / "workflow/report/page.html"), str(folder / f"{name}.html"))
    return {name: folder / f"{name}.html" for name in TABLES}


PLACES = """return [...document.querySelector("table").tHead.rows[0].cells].map(head =>
    [head.textContent.trim(), head.getBoundingClientRect().right])"""
COLUMN = """return [...document.querySelector("table").tBodies[0].rows].filter(row => !row.hidden)
    .map(row => row.cells[arguments[0]].textContent)"""
SORTED = "return [...document.querySelectorAll('table:first-of-type th')].map(head => head.getAttribute('aria-sort'))"


def test_the_conclusion_is_in_the_first_screen(chromium, tables):
    """Score, gain, its interval and the verdict, without scrolling to the side, in a window of 1,280 by 800."""
    chromium.resize(1280, 800)
    for name in ("table2", "pairs", "breakdown"):
        chromium.open(tables[name])
        places = dict(chromium.run(PLACES))
        wanted = {name for name in places if name in ("Gain", "Difference", "Verdict") or "interval" in name}
        wanted -= {"95 % interval of the gain on code"}
        assert len(wanted) >= 3
        assert max(places[name] for name in wanted) <= 1280, name
        assert chromium.run("return document.querySelector('tbody tr').getBoundingClientRect().bottom") < 400
        assert chromium.problems() == []


@pytest.mark.parametrize("width", [500, 1280])
def test_the_head_and_the_names_of_rows_stay_in_sight(chromium, tables, width):
    chromium.resize(width, 800)
    chromium.open(tables["table2"])
    chromium.run("scrollTo(300, 500)")
    cells = "const [head, , row] = document.querySelector('table').rows"
    assert chromium.run(f"{cells}; return head.cells[0].getBoundingClientRect().top") == 0
    assert chromium.run(f"{cells}; return row.cells[0].getBoundingClientRect().left") >= 0
    names = chromium.run(f"{cells}; return row.querySelectorAll('.name').length")
    assert names == 2
    inside = "[...document.querySelectorAll('td.right')].every(cell => cell.getClientRects().length === 1)"
    assert chromium.run(f"return {inside}")
    lines = """return [...document.querySelectorAll('td.right')].every(cell => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        return new Set([...range.getClientRects()].map(one => Math.round(one.top))).size <= 1;
    })"""
    assert chromium.run(lines), "a number or an interval goes over two lines"
    chromium.resize(1280, 1000)


def test_a_table_is_sorted_by_key_and_says_how(chromium, tables):
    chromium.open(tables["table2"])
    column = [name for name, _ in chromium.run(PLACES)].index("Gain")
    first = chromium.run(COLUMN, column)
    gains = sorted((float(gain) for gain in first if gain != "-"), reverse=True)
    button = f"th:nth-child({column + 1}) button"
    for way, expected in (("descending", gains), ("ascending", gains[::-1])):
        chromium.press(button, "\ue007")  # Enter
        found = chromium.run(COLUMN, column)
        assert [float(gain) for gain in found[: len(gains)]] == expected
        assert set(found[len(gains) :]) == {"-"}, "a cell without a value stands last"
        assert chromium.run(SORTED)[column] == way
    chromium.press(button, " ")
    assert chromium.run(COLUMN, column) == first
    assert set(chromium.run(SORTED)) == {"none"}
    chromium.press("th:first-child button", "\ue007")
    assert chromium.run(COLUMN, 0) == sorted(chromium.run(COLUMN, 0))
    assert chromium.problems() == []


def test_rows_of_a_long_table_are_found_by_their_words(chromium, tables):
    chromium.open(tables["breakdown"])
    chromium.press("input[type=search]", "python model-3 method-4")
    assert chromium.wait_for("return document.querySelector('output').textContent") == "1 of 198"
    assert chromium.run(COLUMN, 2) == ["method-4"]
    assert chromium.problems() == []


@pytest.fixture(scope="module")
def reported(study, samples, tmp_path_factory):
    """A small study with its report, made without a network where that can be had."""
    folder = shutil.copytree(study, tmp_path_factory.mktemp("report") / "project", symlinks=True)
    page = folder / "results/report/samples/codealpaca-20k.html"
    page.write_text(samples.read_text().replace("</body>", f"<!-- {'x' * 3_000_000} --></body>"))
    offline = ["unshare", "--user", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*offline, "true"], check=False).returncode != 0:
        offline = []
    command = [*offline, BIN / "snakemake", *LOCAL, "--report", "results/report.html"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ERROR" not in done.stdout + done.stderr
    return folder / "results/report.html"


def follow(chromium, name):
    """The two clicks: a link of the first page, and the eye beside the result."""
    link = "[...document.links].find(link => link.textContent.trim() === arguments[0])"
    chromium.wait_for(f"return {link}", name)
    chromium.run(f"{link}.click()", name)
    chromium.wait_for("return document.querySelector('table a')")
    chromium.run("document.querySelector('table a').click()")
    chromium.wait_for("return document.querySelector('iframe')")
    chromium.enter_frame()


@pytest.mark.parametrize(
    ("link", "text"),
    [
        ("Table 1", "Training hyperparameters"),
        ("Table 2", "Model comparison"),
        ("data cards", "Data card: codealpaca-20k"),
        ("provenance", "Checkpoints"),
    ],
)
def test_evidence_is_two_clicks_away(chromium, reported, link, text):
    chromium.open(reported)
    follow(chromium, link)
    chromium.wait_for("return document.body.textContent.includes(arguments[0])", text)
    assert chromium.problems() == []


def test_the_sample_browser_works_inside_the_report_however_large(chromium, reported):
    """Chromium shows nothing of a data: URI of more than 2 MB."""
    chromium.open(reported)
    assert reported.stat().st_size > 6_000_000
    follow(chromium, "samples")
    chromium.wait_for("return document.querySelectorAll('article').length === 25")
    chromium.run(CHOOSE, "order", "gain, largest")
    assert chromium.run(FIRST) == "Sample 590"
    assert chromium.problems() == []


def test_captions_name_the_files(chromium, reported):
    chromium.open(reported)
    captions = chromium.run(
        "return Object.fromEntries(Object.entries(results).map(([path, one]) => [path, one.caption]))"
    )
    assert all(captions.values())
    assert "results/tables/table2.md" in captions["results/report/pages/table2.html"]
    runs = captions["results/report/samples/codealpaca-20k.html"].count("record.json")
    assert runs == 9
    assert str(ROOT) not in "".join(captions.values())


def test_the_study_can_be_described_as_an_ro_crate(reported):
    project = reported.parent.parent
    done = snakemake(*LOCAL, "--cores", "1", "--", "rocrate", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    graph = json.loads((project / "results/ro-crate-metadata.json").read_text())["@graph"]
    described = {entity["@id"] for entity in graph}
    predictions = {
        str(path.relative_to(project / "results")) for path in project.glob("results/runs/*/*/*/*/tests/*/*.jsonl")
    }
    assert len(predictions) == 2 * 9  # and the scores
    assert predictions | {"tables/table1.md", "figures/figure2.pdf", "workflow/Snakefile"} <= described
    assert all((project / "results" / name).exists() for name in described if not name.startswith(("#", "http")))
