"""Claims about training steps, checked against token statistics."""

import statistics

from codetune.base.files import Row
from codetune.base.plain import read_number
from codetune.methods.schedule import share_of_highest
from codetune.papers.declared import TUNED
from codetune.papers.evidence import OWN_CHOICE, Evidence, paths_of
from codetune.papers.printed import format_range, format_seeds, rounds_to
from codetune.papers.verdicts import PAPER, Claim, Verdict, exact
from codetune.prompts.packing import steps_per_epoch
from codetune.study.facts import TrainingFacts


def check_steps(evidence: Evidence) -> list[Verdict]:
    """Steps of both tables, beside those of samples packed into training sequences and of one sample per sequence.

    These follow from this study's share of training samples and length of sequences, so that they decide nothing.
    """
    other = _steps_of_table2(evidence.paper)
    verdicts = []
    for row, model in evidence.rows("table1"):
        if not model.stats:
            continue
        epochs, batch, steps = row["epochs"], row["batch_size"], []
        counts = [read_number(model.stats, "parts", "train", name) for name in ("packed_sequences", "samples")]
        for count in counts:
            steps.append(f"{epochs * (count // batch):,} or {epochs * steps_per_epoch(count, batch):,}")
        verdicts.append(
            Claim(f"Steps of {model.label}", "Tables 1, 2", f"{row['steps']}; {other[row['model']]}").against(
                f"{steps[0]} of samples packed; {steps[1]} of one sample per sequence",
                how=f"{epochs} epochs of {counts[0]:,} or {counts[1]:,} sequences; batches of {batch}, without or with "
                "the last, smaller one",
                files=[model.stats],
                because=evidence.obstacle([row["model"]], data=True) or OWN_CHOICE,
            )
        )
    return [*verdicts, _steps_of_both(evidence.paper)]


def check_steps_trained(evidence: Evidence) -> list[Verdict]:
    """Steps of Table 1 against those trained here, early stopping included; mean over the seeds."""
    verdicts = []
    for row, model in evidence.rows("table1"):
        records = model.runs_of(TUNED)
        trained = [record.training.result.steps for record in records if record.training]
        if trained:
            steps = statistics.fmean(trained)
            verdicts.append(
                Claim(f"Steps of {model.label}, as trained here", "Table 1", row["steps"]).against(
                    f"{steps:,.0f}",
                    how=f"until training stopped, {format_seeds(len(trained))}",
                    files=paths_of(records),
                    because=evidence.obstacle([row["model"]], data=True) or OWN_CHOICE,
                )
            )
    return verdicts


def check_schedule(evidence: Evidence) -> list[Verdict]:
    """How far the learning rate had fallen where training stopped: the schedule is laid out over all epochs.

    A training that stops early sees only its beginning. When it stops is this study's choice.
    """
    trainings = {
        row["model"]: [record.training for record in model.runs_of(TUNED) if record.training]
        for row, model in evidence.rows("table1")
    }
    trainings = {key: found for key, found in trainings.items() if found}
    if not trainings:
        return []
    shown = [f"{evidence.models[key].label} {_where_it_stopped(found)}" for key, found in trainings.items()]
    epochs = " or ".join(dict.fromkeys(str(row["epochs"]) for row in evidence.paper["table1"]))
    printed = f"{evidence.paper['schedule']} over {epochs} epochs, early stopping"
    return [
        Claim("Learning rate where training stopped, as a share of its peak", "section 3.5, Table 1", printed).against(
            "; ".join(shown),
            how="the schedule, which is laid out over all epochs, at the last step; mean over the seeds",
            files=paths_of(record for key in trainings for record in evidence.models[key].runs_of(TUNED)),
            because=evidence.obstacle(trainings, data=True) or OWN_CHOICE,
        )
    ]


def _where_it_stopped(trainings: list[TrainingFacts]) -> str:
    """The mean over seeds of the share of the peak, and of the epochs that were done."""
    results = [(facts.plan.settings, facts.result) for facts in trainings]
    share = statistics.fmean(  # the rate of a step follows from the steps done before it
        share_of_highest(settings.schedule, settings.warmup_steps, one.steps - 1, one.planned_steps)
        for settings, one in results
    )
    done = statistics.fmean(settings.epochs * one.steps / one.planned_steps for settings, one in results)
    return f"{share:.3f} after {done:.1f} of {results[0][0].epochs} epochs"


def _steps_of_table2(paper: Row) -> dict[str, str]:
    """What Table 2 prints of each tuned model."""
    return {row["model"]: row["steps"] for row in paper["table2"] if "steps" in row}


def _steps_of_both(paper: Row) -> Verdict:
    other = _steps_of_table2(paper)
    printed = ", ".join(other[row["model"]] for row in paper["table1"])
    return Claim("Table 2's steps are Table 1's", "Tables 1, 2", printed).against(
        ", ".join(str(row["steps"]) for row in paper["table1"]),
        exact(all(rounds_to(other[row["model"]], row["steps"]) for row in paper["table1"])),
        how="Table 1's steps",
        files=PAPER,
    )


def sequences_of(row: Row, whole_batches: bool) -> range:
    """The numbers of training sequences that give a row of Table 1 its steps.

    Args:
        row: The paper's row.
        whole_batches: Only whole batches are steps, as in transformers 4 where it accumulates gradients; else the
            last, smaller one too.
    """
    steps, batch = row["steps"] // row["epochs"], row["batch_size"]
    first = steps * batch if whole_batches else (steps - 1) * batch + 1
    return range(first, first + batch)


def implied_sequences(table1: list[Row], whole_batches: bool) -> range:
    """The numbers of training sequences that give every row of Table 1 its steps, as `sequences_of` does one."""
    each = [sequences_of(row, whole_batches) for row in table1]
    return range(max(one.start for one in each), min(one.stop for one in each))


def check_sequences(evidence: Evidence) -> list[Verdict]:
    """What Table 1's steps per epoch say about the number of training sequences."""
    table1 = evidence.paper["table1"]
    printed = ", ".join(f"{row['steps'] / row['epochs']:g}" for row in table1) + " steps an epoch"
    verdicts = []
    for whole, counted in ((False, "the last, smaller batch counts"), (True, "only whole batches count")):
        fits = implied_sequences(table1, whole)
        claim = f"One number of training sequences gives all of Table 1's steps, where {counted}"
        verdicts.append(
            Claim(claim, "Table 1", printed).against(
                format_range(fits),
                exact(bool(fits)),
                how="the numbers that steps and batch size allow, common to all rows",
                files=PAPER,
            )
        )
    fits = implied_sequences(table1, whole_batches=True)
    if fits and evidence.models:
        verdicts.append(_multiple_of_batch(evidence, fits))
    return verdicts


def _multiple_of_batch(evidence: Evidence, fits: range) -> Verdict:
    """Whether all records, one per sequence, give the steps at a whole multiple of the printed batch size."""
    records = read_number(evidence.card, "records")
    times = [factor for factor in range(1, records // fits.start + 1) if records // factor in fits]
    shown = ", ".join(f"{records:,} / {factor} = {records // factor:,}" for factor in times)
    claim = "That number is all records by a whole number k: no packing, and k times the printed batch size"
    return Claim(claim, "Table 1", format_range(fits)).against(
        shown or f"none of {records:,} / k",
        exact(bool(times)),
        how="records of the data card",
        files=[evidence.card],
        because=evidence.obstacle(data=True),
    )
