"""Cleaning: which records are dropped or changed, and how that is counted."""

import pytest
from codetune.data.cleaning import clean

RECORD = {"instruction": "Add a and b", "input": "", "output": "a + b"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("noinput", ""),
        ("No input.", ""),
        ("<noinput>", ""),
        ("[noinput]", ""),
        ("< noinput >", ""),
        ("<no-input>", ""),
        ("import turtle\n<noinput>", "import turtle"),
        ("there is no input here", "there is no input here"),
        ("x = 1", "x = 1"),
    ],
)
def test_noinput_is_read_as_no_input(text, expected):
    samples, touched = clean(dict(enumerate([{**RECORD, "input": text}])))
    assert samples[0].input == expected
    assert bool(touched["changed: 'noinput' read as no input"]) == (text != expected)


def test_empty_outputs_are_dropped_and_counted():
    samples, touched = clean(dict(enumerate([RECORD, {**RECORD, "output": " \n"}, RECORD])))
    assert [sample.id for sample in samples] == [0, 2]
    assert touched["dropped: empty output"] == [1]


def test_what_stands_before_the_last_turn_is_kept_and_has_to_be_text():
    earlier = [["Add a and b", "a + b"]]
    samples, touched = clean(dict(enumerate([RECORD | {"earlier": earlier}, RECORD | {"earlier": [["x", "\x07"]]}])))
    assert [sample.earlier for sample in samples] == [earlier]
    assert samples[0].request == "Add a and b\na + b\nAdd a and b"
    assert touched["dropped: control characters or half a surrogate pair"] == [1]


def test_samples_have_the_language_that_is_declared():
    records = dict(enumerate([RECORD]))
    assert clean(records)[0][0].language is None
    assert clean(records, language="Python")[0][0].language == "Python"
