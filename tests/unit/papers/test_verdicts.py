"""Verdicts: what agrees with a printed number, what decides, and from which files."""

import math

import pytest
from codetune.papers.printed import parse_printed, rounds_to
from codetune.papers.verdicts import AGREES, DISAGREES, NOT_CHECKABLE, NOT_STATED, common_path, verdict


def test_verdicts():
    assert [verdict("x", agrees) for agrees in (True, False, None)] == [AGREES, DISAGREES, NOT_CHECKABLE]
    assert verdict(None, None) == NOT_STATED


@pytest.mark.parametrize(
    ("printed", "inside", "outside"),
    [
        ("11.3M", 11.26e6, 11.24e6),
        ("7M", 7.49e6, 7.51e6),
        ("4K", 3500, 3499),
        (750, 750, 751),
        (0.54, 0.5351, 0.5349),
        (54, 53.6, 53.4),
        ("-4", -4.4, -4.6),
        ("20K", 20022, 20600),
    ],
)
def test_a_value_agrees_if_it_rounds_to_what_is_printed(printed, inside, outside):
    assert rounds_to(printed, inside)
    assert not rounds_to(printed, outside)
    assert not rounds_to(printed, math.inf)


def test_what_is_no_printed_number_is_refused():
    assert parse_printed("3.21B") == (pytest.approx(3.21e9), pytest.approx(5e6))
    with pytest.raises(ValueError, match="not a printed number: 3,2"):
        parse_printed("3,2")


@pytest.mark.parametrize(
    ("paths", "one"),
    [
        (["a/b.json", "a/b.json"], "a/b.json"),
        (["a/x/b.json", "a/y/b.json"], "a/x/b.json, a/y/b.json"),
        (["a/x/b.json", "a/y/b.json", "a/z/b.json"], "a/*/b.json"),
        (["a/x/b.json", "a/y/b.json", "c/x/y/b.json", "c/z/y/b.json"], "a/*/b.json, c/*/y/b.json"),
    ],
)
def test_many_paths_become_one_with_stars(paths, one):
    assert common_path(paths) == one
