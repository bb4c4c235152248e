"""Verdicts: what decides a claim, and from which files."""

import pytest
from codetune.papers.verdicts import AGREES, DISAGREES, NOT_CHECKABLE, NOT_STATED, common_path, verdict


def test_verdicts():
    assert [verdict("x", agrees) for agrees in (True, False, None)] == [AGREES, DISAGREES, NOT_CHECKABLE]
    assert verdict(None, None) == NOT_STATED


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
