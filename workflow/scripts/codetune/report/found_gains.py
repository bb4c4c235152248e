"""What a study found of tuning, and of examples in prompts: what they gain, how much of that is format, over what."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from codetune.report.finding import Finding, Material, Numbers, listed, mean_of, titles_of
from codetune.report.gains import gains_over
from codetune.report.rows import EvaluatedSystem
from codetune.report.verdict_words import Outcome, say_counts, say_effect

Group = tuple[str, str]  # training data and method


@dataclass(frozen=True)
class Tuned:
    """The tuned systems on a test set that a gain is measured of.

    Attributes:
        test: Name of the test set.
        systems: The systems.
    """

    test: str
    systems: Sequence[EvaluatedSystem]

    @property
    def groups(self) -> dict[Group, list[EvaluatedSystem]]:
        """The systems of each method on each training data."""
        return _groups(self.systems)

    @property
    def noun(self) -> str:
        """What one of the systems is called, where all are counted."""
        return "model" if len(self.groups) == 1 else "tuned system"

    def outcome(self, metric: str) -> Outcome:
        """The gains of all systems, each by its name."""
        names = titles_of(self.systems)
        return Outcome({names[one.system]: one.gain(metric) for one in self.systems}, self.noun)


def find_gains(material: Material) -> list[Finding]:
    """What tuning gained on each test set, of the text as written and of its code; then what examples gained."""
    found = []
    for test in material.tests:
        tuned = Tuned(test, [one for one in material.tuned(test) if one.gain(material.metric)])
        if tuned.systems:
            found += [*_effects(tuned, material), *_format(tuned, material), *_better_baseline(tuned, material)]
    if not found:
        found = [Finding("gain", _say_nothing(material), {}, material.files(material.tests[0], material.evaluated))]
    return found + [one for test in material.tests for one in _examples(test, material)]


def _groups(systems: Iterable[EvaluatedSystem]) -> dict[Group, list[EvaluatedSystem]]:
    """The systems of each method on each training data."""
    found: dict[Group, list[EvaluatedSystem]] = {}
    for one in systems:
        found.setdefault((one.system.data, one.system.method), []).append(one)
    return found


def _examples(test: str, material: Material) -> Iterable[Finding]:
    """What each choice of examples in the prompt gained over the baselines of its method."""
    groups = _groups(one for one in material.of_test(test) if one.has_examples and one.gain(material.metric))
    for (data, method), systems in groups.items():
        numbers = material.numbers("examples", test, *([data] if data != test else []), method)
        who = f"Showing the examples of {method}{f' from {data}' if data != test else ''}"
        names = titles_of(systems)
        outcome = Outcome({names[one.system]: one.gain(material.metric) for one in systems}, "model")
        text = say_effect(outcome, who, material.label, numbers)
        yield Finding(numbers.prefix, material.on(test, text), numbers.found, material.files(test, systems))


def _say_nothing(material: Material) -> str:
    if any(one.is_tuned for one in material.evaluated):
        return "No baseline was evaluated, so nothing is said of what tuning gains."
    return "No model was tuned in this study, so nothing is said of what tuning gains."


def _effects(tuned: Tuned, material: Material) -> list[Finding]:
    """The gain of all systems together; where there are several methods, of each of them; and the gain on code."""
    test, metric, label = tuned.test, material.metric, material.label
    files = material.files(test, tuned.systems)
    groups = tuned.groups
    who = f"Tuning by {next(iter(groups))[1]}" if len(groups) == 1 else "Tuning"
    found = []
    for name, by, where in (("gain", metric, ""), ("code", material.on_code, "On the code alone")):
        if by is None:
            continue
        numbers = material.numbers(name, test)
        text = say_effect(tuned.outcome(by), "Tuning" if where else who, label, numbers, where)
        details = [_of_group(name, by, tuned, group, material) for group in groups]
        if len(groups) == 1:  # the same numbers, by the names that they have beside other methods
            numbers.found.update(details[0].numbers)
            details = []
        found += [Finding(f"{name}.{test}", material.on(test, text), numbers.found, files), *details]
    return found


def _of_group(name: str, metric: str, tuned: Tuned, group: Group, material: Material) -> Finding:
    """The gain of one method on one training data."""
    (data, method), test, systems = group, tuned.test, tuned.groups[group]
    names = [name, test, *([data] if data != test else []), method]
    numbers = material.numbers(*names)
    outcome = Tuned(test, systems).outcome(metric)
    is_told = data != test or len({of for of, _ in tuned.groups}) > 1
    text = f"By {method}{f' trained on {data}' if is_told else ''}: {say_counts(outcome, numbers)}."
    return Finding(".".join(names), material.on(test, text), numbers.found, material.files(test, systems))


def _format(tuned: Tuned, material: Material) -> Iterable[Finding]:
    """How much of the mean gain over the first baseline is format."""
    code = material.on_code
    first: dict[str, list[tuple[float, float]]] = {}
    for one in tuned.systems if code else ():
        written, coded = gains_over(one, material.metric), gains_over(one, str(code))
        for name in list(written)[:1]:
            gains = (written[name].gain, coded[name].gain if name in coded else None)
            if gains[0] is not None and gains[1] is not None:
                first.setdefault(name, []).append((gains[0], gains[1]))
    for name, pairs in first.items():
        numbers = material.numbers("format", tuned.test, name)
        numbers.count("systems", len(pairs))
        text = _say_format(name, mean_of(one for one, _ in pairs), mean_of(one for _, one in pairs), pairs, numbers)
        yield Finding(numbers.prefix, material.on(tuned.test, text), numbers.found, material.files(tuned.test))


def _say_format(over: str, written: float, coded: float, pairs: Sequence[tuple[float, float]], numbers: Numbers) -> str:
    mean = "the mean gain" if len(pairs) > 1 else "the gain"
    texts = [numbers.signed("written", written), numbers.signed("code", coded)]
    text = f"Over {over}, {mean} is {texts[0]} as written and {texts[1]} on the code alone"
    if written <= 0:
        return f"{text}."
    if coded <= 0:
        return f"{text}: all of it is stopping and format."
    share = 1 - coded / written
    if round(100 * share) <= 0:
        return f"{text}: none of it is stopping and format."
    return f"{text}: {numbers.percent('share', share)} of it is stopping and format."


def _better_baseline(tuned: Tuned, material: Material) -> Iterable[Finding]:
    """Which baseline was the better one, where systems have several."""
    several = [one for one in tuned.systems if len(gains_over(one, material.metric)) > 1]
    better = Counter(gain.over.method for one in several if (gain := one.gain(material.metric)))
    if not better:
        return
    numbers = material.numbers("baseline", tuned.test)
    total = numbers.count("systems", len(several))
    noun = tuned.noun if len(several) == 1 else f"{tuned.noun}s"
    if len(better) == 1:
        name = next(iter(better))
        numbers.count(name, len(several))
        whom = several[0].model.label if len(several) == 1 else f"all {total} {noun}"
        text = f"The better baseline is {name} for {whom}; gains are measured over it."
    else:
        counts = [f"{name} for {numbers.count(name, count)}" for name, count in better.most_common()]
        counts[0] += f" of {total} {noun}"
        text = f"The better baseline is {listed(counts)}; gains are measured over the better one."
    yield Finding(numbers.prefix, material.on(tuned.test, text), numbers.found, material.files(tuned.test))
