"""Kinds of measures on this study's scores and comparisons. What was not run has no row."""

from collections.abc import Mapping, Sequence

from codetune.papers.declared import TUNED
from codetune.papers.evidence import NOT_RUN, OTHER_DATA, OTHER_MODELS, TUNED_HERE, Evidence, ModelEvidence, paths_of
from codetune.papers.intervals import Interval, direction, of_all, of_another_sample, percent_of_another_sample
from codetune.papers.measured import Declared, Measured
from codetune.papers.places import in_units_of, runs_of
from codetune.papers.printed import format_seeds, parse_printed
from codetune.papers.scores import declared_scores, spread_of_scores
from codetune.papers.verdicts import NOT_COMPATIBLE
from codetune.study.record import Record

ANOTHER = "in brackets where another sample of this size may have it"
PAIRED = "by the corrected p-value of each pair, on the same samples"


def score_here(declared: Declared, model: str, method: str) -> Measured | None:
    """The score of a model under a method, with the interval of another sample's."""
    evidence = declared.evidence
    one = evidence.models.get(model)
    records = one.runs_of(method) if one else []
    if one is None or not records:
        return None
    score = evidence.score_of(one.system_of(method))
    interval = of_another_sample(score) if score else None
    return Measured(
        [],
        _show(score.score if score else None, interval, ".4f"),
        f"mean over {one.samples:,} test samples and {_seeds(records)}; {ANOTHER}",
        [*paths_of(records), evidence.compared],
        evidence.obstacle([model], data=True, scores=True),
        words={"state": _untuned(records[0])},
        interval=interval,
        samples=one.samples,
        widest=spread_of_scores(evidence.paper),
    )


def score_in_table(declared: Declared, table: str, model: str, method: str, column: str, test: str) -> Measured | None:
    """The score of this study in a place of a table, in the paper's units, with the interval of another sample's."""
    evidence, found = declared.evidence, declared.table(table)
    records = runs_of(evidence.records, model, method, test, found.data)
    path, of_test = evidence.tests.get(test, ("", None))
    times = in_units_of(found.columns[column], column, of_test) if of_test else None
    if not records or of_test is None or times is None or found.value_of(model, method, test, column) is None:
        return None
    score = of_test.score_of(records[0].run.system, column)
    interval = of_another_sample(score)
    scaled = None if interval is None else (interval[0] * times, interval[1] * times)
    printed = [parse_printed(value)[0] for value in found.column(test, column)]
    samples = min(record.tests[test].summary.samples for record in records)
    is_genuine = records[0].model.source.is_repository(declared.paper["models"][model]["repo"])
    return Measured(
        [],
        _show(None if score.score is None else score.score * times, scaled, ".4g"),
        f"mean over {samples:,} test samples and {_seeds(records)}; {ANOTHER}",
        [*paths_of(records), path],
        OTHER_MODELS if not is_genuine else "" if evidence.has_its_data(test) else OTHER_DATA,
        interval=scaled,
        samples=samples,
        widest=max(printed) - min(printed),
    )


def _seeds(records: Sequence[Record]) -> str:
    """The number of seeds; for a single training that it is one training: its spread over seeds is in no interval."""
    alone = len(records) == 1 and records[0].training is not None
    return format_seeds(len(records)) + (", so of this one training" if alone else "")


def _untuned(record: Record) -> str:
    return "untuned" + (f", template '{record.template}'" if record.template else "")


def _show(value: float | None, interval: Interval | None, form: str) -> str:
    if value is None:
        return "-"
    return f"{value:{form}}" + (f" ({interval[0]:{form}} to {interval[1]:{form}})" if interval else "")


def gain_here(declared: Declared, model: str, over: str, claimed: str) -> Measured | None:
    """The gain of a tuned model in per cent over one of its untuned rows, with the interval of another sample's.

    Args:
        declared: The paper.
        model: Name of the model.
        over: Method of the untuned row.
        claimed: The gain that the paper claims: a longer interval says too little.
    """
    evidence = declared.evidence
    one = evidence.models.get(model)
    records = one.runs_of(over, TUNED) if one else []
    if one is None or not records:
        return None
    base, tuned = (evidence.score_of(one.system_of(method)) for method in (over, TUNED))
    gain = evidence.gain_of(one.system_of(TUNED), over)
    interval = percent_of_another_sample(tuned, base, gain) if tuned and base and gain else None
    value = 100 * gain.gain / base.score if gain and base and gain.gain is not None and base.score else None
    return Measured(
        [],
        _show(value, interval, ",.1f") + (" %" if value is not None else ""),
        f"gain over untuned score, {_seeds(one.runs_of(TUNED))}; {ANOTHER} (Fieller's interval)",
        [*paths_of(records), evidence.compared],
        evidence.obstacle([model], data=True, scores=True),
        words={"state": _untuned(records[0])},
        interval=interval,
        samples=one.samples,
        widest=parse_printed(claimed)[0],
    )


def _tuned(evidence: Evidence, *others: str) -> dict[str, ModelEvidence]:
    """The models that the paper tunes and that were tuned here, where methods beside it were run, too."""
    return {row["model"]: model for row, model in evidence.rows("table2", TUNED) if model.runs_of(TUNED, *others)}


def all_improve_here(declared: Declared, over: str) -> Measured | None:
    """Whether tuning improves every model, over one of its untuned rows: the paper may mean either."""
    evidence = declared.evidence
    pairs = _tuned(evidence, over)
    gains = {key: evidence.gain_of(model.system_of(TUNED), over) for key, model in pairs.items()}
    how = (
        f"gain over '{over}', on the same samples: by its corrected p-value where that is the better untuned row, "
        "else by its interval, which is not corrected"
    )
    records = [record for model in pairs.values() for record in model.runs_of(over, TUNED)]
    return _about_all(evidence, {key: direction(gain) for key, gain in gains.items()}, how, records)


def best_here(declared: Declared, model: str) -> Measured | None:
    """Whether a tuned model is above every other tuned one."""
    evidence = declared.evidence
    models = _tuned(evidence)
    if model not in models:
        return None
    top, others = models[model].system_of(TUNED), {key: one for key, one in models.items() if key != model}
    found = {key: direction(evidence.pair_of(top, one.system_of(TUNED))) for key, one in others.items()}
    records = [record for one in models.values() for record in one.runs_of(TUNED)]
    return _about_all(evidence, found, PAIRED, records, [model])


def all_above_here(declared: Declared, model: str, method: str) -> Measured | None:
    """Whether every tuned model is above an untuned one that the paper does not tune."""
    evidence = declared.evidence
    one = evidence.models.get(model)
    untuned = one.runs_of(method) if one else []
    if one is None or not untuned:
        return None
    models, over = _tuned(evidence), one.system_of(method)
    found = {key: direction(evidence.pair_of(each.system_of(TUNED), over)) for key, each in models.items()}
    records = [*untuned, *(record for each in models.values() for record in each.runs_of(TUNED))]
    how = f"{PAIRED}; the paper does not say in which template"
    because = TUNED_HERE if one.is_tuned else ""
    return _about_all(evidence, found, how, records, [model], because, _untuned(untuned[0]))


def _about_all(
    evidence: Evidence,
    found: Mapping[str, str],
    how: str,
    records: Sequence[Record],
    others: Sequence[str] = (),
    because: str = "",
    state: str = "",
) -> Measured | None:
    """What is measured for a claim about all models that the paper tunes.

    Args:
        evidence: The evidence.
        found: What the comparison says, by the model.
        how: How it says so.
        records: Of the runs that are compared.
        others: What these models are compared with, if that is a model.
        because: Why they were not compared; empty where they were.
        state: Of what they are compared with, in words.

    Returns:
        None where no model was compared.
    """
    if not found:
        return None
    used = [*found, *others]
    samples = min(evidence.models[name].samples for name in used)
    lacks = not declared_scores(evidence.paper, TUNED).keys() <= set(used)
    are_missing = lacks and of_all(found.values(), samples) != NOT_COMPATIBLE
    if any(len(evidence.models[name].runs_of(TUNED)) == 1 for name in found):
        how = f"{how}; with one seed, of that one training"
    shown = [f"better: {list(found.values()).count('better')} of {len(found)}"]
    for word in ("undecided", "worse"):
        if labels := [evidence.models[name].label for name, one in found.items() if one == word]:
            shown.append(f"{word}: {', '.join(labels)}")
    obstacle = evidence.obstacle(used, data=True, scores=True)
    return Measured(
        list(found.values()),
        "; ".join(shown),
        how,
        [*paths_of(records), evidence.compared],
        obstacle or because or (NOT_RUN if are_missing else ""),
        words={"state": state},
        samples=samples,
    )
