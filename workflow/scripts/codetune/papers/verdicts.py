"""A claim and its verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

AGREES, DISAGREES, NOT_STATED, NOT_CHECKABLE = "agrees", "disagrees", "not stated", "not checkable here"
PAPER = ("config/paper.yaml",)


@dataclass(frozen=True)
class Verdict:
    """One claim and what became of it.

    Attributes:
        claim: In words.
        place: Where the paper says it.
        paper: What it says.
        computed: What was computed.
        verdict: One of the four words above.
        how: What was computed, in words.
        files: What the computed value comes from.
    """

    claim: str
    place: str
    paper: str
    computed: str
    verdict: str
    how: str
    files: str


def verdict(paper: object, agrees: bool | None) -> str:
    """Returns the verdict on a claim, also where the paper omits the value or where it cannot be compared."""
    if paper is None:
        return NOT_STATED
    if agrees is None:
        return NOT_CHECKABLE
    return AGREES if agrees else DISAGREES


@dataclass(frozen=True)
class Claim:
    """What the paper says.

    Attributes:
        text: The claim in words.
        place: Where it stands.
        printed: The value; None where the paper leaves it open.
    """

    text: str
    place: str
    printed: object

    def against(
        self, computed: object, *, agrees: bool | None, how: str, files: Sequence[str], decides: bool = True
    ) -> Verdict:
        """Holds the claim against a computed value.

        Args:
            computed: The value.
            agrees: Whether it is what the paper says; None where that cannot be said.
            how: How it was computed, in words.
            files: What it comes from.
            decides: Whether it is about the paper's own models and data at all: else it is only shown.
        """
        return Verdict(
            claim=self.text,
            place=self.place,
            paper="-" if self.printed is None else str(self.printed),
            computed=str(computed),
            verdict=verdict(self.printed, agrees if decides else None),
            how=how,
            files=common_path(files),
        )


def common_path(paths: Sequence[str]) -> str:
    """Paths in one: what differs between more than two becomes a star. Paths of different depth stay apart."""
    unique = list(dict.fromkeys(paths))
    if len(unique) <= 2:
        return ", ".join(unique)
    by_depth: dict[int, list[list[str]]] = {}
    for path in unique:
        parts = path.split("/")
        by_depth.setdefault(len(parts), []).append(parts)
    return ", ".join("/".join(map(_common_name, zip(*group, strict=True))) for group in by_depth.values())


def _common_name(names: tuple[str, ...]) -> str:
    return names[0] if len(set(names)) == 1 else "*"
