"""Table 2 in short, as people read it first: what tuning and examples changed, model by model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from codetune.evaluation.comparisons import Comparison
from codetune.report.finding import Material
from codetune.report.format import format_number, format_signed
from codetune.report.latex import EMPTY
from codetune.report.rows import EvaluatedSystem, gains_are_by_tuning
from codetune.study.runs import NONE

MOST_ROWS = 15  # systems; more are shown as a matrix of models and methods


@dataclass(frozen=True)
class ShortTable:
    """A table for readers.

    Attributes:
        title: What it shows.
        head: Names of the columns.
        rows: The cells.
        note: How to read them.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str


def short_tables(material: Material) -> list[ShortTable]:
    """The scores of systems and of their baselines on each test set, with gains; of many systems the gains alone."""
    found = []
    for test in material.tests:
        systems = [one for one in material.of_test(test) if one.is_adapted]
        if len(systems) > MOST_ROWS:
            metrics = filter(None, (material.metric, material.on_code))
            found += [_matrix(material, test, systems, metric) for metric in metrics]
        else:
            found.append(_rows(material, test))
    return found


def _rows(material: Material, test: str) -> ShortTable:
    """One row per system that is tuned or has examples, then one per system that is no baseline of any."""
    all_, metric, code = material.of_test(test), material.metric, material.on_code
    adapted = [one for one in all_ if one.is_adapted]
    models = {one.system.model for one in adapted}
    others = [one for one in all_ if one.system.model not in models]
    before = "Untuned" if gains_are_by_tuning(all_) else "Baseline"
    after = "Score" if any(one.has_examples for one in adapted) else "Tuned"
    columns: dict[str, Callable[[EvaluatedSystem], str]] = {
        "Model": lambda one: one.model.label,
        "Data": lambda one: one.system.data if one.system.data != NONE else EMPTY,
        "Method": lambda one: one.system.method,
        before: lambda one: (_before if one.is_adapted else _score)(one, metric, material),
        after: lambda one: _score(one, metric, material) if one.is_adapted else EMPTY,
        "Gain": lambda one: _gain(one.gain(metric), material),
        "Verdict": lambda one: _verdict(one.gain(metric)),
    }
    if code:
        columns["Gain on code"] = lambda one: _gain(one.gain(code), material)
        columns["Verdict on code"] = lambda one: _verdict(one.gain(code))
    if len({one.system.data for one in adapted}) < 2:
        del columns["Data"]
    rows = [[cell(one) for cell in columns.values()] for one in [*adapted, *others]]
    note = f"{before}: the better of the baselines of a model. In brackets: 95 % intervals, not corrected."
    return ShortTable(_title(material, test, material.label), list(columns), rows, note if adapted else "")


def _matrix(material: Material, test: str, systems: Sequence[EvaluatedSystem], metric: str) -> ShortTable:
    """One row per model and data, one column per method."""
    methods = list(dict.fromkeys(one.system.method for one in systems))
    data = len({one.system.data for one in systems}) > 1
    found: dict[tuple[str, str], dict[str, EvaluatedSystem]] = {}
    for one in systems:
        found.setdefault((one.system.model, one.system.data), {})[one.system.method] = one
    rows = []
    for of in found.values():
        first = next(iter(of.values()))
        cells = [_in_matrix(of[method].gain(metric), material) if method in of else EMPTY for method in methods]
        rows.append([first.model.label, *([first.system.data] if data else []), *cells])
    label = material.comparisons[test].metrics[metric].label
    head = ["Model", *(["Data"] if data else []), *methods]
    note = "Gains over the better baseline; in brackets where the verdict is undecided."
    return ShortTable(_title(material, test, f"gain in {label}"), head, rows, note)


def _title(material: Material, test: str, what: str) -> str:
    where = f" on {test}" if len(material.tests) > 1 else ""
    return f"{what[:1].upper()}{what[1:]}{where}"


def _in_matrix(gain: Comparison | None, material: Material) -> str:
    text = format_signed(gain.gain, material.digits) if gain else None
    return EMPTY if gain is None or text is None else f"({text})" if gain.verdict == "undecided" else text


def _before(one: EvaluatedSystem, metric: str, material: Material) -> str:
    """The score of the baseline that the gain is over, with its name where a method has several."""
    gain = one.gain(metric)
    if gain is None:
        return EMPTY
    name = f" ({gain.over.method})" if len(one.records[0].method.baselines) > 1 else ""
    text = format_number(one.comparisons.score_of(gain.over, metric).score, material.digits + 1)
    return f"{text}{name}" if text else EMPTY


def _score(one: EvaluatedSystem, metric: str, material: Material) -> str:
    return format_number(one.score(metric).score, material.digits + 1) or EMPTY


def _gain(gain: Comparison | None, material: Material) -> str:
    """A gain with its interval."""
    text = format_signed(gain.gain, material.digits + 1) if gain else None
    if gain is None or text is None:
        return EMPTY
    if gain.interval is None:
        return text
    return f"{text} ({' to '.join(str(format_signed(end, material.digits + 1)) for end in gain.interval)})"


def _verdict(gain: Comparison | None) -> str:
    return (gain.verdict if gain else None) or EMPTY
