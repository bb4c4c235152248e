"""Verdicts: what decides a claim, and from which files."""

import pytest
from codetune.papers.verdicts import (
    AGREES,
    COMPATIBLE,
    DISAGREES,
    NOT_CHECKABLE,
    NOT_STATED,
    UNDECIDED,
    Claim,
    common_path,
    exact,
)


def test_what_is_exact_agrees_or_disagrees():
    assert [exact(agrees) for agrees in (True, False)] == [AGREES, DISAGREES]


@pytest.mark.parametrize(
    ("printed", "outcome", "because", "expected"),
    [
        ("x", COMPATIBLE, "", COMPATIBLE),
        ("x", UNDECIDED, "", UNDECIDED),
        ("x", COMPATIBLE, "other data", NOT_CHECKABLE),
        (None, COMPATIBLE, "", NOT_STATED),
        (None, COMPATIBLE, "a choice", NOT_STATED),
    ],
)
def test_what_the_paper_omits_is_not_stated_and_what_decides_nothing_says_why(printed, outcome, because, expected):
    found = Claim("A claim", "Table 1", printed).against(1, outcome, how="counted", files=["a"], because=because)
    assert found.verdict == expected
    assert found.because == (because if expected == NOT_CHECKABLE else "")
    assert (found.computed, found.paper) == ("1", "-" if printed is None else printed)


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
