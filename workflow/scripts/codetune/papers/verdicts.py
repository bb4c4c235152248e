"""A claim and its verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

AGREES, DISAGREES, NOT_STATED, NOT_CHECKABLE = "agrees", "disagrees", "not stated", "not checkable here"


PAPER = ("config/paper.yaml",)


@dataclass(frozen=True)
class Verdict:
    """One claim and what became of it. `files` are those that the computed value comes from."""

    claim: str
    place: str
    paper: str
    computed: str
    verdict: str
    how: str
    files: str


def verdict(paper: object, agrees: bool | None) -> str:
    """The verdict on a claim: of a value that the paper does not give, and of one that cannot be compared, too."""
    if paper is None:
        return NOT_STATED
    if agrees is None:
        return NOT_CHECKABLE
    return AGREES if agrees else DISAGREES


def verdict_on(
    claim: str, place: str, paper: object, computed: object, agrees: bool | None, how: str, files: Sequence[str]
) -> Verdict:
    shown = "-" if paper is None else str(paper)
    return Verdict(claim, place, shown, str(computed), verdict(paper, agrees), how, _common(files))


def _common(paths: Sequence[str]) -> str:
    """Paths in one: what differs between more than two becomes a star."""
    if len(set(paths)) <= 2:
        return ", ".join(dict.fromkeys(paths))
    parts = zip(*(path.split("/") for path in paths), strict=True)
    return "/".join(names[0] if len(set(names)) == 1 else "*" for names in parts)


def if_comparable(comparable: bool, agrees: bool) -> bool | None:
    return agrees if comparable else None
