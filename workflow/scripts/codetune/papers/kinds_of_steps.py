"""Kinds of measures on training steps, from token statistics and trainings. Models that were not run have no row."""

import statistics
from collections.abc import Sequence

from codetune.base.files import Row
from codetune.base.plain import read_number
from codetune.methods.schedule import share_of_highest
from codetune.papers.declared import TUNED
from codetune.papers.evidence import OWN_CHOICE, Evidence, ModelEvidence, paths_of
from codetune.papers.lengths import MOST_EMPTY, counts_of, lengths_that_fit
from codetune.papers.measured import Declared, Measured
from codetune.papers.printed import format_range, format_seeds, rounds_to
from codetune.papers.steps import implied_sequences
from codetune.prompts.packing import steps_per_epoch
from codetune.study.facts import TrainingFacts


def _row(declared: Declared, model: str) -> tuple[Row, ModelEvidence] | None:
    """The model's row of the paper's Table 1, with what this study has of the model."""
    rows = declared.evidence.rows("table1")
    return next(((row, one) for row, one in rows if row["model"] == model), None)


def _trainings(model: ModelEvidence) -> list[TrainingFacts]:
    return [record.training for record in model.runs_of(TUNED) if record.training]


def steps_here(declared: Declared, model: str) -> Measured | None:
    """The steps of a model at the paper's batch size, of samples packed and of one sample per sequence.

    These follow from this study's share of training samples and length of sequences, so that they decide nothing.
    """
    found = _row(declared, model)
    if found is None or not found[1].stats:
        return None
    row, stats = found[0], found[1].stats
    epochs, batch, steps = row["epochs"], row["batch_size"], []
    counts = [read_number(stats, "parts", "train", name) for name in ("packed_sequences", "samples")]
    for count in counts:
        steps.append(f"{epochs * (count // batch):,} or {epochs * steps_per_epoch(count, batch):,}")
    shown = f"{steps[0]} of samples packed; {steps[1]} of one sample per sequence"
    how = (
        f"{epochs} epochs of {counts[0]:,} or {counts[1]:,} sequences; batches of {batch}, without or with the last, "
        "smaller one"
    )
    return Measured([], shown, how, [stats], declared.evidence.obstacle([model], data=True) or OWN_CHOICE)


def steps_trained(declared: Declared, model: str) -> Measured | None:
    """The steps for which a model was trained here, early stopping included; mean over the seeds."""
    found = _row(declared, model)
    trained = [one.result.steps for one in _trainings(found[1])] if found else []
    if found is None or not trained:
        return None
    how, files = f"until training stopped, {format_seeds(len(trained))}", paths_of(found[1].runs_of(TUNED))
    because = declared.evidence.obstacle([model], data=True) or OWN_CHOICE
    return Measured([], f"{statistics.fmean(trained):,.0f}", how, files, because)


def rate_where_stopped(declared: Declared, models: list[str]) -> Measured | None:
    """How far the learning rate had fallen where training stopped: the schedule is laid out over all epochs.

    A training that stops early sees only its beginning. When it stops is this study's choice.
    """
    here = {row["model"]: one for row, one in declared.evidence.rows("table1") if row["model"] in models}
    trained = {name: found for name, one in here.items() if (found := _trainings(one))}
    if not trained:
        return None
    shown = "; ".join(f"{here[name].label} {_where_it_stopped(found)}" for name, found in trained.items())
    how = "the schedule, which is laid out over all epochs, at the last step; mean over the seeds"
    files = paths_of(record for name in trained for record in here[name].runs_of(TUNED))
    return Measured([], shown, how, files, declared.evidence.obstacle(trained, data=True) or OWN_CHOICE)


def _where_it_stopped(trainings: Sequence[TrainingFacts]) -> str:
    """The mean over seeds of the share of the peak, and of the epochs that were done."""
    results = [(facts.plan.settings, facts.result) for facts in trainings]
    share = statistics.fmean(  # the rate of a step follows from the steps done before it
        share_of_highest(settings.schedule, settings.warmup_steps, one.steps - 1, one.planned_steps)
        for settings, one in results
    )
    done = statistics.fmean(settings.epochs * one.steps / one.planned_steps for settings, one in results)
    return f"{share:.3f} after {done:.1f} of {results[0][0].epochs} epochs"


def same_column(declared: Declared, column: str, method: str, models: list[str], table: str, as_in: str) -> Measured:
    """Whether a column of a table is, rounded, that of another one."""
    pairs = [[declared.cell(one, model, method, column) for one in (table, as_in)] for model in models]
    values = [rounds_to(printed, float(other or 0)) for printed, other in pairs]
    return Measured(values, ", ".join(str(other) for _, other in pairs), f"Table {as_in}'s {column}")


def one_number_of_sequences(declared: Declared, whole_batches: bool) -> Measured:
    """Whether one number of training sequences gives all steps of the paper's Table 1."""
    fits = implied_sequences(declared.paper["table1"], whole_batches)
    how = "the numbers that steps and batch size allow, common to all rows"
    return Measured([bool(fits)], format_range(fits), how)


def part_of_records(declared: Declared) -> Measured | None:
    """Whether all records, one per sequence, give the steps at a whole multiple of the printed batch size."""
    evidence, fits = declared.evidence, implied_sequences(declared.paper["table1"], whole_batches=True)
    if not fits or not evidence.models:
        return None
    records = read_number(evidence.card, "records")
    times = [factor for factor in range(1, records // fits.start + 1) if records // factor in fits]
    shown = ", ".join(f"{records:,} / {factor} = {records // factor:,}" for factor in times)
    because = evidence.obstacle(data=True)
    return Measured(
        [bool(times)], shown or f"none of {records:,} / k", "records of the data card", [evidence.card], because
    )


def one_length_of_sequences(declared: Declared, template: str) -> Measured | None:
    """Whether one length of packed sequences gives all steps of Table 1, with a template that all its models have."""
    evidence, table1 = declared.evidence, declared.paper["table1"]
    models = list(evidence.trained.values())
    if len(models) < len(table1) or not all(template in one.tokens and template in one.prompts for one in models):
        return None
    shares = list(zip(*(counts_of(model, template) for model in models), strict=True))
    samples = [sum(share[0].values()) for share in shares]
    fitting = sorted({length for share in shares for length in lengths_that_fit(table1, share)})
    tried = ", ".join(f"{100 * count / samples[-1]:.0f} %" for count in samples)
    how = (
        f"tokens of every sample, on {tried} of the samples, with and without the last, smaller batch, and with up to "
        f"{100 * MOST_EMPTY:.0f} % of the sequences' room left empty"
    )
    return Measured(
        [bool(fitting)],
        ", ".join(f"{length:,}" for length in fitting) or "none",
        how,
        [path for model in models for path in (model.tokens[template], model.prompts[template])],
        _obstacle_of_all(evidence, table1),
    )


def _obstacle_of_all(evidence: Evidence, table1: Sequence[Row]) -> str:
    return evidence.obstacle([row["model"] for row in table1], data=True)
