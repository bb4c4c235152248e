"""A claim and its verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

AGREES, DISAGREES = "agrees", "disagrees"  # of what is exact: the paper's own arithmetic, counts, architectures
COMPATIBLE, NOT_COMPATIBLE, UNDECIDED = "compatible", "not compatible", "undecided"  # of what rests on scores here
NOT_STATED, NOT_CHECKABLE = "not stated", "not checkable here"


@dataclass(frozen=True)
class Verdict:
    """One claim and what became of it.

    Attributes:
        claim: In words.
        place: Where the paper says it.
        paper: What it says.
        computed: What was computed.
        verdict: One of the seven words above.
        how: What was computed, in words.
        files: What the computed value comes from.
        because: Why it is not checkable here; empty otherwise.
    """

    claim: str
    place: str
    paper: str
    computed: str
    verdict: str
    how: str
    files: str
    because: str = ""


def exact(agrees: bool) -> str:
    """The verdict on a claim about something that has no sampling error."""
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
        self, computed: object, outcome: str = NOT_CHECKABLE, *, how: str, files: Sequence[str], because: str = ""
    ) -> Verdict:
        """Holds the claim against a computed value.

        Args:
            computed: The value.
            outcome: What it says of the claim, as one of the words above.
            how: How it was computed, in words.
            files: What it comes from.
            because: Why it decides nothing, so that it is only shown; empty where it decides.
        """
        found = NOT_STATED if self.printed is None else NOT_CHECKABLE if because else outcome
        return Verdict(
            claim=self.text,
            place=self.place,
            paper="-" if self.printed is None else str(self.printed),
            computed=str(computed),
            verdict=found,
            how=how,
            files=common_path(files),
            because=because if found == NOT_CHECKABLE else "",
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
