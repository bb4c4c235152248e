"""Which records the filters keep."""

import json

import pytest
from codetune.data.filters import KINDS, has_no_input, keep_records, parses_as_python
from codetune.data.reading import read_records
from codetune.study.dataset import FILTERS, ONE_TURN


def record(output, text=""):
    return {"instruction": "Do it", "input": text, "output": output}


@pytest.mark.parametrize(
    ("output", "parses"),
    [
        ("x = 1", True),
        ("", True),
        ("# only a comment", True),
        ("42", True),
        ("print 'x'", False),
        ("def f(:", False),
        ("SELECT *", False),
        ("a\0b", False),
        ("(" * 100_000, False),
        ("-" * 100_000 + "1", False),
        ("x" + ".a" * 50_000, False),
        ("9" * 5_000, False),
        ("\ud800", False),
        ("'\\d'", True),
        ("x is 1", True),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_what_parses_as_python(output, parses, recwarn):
    assert parses_as_python(record(output)) == parses
    assert not recwarn


def test_an_input_that_is_spelled_out_as_none_is_an_input():
    assert has_no_input(record("x", " \n"))
    assert not has_no_input(record("x", "<noinput>"))


def test_filters_are_applied_in_their_order_and_counted():
    records = {3: record("x = 1"), 5: record("x = 1", "y"), 8: record("x ="), 9: record("y")}
    kept, counts = keep_records(records, ["no-input", "python-parses"])
    assert list(kept) == [3, 9]
    assert counts == {"no-input": 3, "python-parses": 2}
    assert keep_records(records, []) == (records, {})


def test_every_filter_of_records_has_its_function():
    assert {*KINDS, ONE_TURN} == set(FILTERS)


def test_the_two_filters_give_the_candidates_of_codealpacapy(real):
    found = dict(enumerate(read_records(real / "codealpaca" / "code_alpaca_20k.json")))
    kept, counts = keep_records(found, ["no-input", "python-parses"])
    candidates = json.loads((real / "codealpacapy" / "candidates.json").read_text())
    assert list(kept) == candidates["indices_0_based"]
    assert counts == {"no-input": 9764, "python-parses": 3136}
    assert [number for number, one in kept.items() if not one["output"].strip()] == [7954]
