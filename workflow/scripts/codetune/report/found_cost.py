"""What a study cost in all, what was cut off, and what became of the paper's claims."""

from collections.abc import Iterable, Sequence
from statistics import fmean

from codetune.base.machine import Environment
from codetune.papers.verdicts import AGREES, COMPATIBLE, DISAGREES, NOT_CHECKABLE, NOT_COMPATIBLE, NOT_STATED, UNDECIDED
from codetune.report.finding import Finding, Material, Numbers, files_of, listed
from codetune.report.rows import EvaluatedSystem
from codetune.study.record import Record
from codetune.study.runs import NONE

JOULES_PER_KWH = 3.6e6
Spent = list[tuple[Environment, float]]  # where each job ran, and its seconds


def find_cost(material: Material) -> list[Finding]:
    """The hours that trainings and decoding took on GPUs and processors, and the energy where it was measured."""
    records = [record for record in material.records if not record.run.retrieves]
    if not records:
        return []
    numbers, said = material.numbers("cost"), []
    trained = [record for record in records if record.training is not None]
    if trained:
        count = numbers.count("trainings", len(trained))
        searched = ", with all trials of their searches," if any(record.search for record in trained) else ""
        noun = "training" if len(trained) == 1 else "trainings"
        said.append(f"{count} {noun}{searched} took {_say_time('training', _training(trained), numbers)}")
    said.append(f"decoding took {_say_time('decoding', _decoding(records), numbers)}")
    text = f"{listed(said)}."
    text = " ".join([text[:1].upper() + text[1:], *_say_energy(trained, numbers)])
    return [Finding("cost", text, numbers.found, files_of(records))]


def _training(records: Sequence[Record]) -> Spent:
    """Of each training; where settings were searched, with all trials."""
    return [
        (training.environment, record.search.seconds if record.search else training.cost.seconds)
        for record in records
        if (training := record.training)
    ]


def _decoding(records: Sequence[Record]) -> Spent:
    """Of decoding each test set."""
    facts = [tested.generation for record in records for tested in record.tests.values()]
    return [(one.environment, one.seconds) for one in facts if one]


def _say_time(stage: str, spent: Spent, numbers: Numbers) -> str:
    """Time on GPUs, of which each job has one, and on processors."""
    parts = []
    for kind, unit in (("gpu", "GPU"), ("processor", "processor")):
        seconds = [duration for environment, duration in spent if bool(environment.gpus) == (kind == "gpu")]
        if seconds:
            parts.append(_say_duration(f"{stage}_{kind}_hours", sum(seconds) / 3600, unit, numbers))
    return listed(parts)


def _say_duration(name: str, hours: float, unit: str, numbers: Numbers) -> str:
    """A duration in hours, or in minutes where it is less than one."""
    text = f"{hours:,.1f}" if hours >= 1 else f"{60 * hours:.0f}" if hours * 60 >= 1 else f"{60 * hours:.1f}"
    return f"{numbers.keep(name, hours, text)} {unit} {'hours' if hours >= 1 else 'minutes'}"


def _say_energy(trained: Sequence[Record], numbers: Numbers) -> Iterable[str]:
    """The energy of the trainings, in a sentence; nothing where it was not measured."""
    joules = [one.training.cost.energy_joules for one in trained if one.training]
    known = [one for one in joules if one is not None]
    if known:
        kwh = sum(known) / JOULES_PER_KWH
        text = f"{kwh:,.1f}" if kwh >= 1 else f"{kwh:.2g}"
        which = "the trainings" if len(known) == len(joules) else f"{numbers.count('measured', len(known))} of them"
        yield f"The GPUs used {numbers.keep('kwh', kwh, text)} kWh in {which}, as far as it was measured."


def find_cut_off(material: Material) -> list[Finding]:
    """How many predictions the limit on new tokens or the context cut off, untuned and tuned."""
    found = []
    for test in material.tests:
        numbers, parts = material.numbers("cut_off", test), []
        for name, words, tuned in (("untuned", "the untuned models'", False), ("tuned", "the tuned models'", True)):
            systems = [one for one in material.of_test(test) if one.is_tuned == tuned and one.system.model != NONE]
            if systems:
                shares = [_share(one) for one in systems]
                numbers.keep(f"{name}_systems", len(systems), str(len(systems)))
                parts.append(f"{numbers.percents(name, shares)} of {words} predictions")
        if parts:
            text = f"The limit on new tokens or the context cut off {listed(parts)}."
            found.append(Finding(numbers.prefix, material.on(test, text), numbers.found, _records(material, test)))
    return found


def _share(one: EvaluatedSystem) -> float:
    return fmean(summary.truncated for summary in one.summaries)


def _records(material: Material, test: str) -> list[str]:
    return files_of([record for one in material.of_test(test) for record in one.records])


def find_claims(material: Material) -> list[Finding]:
    """How many of the paper's claims hold, as far as the audit can tell."""
    if material.audit is None:
        return []
    numbers, counts = material.numbers("audit"), material.audit
    holds, fails = (
        counts.get(one, 0) + counts.get(other, 0) for one, other in ((AGREES, COMPATIBLE), (DISAGREES, NOT_COMPATIBLE))
    )
    undecided, claims = counts.get(UNDECIDED, 0), sum(counts.values())
    checked = claims - counts.get(NOT_CHECKABLE, 0) - counts.get(NOT_STATED, 0)
    total = numbers.count("claims", claims)
    if not checked:
        text = f"None of the paper's {total} claims can be checked with what was run here."
    else:
        text = (
            f"Of the paper's {total} claims, {numbers.count('checked', checked)} can be checked here: "
            f"{numbers.count('hold', holds)} hold, {numbers.count('fail', fails)} "
            f"{'does' if fails == 1 else 'do'} not, {numbers.count('undecided', undecided)} "
            f"{'is' if undecided == 1 else 'are'} undecided."
        )
    return [Finding("audit", text, numbers.found, [material.audit_path])]
