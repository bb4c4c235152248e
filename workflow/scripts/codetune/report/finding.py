"""What a conclusion of a study is, and what conclusions are drawn from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean

from codetune.evaluation.answered import Answer
from codetune.evaluation.comparisons import Comparison, Comparisons
from codetune.papers.verdicts import common_path
from codetune.report.format import digits_of, format_number, format_signed
from codetune.report.rows import EvaluatedSystem
from codetune.study import layout
from codetune.study.record import Record
from codetune.study.runs import System

FEWER = 2  # decimals that a sentence has less than a table, if one is left
FEW = 2  # files that are named one by one
MORE = 2  # decimals that are added at most where a value else looked like zero
LIMITS = "limits"  # begins the names of findings on what the study cannot say


@dataclass(frozen=True)
class Number:
    """A number of a sentence.

    Attributes:
        value: In full precision.
        text: As a sentence has it.
    """

    value: float
    text: str


@dataclass(frozen=True)
class Finding:
    """A conclusion of a study.

    Attributes:
        name: Stays the same as long as the study does; parts are parted by dots. A finding whose name begins with that
            of the one before and a dot is a detail of it.
        text: One or more sentences, without any marks.
        numbers: All numbers of the text, and some more, by names that stay the same when a study grows.
        files: What it follows from: at most three paths and a pattern of paths.
    """

    name: str
    text: str
    numbers: Mapping[str, Number]
    files: Sequence[str]

    @property
    def is_limit(self) -> bool:
        """Whether it says what the study cannot say."""
        return self.name.startswith(f"{LIMITS}.")

    def is_detail_of(self, other: "Finding | None") -> bool:
        """Whether it is a detail of another finding."""
        return other is not None and self.name.startswith(f"{other.name}.")


@dataclass
class Numbers:
    """Keeps the numbers of a sentence while it is written: each method keeps a value and gives its text.

    Attributes:
        prefix: Begins all names.
        digits: Decimals of gains, as a rule; scores have one more.
        found: The numbers so far.
    """

    prefix: str
    digits: int = 2
    found: dict[str, Number] = field(default_factory=dict)

    def keep(self, name: str, value: float, text: str) -> str:
        """Keeps a number with its text."""
        self.found[f"{self.prefix}.{name}"] = Number(value, text)
        return text

    def count(self, name: str, value: int) -> str:
        """A number of things."""
        return self.keep(name, value, f"{value:,}")

    def score(self, name: str, value: float) -> str:
        """A score."""
        return self.keep(name, value, str(format_number(value, self.digits + 1)))

    def gains(self, name: str, values: Sequence[float], signed: bool = False) -> str:
        """The lowest and the highest of some gains, as a range; as one number where they look alike.

        Args:
            name: The ends are kept under it, as `name_lowest` and `name_highest`.
            values: The gains.
            signed: Whether to show the sign; without it sizes are shown.
        """
        ends = [min(values), max(values)] if signed else [min(map(abs, values)), max(map(abs, values))]
        digits = self._digits_for(ends)
        texts = [str(format_signed(end, digits) if signed else format_number(end, digits)) for end in ends]
        for side, end, text in zip(("lowest", "highest"), ends, texts, strict=True):
            self.keep(f"{name}_{side}", end, text)
        return " to ".join(dict.fromkeys(texts))

    def signed(self, name: str, value: float) -> str:
        """A gain with its sign."""
        return self.keep(name, value, str(format_signed(value, self._digits_for([value]))))

    def _digits_for(self, values: Iterable[float]) -> int:
        """Decimals at which none of these values looks like zero that is not, if few suffice."""
        tries = range(self.digits, self.digits + MORE + 1)
        known = [value for value in values if value]
        return next((digits for digits in tries if all(round(value, digits) for value in known)), self.digits)

    def interval(self, name: str, ends: Sequence[float] | None, signed: bool = True) -> str:
        """An interval in brackets; nothing where there is none."""
        if ends is None:
            return ""
        digits = self._digits_for(ends) + (0 if signed else 1)
        texts = [str(format_signed(end, digits) if signed else format_number(end, digits)) for end in ends]
        for side, end, text in zip(("low", "high"), ends, texts, strict=True):
            self.keep(f"{name}_{side}", end, text)
        return f" (95 % interval {' to '.join(texts)})"

    def percents(self, name: str, shares: Iterable[float]) -> str:
        """The lowest and the highest of some shares, in per cent."""
        found = list(shares)
        texts = []
        for side, share in (("lowest", min(found)), ("highest", max(found))):
            texts.append(self.keep(f"{name}_{side}", share, _percent(share)))
        return f"{' to '.join(dict.fromkeys(texts))} %"

    def percent(self, name: str, share: float) -> str:
        """A share in per cent."""
        return f"{self.keep(name, share, _percent(share))} %"


def _percent(share: float) -> str:
    """A share in whole per cent, with a decimal where it else looked like none or all."""
    whole = f"{100 * share:.0f}"
    return f"{100 * share:.1f}" if whole in ("0", "100") and 0 < share < 1 else whole


@dataclass(frozen=True)
class Material:
    """What conclusions are drawn from.

    Attributes:
        evaluated: Every system on every test set.
        metric: Name of the study's metric.
        paths: Where the comparisons of each test set lie, by its name.
        audit: How many claims of the paper have each verdict; None where none were checked.
        audit_path: The file that says so.
        executed: The same of the test sets with unit tests, by pass@1; None without any.
        names_tests: Whether sentences name the test set even if there is but one.
        answers: What the runs say to the study's questions, if it asks any.
        answers_path: The file that says so.
    """

    evaluated: Sequence[EvaluatedSystem]
    metric: str
    paths: Mapping[str, str] = field(default_factory=dict)
    audit: Mapping[str, int] | None = None
    audit_path: str = ""
    executed: "Material | None" = None
    names_tests: bool = False
    answers: Sequence[Answer] = ()
    answers_path: str = ""

    @cached_property
    def comparisons(self) -> dict[str, Comparisons]:
        """What the bootstrap says of each test set, by its name."""
        return {one.test: one.comparisons for one in self.evaluated}

    @property
    def tests(self) -> list[str]:
        """Names of the test sets."""
        return list(self.comparisons)

    @property
    def label(self) -> str:
        """The metric's label."""
        return next(iter(self.comparisons.values())).metrics[self.metric].label

    @property
    def on_code(self) -> str | None:
        """Name of the metric of the code alone, where there is one."""
        return next(iter(self.comparisons.values())).on_code(self.metric)

    @property
    def digits(self) -> int:
        """Decimals of gains in a sentence."""
        return finding_digits(next(iter(self.comparisons.values())).metrics[self.metric].highest)

    @property
    def records(self) -> list[Record]:
        """The record of each run, once."""
        return list({record.run: record for one in self.evaluated for record in one.records}.values())

    def numbers(self, *name: str) -> Numbers:
        """Keeps the numbers of a finding of this name."""
        return Numbers(".".join(name), self.digits)

    def of_test(self, test: str) -> list[EvaluatedSystem]:
        """The systems on a test set."""
        return [one for one in self.evaluated if one.test == test]

    def tuned(self, test: str) -> list[EvaluatedSystem]:
        """The tuned systems on a test set."""
        return [one for one in self.of_test(test) if one.is_tuned]

    def on(self, test: str, text: str) -> str:
        """A sentence about a test set, which it names where there are several, or where it has to."""
        if len(self.tests) == 1 and not self.names_tests:
            return text
        is_name = any(text.startswith(one.model.label) for one in self.evaluated)
        is_word = not is_name and (text[1:2].islower() or text[1:2] == " ")
        return f"On {test}: {text[:1].lower() if is_word else text[:1]}{text[1:]}"

    def files(self, test: str, systems: Iterable[EvaluatedSystem] = ()) -> list[str]:
        """Where what is said of a test set is from: its comparisons, and the records of the systems as a pattern."""
        records = [record for one in systems for record in one.records]
        return [*filter(None, [self.paths.get(test, "")]), *files_of(records)]

    def pairs(self, test: str, metric: str) -> list[Comparison]:
        """All pairs of systems by a metric on a test set, of which none is a baseline of the other."""
        found = self.comparisons[test].comparisons
        return [one for one in found if one.family == "pair" and one.metric == metric]


def finding_digits(highest: float) -> int:
    """Returns the decimals of gains in a sentence, by the best score of the metric."""
    return max(1, digits_of(highest) - FEWER)


def files_of(records: Sequence[Record]) -> list[str]:
    """Where records lie: their paths, or one pattern for all of them where they are more than two."""
    paths = [f"{record.folder}/{Path(layout.RECORD).name}" for record in records]
    return paths if len(paths) <= FEW else [common_path(paths)]


def titles_of(systems: Sequence[EvaluatedSystem]) -> dict[System, str]:
    """What each system is called among these, no two of them alike: its model, with what tells it from the others."""
    several = {
        part: len({getattr(one.system, part) for one in systems if one.is_tuned}) > 1 for part in ("method", "data")
    }
    names: dict[System, str] = {}
    for one in systems:
        labels = {other.system.model for other in systems if other.model.label == one.model.label}
        label = one.model.label if len(labels) == 1 else one.system.model
        more = [getattr(one.system, part) for part, needed in several.items() if needed]
        names[one.system] = f"{label} ({', '.join(more)})" if more else label
    return names


def mean_of(values: Iterable[float]) -> float:
    """The mean of some numbers."""
    return fmean(values)


def listed(words: Sequence[str]) -> str:
    """Words as a list within a sentence: `a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
