"""What the verdicts on several systems say together, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from codetune.evaluation.comparisons import ALPHA, Comparison
from codetune.report.finding import Numbers

MOST_NAMES = 3  # that a sentence lists
VERDICTS = ("better", "worse", "undecided")
UNMEASURED = "unmeasured"


@dataclass(frozen=True)
class Outcome:
    """Comparisons of several systems, each with its name.

    Attributes:
        compared: The comparison of each system, by the system's name; None where there is none.
        noun: What the systems are: `model` or `tuned system`.
    """

    compared: Mapping[str, Comparison | None]
    noun: str

    @cached_property
    def by_verdict(self) -> dict[str, dict[str, float]]:
        """The gain of each system by its name, by what is said of it; 0 where nothing was measured."""
        found: dict[str, dict[str, float]] = {kind: {} for kind in (*VERDICTS, UNMEASURED)}
        for name, one in self.compared.items():
            kind = (one.verdict if one else None) or UNMEASURED
            found[kind][name] = one.gain if one and one.gain is not None else 0.0
        return found

    @property
    def total(self) -> int:
        """How many systems there are."""
        return len(self.compared)

    def count(self, kind: str) -> int:
        """Of how many systems this is said."""
        return len(self.by_verdict[kind])

    def gains(self, kind: str) -> list[float]:
        """The gains of the systems of which this is said."""
        return list(self.by_verdict[kind].values())

    def keep_counts(self, numbers: Numbers) -> None:
        """Keeps how many systems there are, and of how many which verdict is said."""
        numbers.count("systems", self.total)
        for kind in VERDICTS:
            numbers.count(kind, self.count(kind))

    def counted(self, kind: str, numbers: Numbers) -> str:
        """Of how many this is said, with their names if they are few and not all."""
        found = list(self.by_verdict[kind])
        names = f" ({', '.join(found)})" if len(found) <= MOST_NAMES and len(found) < self.total else ""
        return numbers.count(kind, len(found)) + names

    def of_all(self, numbers: Numbers) -> str:
        """How many systems there are, with the noun."""
        return f"{numbers.count('systems', self.total)} {self.noun}{'' if self.total == 1 else 's'}"


def say_effect(outcome: Outcome, who: str, what: str, numbers: Numbers, where: str = "") -> str:
    """Says for how many systems something raised a score, by how much, for how many it lowered it, what is undecided.

    Args:
        outcome: The comparisons.
        who: What had the effect, as the subject of a sentence.
        what: The score, as its object.
        numbers: Keeps the numbers.
        where: What the first sentence begins with, without its comma.
    """
    text = _say_effect(outcome, _lower(who) if where else who, what, numbers)
    return f"{where}, {_lower(text) if text.startswith('Whether') else text}" if where else text


def _say_effect(outcome: Outcome, who: str, what: str, numbers: Numbers) -> str:
    """The same without a beginning."""
    outcome.keep_counts(numbers)
    if outcome.total == 1:
        return _say_one(*next(iter(outcome.compared.items())), who, what, numbers)
    if outcome.count(UNMEASURED) == outcome.total:
        return f"{what} has no value for any gain of the {outcome.of_all(numbers)}."
    if outcome.count("undecided") == outcome.total:
        gains = numbers.gains("undecided", outcome.gains("undecided"), signed=True)
        return f"Whether {_lower(who)} raised {what} is undecided for all {outcome.of_all(numbers)}: gains are {gains}."
    better = outcome.gains("better")
    count = numbers.count("better", len(better)) if better else "none"
    by = f", by {numbers.gains('raised', better)}" if better else ""
    said = [f"{who} raised {what} for {count} of {outcome.of_all(numbers)}{by}."]
    if worse := outcome.gains("worse"):
        said.append(f"It lowered it for {outcome.counted('worse', numbers)}, by {numbers.gains('lowered', worse)}.")
    if undecided := outcome.gains("undecided"):
        gains = numbers.gains("undecided", undecided, signed=True)
        are = "the gain is" if len(undecided) == 1 else "gains are"
        said.append(f"For {outcome.counted('undecided', numbers)} this is undecided: {are} {gains}.")
    if outcome.count(UNMEASURED):
        said.append(f"For {outcome.counted(UNMEASURED, numbers)} no gain has a value.")
    return " ".join(said)


def _say_one(name: str, one: Comparison | None, who: str, what: str, numbers: Numbers) -> str:
    """The same of one system, with its interval."""
    if one is None or one.gain is None:
        return f"{what} has no value for a gain of {name}."
    signed = numbers.gains("gain", [one.gain], signed=True)
    decided = one.verdict in ("better", "worse")
    note = "" if decided or one.p is None or one.p > ALPHA else ", not corrected for the number of comparisons"
    interval = numbers.interval("gain", one.interval).replace(")", f"{note})")
    if not decided:
        return f"Whether {_lower(who)} raised {what} of {name} is undecided: the gain is {signed}{interval}."
    verb = "raised" if one.verdict == "better" else "lowered"
    return f"{who} {verb} {what} of {name} by {numbers.gains(verb, [one.gain])}{interval}."


def say_counts(outcome: Outcome, numbers: Numbers) -> str:
    """Says in one line for how many of the systems a score was raised, by how much, and what is with the others."""
    outcome.keep_counts(numbers)
    better = outcome.gains("better")
    by = f", by {numbers.gains('raised', better)}" if better else ""
    if outcome.count("undecided") == outcome.total:
        gains = numbers.gains("undecided", outcome.gains("undecided"), signed=True)
        which = "all " if outcome.total > 1 else ""
        return f"undecided for {which}{outcome.of_all(numbers)}, at {gains}"
    count = numbers.count("better", len(better)) if better else "none"
    parts = [f"raised for {count} of {outcome.of_all(numbers)}{by}"]
    if worse := outcome.gains("worse"):
        parts.append(f"lowered for {outcome.counted('worse', numbers)}, by {numbers.gains('lowered', worse)}")
    if undecided := outcome.gains("undecided"):
        gains = numbers.gains("undecided", undecided, signed=True)
        parts.append(f"undecided for {outcome.counted('undecided', numbers)}, at {gains}")
    if outcome.count(UNMEASURED):
        parts.append(f"no value for {outcome.counted(UNMEASURED, numbers)}")
    return "; ".join(parts)


def say_shares(outcome: Outcome, numbers: Numbers) -> str:
    """Says of how many systems which verdict was found: `3 are better, 1 is worse, for 1 (Llama) it is undecided`."""
    outcome.keep_counts(numbers)
    said = []
    for kind in ("better", "worse"):
        if count := outcome.count(kind):
            names = outcome.counted(kind, numbers) if kind == "worse" else numbers.count(kind, count)
            said.append(f"{names} {'is' if count == 1 else 'are'} {kind}")
    if outcome.count("undecided"):
        said.append(f"for {outcome.counted('undecided', numbers)} it is undecided")
    if outcome.count(UNMEASURED):
        said.append(f"for {outcome.counted(UNMEASURED, numbers)} there is no value")
    return ", ".join(said)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
