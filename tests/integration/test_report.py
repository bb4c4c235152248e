"""The report and the sample browser, opened from disk in a real browser: they work, and ask for nothing."""

import base64
import json
import shutil
import subprocess
from dataclasses import replace

import pytest
from browser_study import make_study, run, with_candidates
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
return ready;
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


def opened(chromium, path, address=""):
    """Opens a sample browser at an address, and waits until it shows something."""
    chromium.open(path, address)
    chromium.run("return ready")
    return chromium


@pytest.fixture
def page(chromium, samples):
    """The sample browser, opened; at the end nothing may have gone wrong."""
    opened(chromium, samples)
    yield chromium
    assert chromium.problems() == []


def test_samples_come_by_the_page(page):
    assert page.run(SHOWN) == 25
    assert page.run("return document.getElementById('count').textContent") == f"1 to 25 of {COUNT} samples"
    page.run("document.getElementById('next').click(); return ready")
    page.run("document.getElementById('next').click(); return ready")
    assert (page.run(SHOWN), page.run(FIRST)) == (COUNT - 50, "Sample 500")
    assert page.run("return document.getElementById('next').disabled")
    page.press("#previous", "\ue007")  # Enter
    page.run("return ready")
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
    opened(chromium, tmp_path / "page.html")
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
    opened(chromium, tmp_path / "page.html")
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


def chosen_of(page, name):
    return page.run("return document.getElementById(arguments[0]).selectedOptions[0].textContent", name)


@pytest.mark.parametrize(
    ("name", "choice", "count", "first"),
    [
        ("verdict", "better", 47, 130),  # from 13/60 on
        ("verdict", "worse", 12, 0),
        ("verdict", "the same", 1, 120),
        ("output", "one truncated", 1, 10),
        ("output", "one empty", 1, 20),
        ("output", "one ended by itself", 58, 0),
        ("output", "one with extracted code", 0, None),
    ],
)
def test_samples_are_filtered_by_what_tuning_made_of_them_and_by_their_outputs(page, name, choice, count, first):
    page.run(CHOOSE, name, choice)
    assert page.run("return found.length") == count
    assert page.run("return document.querySelector('article h2')?.textContent ?? null") == (
        None if first is None else f"Sample {first}"
    )


def test_an_address_leads_to_a_sample_with_all_that_is_chosen(page, samples):
    page.run(CHOOSE, "order", "gain, largest")
    page.run(CHOOSE, "metric", "Code ROUGE-L")
    page.run(CHOOSE, "verdict", "better")
    link = page.run(
        "return [...document.querySelectorAll('article h2 a')].find(a => a.textContent.endsWith(' 400')).hash"
    )
    assert link == "#metric=code_rouge_l&order=gain-down&verdict=better&sample=400"
    link = link.replace("400", "300")  # of the second page
    page.run("location.hash = arguments[0]", link)
    assert page.wait_for("return document.activeElement.querySelector?.('h2')?.textContent") == "Sample 300"
    assert page.run("return document.querySelector('[aria-current] h2').textContent") == "Sample 300"
    page.run("location.hash = ''")
    page.wait_for("return found.length === 60")
    opened(page, samples, link)
    assert page.run("return current.id") == 300
    assert page.run("return page") == 1  # 59 to 30, by 25
    assert [chosen_of(page, name) for name in ("order", "verdict")] == ["gain, largest first", "better than untuned"]


def test_the_way_back_leads_through_what_was_chosen(page):
    page.run(CHOOSE, "order", "gain, largest")
    page.run(CHOOSE, "model", "Model <b>")
    page.run("history.back()")
    page.wait_for("return document.getElementById('model').value === 'a'")
    page.run("return ready")
    assert (page.run(FIRST), chosen_of(page, "order")) == ("Sample 590", "gain, largest first")
    page.run("history.forward()")
    page.wait_for("return document.getElementById('model').value === 'b'")


def test_an_address_of_what_there_is_not_is_told(page, samples):
    opened(page, samples, "#sample=5&model=z&runs=a/qlora/0+a/qlora/9")
    said = page.run("return document.getElementById('count').textContent")
    wrong = "There is no model z. Not all runs of this address are in this study. There is no sample 5. "
    assert said == f"{wrong}1 to 25 of 60 samples"
    opened(page, samples, "#sample=10&verdict=better")
    said = page.run("return document.getElementById('count').textContent")
    assert said == "Sample 10 is not among these. 1 to 25 of 47 samples"


def test_keys_step_through_the_samples_from_page_to_page(page):
    where = "return document.querySelector('[aria-current] h2')?.textContent ?? null"
    assert page.run(where) is None
    for key, sample in (("j", 0), ("j", 10), ("\ue014", 20), ("k", 10), ("\ue012", 0), ("k", 0)):
        page.press("body", key)
        assert page.run(where) == f"Sample {sample}"
    page.run("return step(25), ready")
    assert (page.run(where), page.run("return page")) == ("Sample 250", 1)
    page.press("body", "/")
    page.press("#text", "jk")
    page.wait_for("return found.length === 0")
    assert page.run("return document.getElementById('text').value") == "jk"


def test_two_runs_or_the_reference_stand_side_by_side_with_what_differs(chromium, tmp_path):
    study = make_study(tmp_path, ["x = [1] or 2"], [run("a", "base"), run("a", "qlora")], [[0.5], [0.5]])
    path = tmp_path / "other"
    other = make_study(path, ["x = [1] and 23"], [run("b", "base")], [[0.5]])
    records = [*study["inputs"].records, *other["inputs"].records]
    write_browser(**study | {"inputs": replace(study["inputs"], records=records)})
    opened(chromium, tmp_path / "page.html")
    chromium.run(CHOOSE, "left", "the reference")
    chromium.run(CHOOSE, "right", "Model A: qlora")
    sides = "return [...document.querySelectorAll('.texts > div')].map(one => one.firstChild.firstChild.textContent)"
    marks = "return [...document.querySelectorAll('mark')].map(one => [one.textContent, one.className])"
    assert chromium.run(sides) == ["Reference", "Model A: Tuned (qlora) "]
    assert chromium.run(marks) == [["0", "gone"], ["[", ""], ["1", ""], ["]", ""], ["or", ""], ["2", ""]]
    chromium.run(CHOOSE, "left", "Model <b>: base")
    assert chromium.run(sides) == ["Reference", "Model <b>: Untuned (base) ", "Model A: Tuned (qlora) "]
    assert chromium.run(marks) == [["and", "gone"], ["23", "gone"], ["or", ""], ["2", ""]]
    assert (
        chromium.run("return [...document.querySelectorAll('.note')].map(one => one.textContent)")
        == ["2 of 7 tokens are not in the other"] * 2
    )
    assert chromium.run(EXPLAINED).startswith("Marked is what the other")
    said = chromium.run("return document.getElementById('chosen').textContent")
    assert said == "Compared: Model <b> (base) beside Model A (qlora)"
    assert chromium.problems() == []


def test_all_candidates_unfold_below_their_output_and_the_matching_one_is_told(chromium, tmp_path):
    runs = [run("a", "base"), run("a", "qlora")]
    write_browser(**with_candidates(make_study(tmp_path, ["y", "z"], runs), ["a/base"]))
    opened(chromium, tmp_path / "page.html")
    summaries = "return [...document.querySelectorAll('.candidates summary')].map(one => one.textContent)"
    told = "3 candidates; the reference is number: as written 2, in one line 2, on code 2, on code in one line 2"
    assert chromium.run(summaries) == [told, told]
    first = "document.querySelector('.candidates')"
    assert chromium.run(f"return {first}.querySelectorAll('li').length") == 0
    chromium.run(f"{first}.open = true")
    chromium.wait_for(f"return {first}.querySelectorAll('li').length === 3")
    items = chromium.run(f"return [...{first}.querySelectorAll('li pre')].map(one => one.textContent)")
    assert items[:2] == ["y", "x = 0"]
    assert "alert(1)" in items[2]
    assert chromium.run(f"return [...{first}.querySelectorAll('li')].map(one => one.className)") == ["", "match", ""]
    assert chromium.problems() == []


def test_every_seed_can_be_shown(chromium, tmp_path):
    runs = [run("a", "base"), *(run("a", "qlora", seed) for seed in range(3)), run("b", "base")]
    write_browser(**make_study(tmp_path, ["x"], runs))
    opened(chromium, tmp_path / "page.html")
    titles = "return [...document.querySelectorAll('.texts h3')].map(heading => heading.firstChild.textContent)"
    assert chromium.run(titles) == ["Reference", "Untuned (base) ", "Tuned (qlora, seed 0) "]
    chromium.run("document.getElementById('all').click(); return ready")
    assert chromium.run(titles)[2:] == [f"Tuned (qlora, seed {seed}) " for seed in range(3)]
    assert chromium.run("return document.querySelector('.of-sample .score').textContent") == (
        "Python · score 0.100 · gain +0.100"  # the mean of three seeds
    )
    chromium.run("runs[2].box.click(); runs[0].box.click(); return ready")
    assert chromium.run(titles)[1:] == ["Tuned (qlora, seed 0) ", "Tuned (qlora, seed 2) "]
    assert chromium.run("return location.hash") == "#runs=a%2Fqlora%2F0+a%2Fqlora%2F2"
    assert (
        chromium.run("return document.getElementById('chosen').textContent")
        == "Runs: 2 of 5 shown. Choose, or compare two"
    )
    chromium.run("document.getElementById('first').click(); return ready")
    assert chromium.run(titles)[1:] == ["Untuned (base) ", "Tuned (qlora, seed 0) "]
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
    assert page.run("return [...document.scripts].filter(one => one.type !== 'text/plain').length") == 2
    assert not page.alert()


def test_the_page_s_policy_turns_markup_down(page):
    with pytest.raises(RuntimeError, match="TrustedHTML"):
        page.run("document.body.innerHTML = '<b>x</b>'")
    assert "TrustedHTML" in page.problems()[0]


@pytest.mark.parametrize("width", [400, 500, 800, 1280])
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


BLOB = """
const bytes = Uint8Array.from(atob(document.getElementById("page").textContent), letter => letter.charCodeAt(0));
document.querySelector("iframe").src = URL.createObjectURL(new Blob([bytes], {type: "text/html"}));
"""


@pytest.mark.parametrize("kind", ["data", "blob"])
def test_links_keys_and_the_way_back_work_in_a_frame(chromium, samples, tmp_path, kind):
    page = base64.b64encode(samples.read_bytes()).decode()
    frame = f'<iframe src="data:text/html;base64,{page}"></iframe>' if kind == "data" else "<iframe></iframe>"
    script = f'<script type="text/plain" id="page">{page}</script><script>{BLOB}</script>' if kind == "blob" else ""
    (tmp_path / "outer.html").write_text(f"<!doctype html>{frame}{script}")
    chromium.open(tmp_path / "outer.html")
    chromium.run("document.querySelector('iframe').width = 900")
    chromium.enter_frame()
    chromium.wait_for("return document.querySelectorAll('article').length === 25")
    chromium.run(CHOOSE, "order", "gain, largest")
    assert chromium.run(FIRST) == "Sample 590"
    chromium.run("document.querySelectorAll('article h2 a')[3].click(); return ready")
    where = "return document.querySelector('[aria-current] h2')?.textContent ?? null"
    assert chromium.run(where) == "Sample 560"
    chromium.run("return step(1), ready")
    assert chromium.run(where) == "Sample 550"
    chromium.run("history.back()")
    chromium.wait_for("return current === null")
    chromium.run("return ready")
    assert (chromium.run(FIRST), chosen_of(chromium, "order")) == ("Sample 590", "gain, largest first")
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
    chromium.run("document.querySelectorAll('article h2 a')[3].click()")
    assert chromium.wait_for("return document.querySelector('[aria-current] h2')?.textContent") == "Sample 560"
    assert chromium.run("return followed") == "#order=gain-down&sample=560"
    chromium.press("article", "j")
    assert chromium.run("return current.id") == 550
    chromium.run("history.back()")
    chromium.wait_for("return current === null")
    assert chromium.problems() == []


def test_the_first_page_says_what_the_study_found(chromium, reported):
    """Its first words are the answers; the graph of the rules is folded up, and the home symbol leads back here."""
    chromium.open(reported)
    chromium.wait_for("return document.querySelector('.answers li')")
    said = (reported.parent / "report/summary.md").read_text()
    first = next(line for line in said.splitlines() if line.startswith("- "))
    assert chromium.run("return document.querySelector('.answers li').textContent.trim()") == first.removeprefix("- ")
    top = chromium.run("return document.querySelector('.answers li').getBoundingClientRect().bottom")
    assert 0 < top < 300
    titles = chromium.run("return [...document.querySelectorAll('.answers h2')].map(one => one.textContent)")
    assert titles == ["ROUGE-L", "What it cannot say"]
    assert chromium.wait_for("return document.querySelector('.answers img').naturalWidth > 100")
    hidden = "return getComputedStyle(document.getElementById('rulegraph')).display"
    assert chromium.run(hidden) == "none"
    chromium.run("document.querySelector('#rules-wanted summary').click()")
    assert chromium.run(hidden) == "block"
    chromium.run("app.showCategory('Figures')")
    chromium.run("app.setView({content: 'metadata', navbarMode: 'menu'})")
    chromium.wait_for("return document.querySelector('.answers li')")
    assert chromium.problems() == []


def test_the_page_of_the_answers_needs_nothing_else(chromium, reported):
    chromium.open(reported.parent / "report/pages/summary.html")
    chromium.wait_for("return document.querySelector('img').naturalWidth > 100")
    assert chromium.problems() == []


def test_captions_name_few_files(chromium, reported):
    chromium.open(reported)
    captions = chromium.run(
        "return Object.fromEntries(Object.entries(results).map(([path, one]) => [path, one.caption]))"
    )
    assert all(captions.values())
    assert "results/tables/table2.md" in captions["results/report/pages/table2.html"]
    assert "results/runs/*/*/*/seed0/record.json" in captions["results/report/samples/codealpaca-20k.html"]
    assert max(caption.count("results/") for caption in captions.values()) <= 4
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
