"""The parts of the paper about a study, as data: paragraphs, lists, tables and figures, in the order of a reader."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from codetune.report.finding import Finding, listed

# What is left out first where an article is too long; parts that are always there have none of these.
EXTRA, DETAIL, MORE = 3, 2, 1


@dataclass(frozen=True)
class Part:
    """A part of the article.

    Attributes:
        kind: `heading`, `text`, `list`, `table` or `figure`.
        text: The heading or paragraph; of a table its title, of a figure its caption.
        items: Of a list.
        head: Names of a table's columns.
        rows: Its cells.
        left: For each column whether it holds words, not numbers.
        note: Below a table.
        svg: Of a figure.
        wide: Whether it spans both columns of the page.
        height: Of a figure, in points; 0 where it is as high as its width asks for.
        key: Name by which texts refer to a table or a figure.
        mentions: Keys of the tables and figures that a text refers to at its end, as far as the article has them.
        rank: Parts with the highest one are left out first where the article is too long; 0 for those that stay.
    """

    kind: str
    text: str = ""
    items: Sequence[str] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    left: Sequence[bool] = ()
    note: str = ""
    svg: str = ""
    wide: bool = False
    height: float = 0.0
    key: str = ""
    mentions: Sequence[str] = ()
    rank: int = 0


@dataclass
class Article:
    """An article.

    Attributes:
        title: Its title.
        byline: What made it.
        abstract: The answers.
        parts: All else.
        stamp: What stands on every page of an article that is no result; empty for others.
    """

    title: str
    byline: str
    abstract: str
    parts: list[Part] = field(default_factory=list)
    stamp: str = ""

    def add(self, kind: str, text: str = "", **more: Any) -> None:
        """Adds a part at the end."""
        self.parts.append(Part(kind, text, **more))

    @property
    def highest_rank(self) -> int:
        """The rank of what is left out next; 0 where all must stay."""
        return max((part.rank for part in self.parts), default=0)

    def with_mentions(self) -> "Article":
        """The article whose texts refer to tables and figures by their numbers."""
        numbers: dict[str, str] = {}
        counts = {"table": 0, "figure": 0}
        for part in self.parts:
            if part.kind in counts:
                counts[part.kind] += 1
                numbers[part.key] = f"{part.kind.capitalize()} {counts[part.kind]}"
        parts = []
        for part in self.parts:
            if found := [numbers[key] for key in part.mentions if key in numbers]:
                part = replace(part, text=f"{part.text} See {listed(found)}.".strip())
            parts.append(part)
        return replace(self, parts=parts)

    def shorter(self) -> "Article":
        """The article without the last part of those with the highest rank."""
        rank = self.highest_rank
        last = max(place for place, part in enumerate(self.parts) if part.rank == rank)
        parts = [part for place, part in enumerate(self.parts) if place != last]
        return replace(self, parts=parts)


def joined(findings: Iterable[Finding]) -> str:
    """Findings as one paragraph."""
    return " ".join(one.text for one in findings)


def say_files(files: Iterable[str]) -> str:
    """What a table is made from, as the end of its note."""
    return f"From {', '.join(dict.fromkeys(files))}."
