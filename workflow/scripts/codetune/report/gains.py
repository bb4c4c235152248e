"""What a system gains: as written and on code, over each baseline of its method; and how much of that is format."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from codetune.base.files import Row
from codetune.evaluation.comparisons import Comparison
from codetune.report.format import digits_of, format_signed
from codetune.report.rows import EvaluatedSystem, gains_are_by_tuning

FEWER = 2  # decimals that a sentence has less than a table, if one is left


@dataclass(frozen=True)
class Kind:
    """Which of a system's gains.

    Attributes:
        over: Name of the baseline's method.
        text: `as written` or `on code`: what of each prediction is scored; empty where there is no such choice.
    """

    over: str
    text: str

    @property
    def words(self) -> str:
        """What it is, in words."""
        return f"over {self.over} {self.text}".strip()


def gains_over(one: EvaluatedSystem, metric: str) -> dict[str, Comparison]:
    """The gain of a system over each baseline of its method, by the baseline's name, in the method's order."""
    names = one.records[0].method.baselines
    found = {name: one.comparisons.gain_over(one.system, name, metric) for name in names}
    return {name: gain for name, gain in found.items() if gain is not None}


def baselines_of(evaluated: Sequence[EvaluatedSystem], metric: str) -> list[str]:
    """Names of all baselines that a gain is measured over."""
    return list(dict.fromkeys(name for one in evaluated for name in gains_over(one, metric)))


def baselines_not_run(evaluated: Sequence[EvaluatedSystem], metric: str) -> dict[tuple[str, str], list[str]]:
    """Labels of the models on which a baseline of a method was not evaluated, by the baseline and the method."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in evaluated:
        for name in one.records[0].method.baselines:
            labels = found.setdefault((name, one.system.method), [])
            if name not in gains_over(one, metric) and one.model.label not in labels:
                labels.append(one.model.label)
    return {key: labels for key, labels in found.items() if labels}


def baselines_held_otherwise(evaluated: Sequence[EvaluatedSystem], metric: str) -> list[tuple[str, str]]:
    """Baselines whose weights are held otherwise than those of a method that is measured over them, and the method."""
    held = {one.system.method: one.records[0].method.quantization for one in evaluated}
    pairs = dict.fromkeys((name, one.system.method) for one in evaluated for name in gains_over(one, metric))
    return [(name, method) for name, method in pairs if held[name] != held[method]]


def say_cause(evaluated: Sequence[EvaluatedSystem], methods: Collection[str]) -> str:
    """What the gains of some methods are of: `tuning`, `examples`, or `tuning or examples`."""
    found = {one.has_examples for one in evaluated if one.system.method in methods}
    return " or ".join(word for word, has_examples in (("tuning", False), ("examples", True)) if has_examples in found)


def gain_columns(one: EvaluatedSystem, metric: str, baselines: Sequence[str]) -> Row:
    """The columns of a system's gain over each baseline, as written and on code, for a CSV.

    Args:
        one: The system.
        metric: Name of the metric.
        baselines: Names of all baselines; a column of one that the system is not measured over is empty.
    """
    code = one.comparisons.on_code(metric)
    found: Row = {}
    for name, key in ((metric, "gain"), *([(code, "gain_on_code")] if code else [])):
        gains = gains_over(one, name)
        for over in baselines:
            gain = gains.get(over)
            found[f"{key}_over_{over}"] = gain.gain if gain else None
            found[f"{key}_low_over_{over}"], found[f"{key}_high_over_{over}"] = gain.ends if gain else (None, None)
    return found


def telling_gains(one: EvaluatedSystem, metric: str) -> dict[Kind, Comparison]:
    """The gains that tell what is format: as written over the first baseline, then on code over each.

    Without a metric on code they are the gains over each baseline.
    """
    written = gains_over(one, metric)
    code = one.comparisons.on_code(metric)
    if code is None:
        return {Kind(name, ""): gain for name, gain in written.items()}
    first = {Kind(name, "as written"): gain for name, gain in list(written.items())[:1]}
    return first | {Kind(name, "on code"): gain for name, gain in gains_over(one, code).items()}


def say_gains(evaluated: Sequence[EvaluatedSystem], metric: str, papers: Mapping[str, Sequence[float]]) -> str:
    """Says how far the gains go that tell what is format; nothing where no gain was measured.

    There is a sentence per test set and first baseline, and another one for gains of examples. One more says what is
    between these gains.

    Args:
        evaluated: The systems.
        metric: Name of the metric.
        papers: The paper's own gains over a baseline, by the baseline's name.
    """
    groups: dict[tuple[str, str, str], list[dict[Kind, Comparison]]] = {}
    for one in evaluated:
        if gains := telling_gains(one, metric):
            of = " of examples" if one.has_examples else ""
            groups.setdefault((one.test, next(iter(gains)).over, of), []).append(gains)
    several = len({test for test, *_ in groups}) > 1
    digits = max(1, digits_of(evaluated[0].comparisons.metrics[metric].highest) - FEWER)
    said = []
    for (test, _, of), systems in groups.items():
        if parts := _ranges(systems, digits, {} if of else papers):
            word = ("Gains" if len(systems) > 1 else "Gain") + of
            said.append(f"{f'On {test}: {word.lower()}' if several else word} {parts}.")
    if any("on code" in sentence for sentence in said):
        overs = {kind.over for systems in groups.values() for gains in systems for kind in gains}
        alone = gains_are_by_tuning(evaluated) and not baselines_held_otherwise(evaluated, metric)
        said.append(_say_reasons(alone and _prompts_differ(evaluated, overs)))
    return " ".join(said)


def _ranges(systems: Sequence[dict[Kind, Comparison]], digits: int, papers: Mapping[str, Sequence[float]]) -> str:
    """From where to where each kind of gain goes; with a count where it was not measured of all systems."""
    parts = []
    for kind in dict.fromkeys(kind for gains in systems for kind in gains):
        found = [gains[kind].gain for gains in systems if kind in gains]
        known = [gain for gain in found if gain is not None]
        count = f"{len(known)} of {len(systems)} systems" if len(known) < len(systems) else ""
        paper = _range(papers.get(kind.over, []), 2) if kind.text != "on code" else ""
        more = "; ".join(filter(None, [count, paper and f"the paper's: {paper}"]))
        if known:
            parts.append(f"{kind.words}: {_range(known, digits)}{more and f' ({more})'}")
    return "; ".join(parts)


def _range(values: Sequence[float], digits: int) -> str:
    """The lowest and the highest value; empty where there are none."""
    ends = [min(values), max(values)] if values else []
    return " to ".join(dict.fromkeys(str(format_signed(end, digits)) for end in ends))


def _prompts_differ(evaluated: Sequence[EvaluatedSystem], methods: Collection[str]) -> bool:
    """Whether some model has more than one template among these methods; none has where its own is always `chat`."""
    found = {(one.model.name, one.records[0].template) for one in evaluated if one.system.method in methods}
    return len(found) > len({model for model, _ in found})


def _say_reasons(prompts: bool) -> str:
    """What the difference between two of the gains is due to.

    Args:
        prompts: Whether baselines of one model differ, in the prompt alone: all are untuned.
    """
    text = "Gains as written and on code differ by stopping and format"
    return f"{text}, those over two baselines by the prompt." if prompts else f"{text}."
