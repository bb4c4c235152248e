"""The numbers of a study by name: as JSON in full precision, and as macros that LaTeX shows."""

import re
import shutil
from pathlib import Path

import pytest
from codetune.base.files import read_json
from codetune.base.rehearsal import rehearsing
from codetune.report.macros import macro_names, write_macros
from codetune.report.quoted import format_measure
from latex_reader import needs_latex, set_document
from paper_files import write_paper_files

NAMES = ["Llama-3.2-1B", "A & B_1 #5 $x$"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def numbers_of(files):
    write_macros(files, "rouge_l", {"json": "results/numbers.json", "tex": "results/numbers.tex"})
    return read_json("results/numbers.json")["numbers"]


@pytest.fixture
def numbers():
    return numbers_of(write_paper_files(NAMES, tests=("alpaca", "evol"), seeds=2))


def test_scores_costs_settings_data_and_claims_have_names(numbers):
    scores = "scores.alpaca.m0.qlora"
    assert numbers[f"{scores}.seeds"]["value"] == 2
    assert numbers[f"{scores}.score"]["text"] == f"{numbers[f'{scores}.score']['value']:.3f}"
    gain = numbers[f"{scores}.gain"]
    untuned = numbers["scores.alpaca.m0.base-chat.score"]["value"]
    assert gain["value"] == pytest.approx(numbers[f"{scores}.score"]["value"] - untuned)
    assert gain["text"] == f"{gain['value']:+.3f}"
    assert numbers[f"{scores}.verdict"]["value"] == numbers[f"{scores}.verdict"]["text"]
    for name in ("gain_low", "gain_high", "p", "score_on_code", "gain_on_code", "truncated_percent", "samples"):
        assert f"{scores}.{name}" in numbers
    assert numbers["costs.alpaca.m0.qlora.training_hours"]["value"] == 1.0
    assert numbers["settings.d.m0.qlora.batch_size"]["value"] == 8
    assert numbers["data.evol.train"]["text"] == "1,200"
    assert any(name.startswith("audit.") for name in numbers)


def test_each_number_names_what_it_follows_from(numbers):
    assert numbers["scores.evol.alpaca.m1.qlora.gain"]["files"] == ["results/comparisons/evol.json"]
    assert numbers["data.evol.train"]["files"] == ["results/data/evol/card.json"]


def test_names_stay_when_the_study_grows():
    few = numbers_of(write_paper_files(NAMES[:1]))
    more = numbers_of(write_paper_files(NAMES, tests=("alpaca", "evol"), seeds=2))
    kept = {name for name in few if name.startswith(("scores.", "costs.", "data.", "settings."))}
    assert len(kept) > 40
    assert kept - more.keys() == set()
    assert {few[name]["macro"] for name in kept} == {more[name]["macro"] for name in kept}


def test_macros_are_letters_and_no_two_alike(numbers):
    macros = [one["macro"] for one in numbers.values()]
    assert len(set(macros)) == len(macros)
    assert all(re.fullmatch(r"\\study[A-Za-z]+", macro) for macro in macros)
    assert numbers["scores.alpaca.m0.qlora.gain_low"]["macro"] == r"\studyScoresAlpacaMZeroQloraGainLow"
    assert macro_names(["a.b-1", "a.b1", "a b.1"]) == {
        "a.b-1": "studyABOne",
        "a.b1": "studyABOneBis",
        "a b.1": "studyABOneBisBis",
    }


def test_the_same_study_gives_the_same_files(numbers):
    before = [Path("results", name).read_bytes() for name in ("numbers.json", "numbers.tex")]
    numbers_of(write_paper_files(NAMES, tests=("alpaca", "evol"), seeds=2))
    assert [Path("results", name).read_bytes() for name in ("numbers.json", "numbers.tex")] == before


MEASURES = {0: "0", 0.00123456: "0.00123", 0.5: "0.500", 1.0: "1.00", 12.345: "12.3", 123.45: "123", 12345.6: "12,346"}


@pytest.mark.parametrize(("value", "text"), MEASURES.items())
def test_measures_have_three_digits_that_say_something(value, text):
    assert format_measure(value) == text


def test_numbers_of_a_rehearsal_say_so(tmp_path):
    with rehearsing({"rehearsal": True}):
        numbers_of(write_paper_files(NAMES[:1]))
    assert "SYNTHETIC" in read_json("results/numbers.json")["synthetic"]
    assert Path("results/numbers.tex").read_text().startswith("% SYNTHETIC")
    if shutil.which("pdflatex"):
        _, log = set_document(tmp_path, rf"\input{{{Path('results/numbers.tex').absolute()}}} text")
        assert "SYNTHETIC" in log


@needs_latex
def test_latex_shows_each_number_in_text_and_in_formulas(tmp_path, numbers):
    shown = {one["macro"]: one["text"] for one in numbers.values()}
    lines = [rf"\noindent\hbox{{{macro}\textsection}}" for macro in shown]
    numeric = [one for one in numbers.values() if not isinstance(one["value"], str)]
    formulas = [rf"\noindent\hbox{{${one['macro']}$\textsection}}" for one in numeric]
    body = f"\\input{{{Path('results/numbers.tex').absolute()}}}\n" + "\n\n".join([*lines, *formulas])
    text, log = set_document(tmp_path, body)
    assert "Missing character" not in log
    found = [squeezed(one) for one in re.sub(r"\n\s*\d+\s*\f", "\n", text).split("\u00a7")[:-1]]
    assert found == [squeezed(one) for one in (*shown.values(), *(one["text"] for one in numeric))]


def squeezed(text):
    return "".join(text.replace("\u2212", "-").replace("\u2010", "-").replace("\ufb01", "fi").split())
