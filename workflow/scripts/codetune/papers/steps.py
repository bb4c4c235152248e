"""Claims about training steps, checked against token statistics."""

import math
import statistics

from codetune.base.files import Row, read_json
from codetune.papers.evidence import TUNED, Study
from codetune.papers.printed import format_range, rounds_to, table_name
from codetune.papers.verdicts import PAPER, Verdict, if_comparable, verdict_on
from codetune.prompts.packing import steps_per_epoch


def check_steps(study: Study) -> list[Verdict]:
    """Steps of both tables, against samples packed into training sequences and against one sample a sequence."""
    declared = {row["model"]: row for row in study.paper["table1"]}
    findings = []
    for table, method in (("table1", None), ("table2", TUNED)):
        for row, model in study.rows(table, method):
            train = read_json(model.stats)["parts"]["train"]
            epochs, batch = declared[row["model"]]["epochs"], declared[row["model"]]["batch_size"]
            for kind, count in (("packed", train["packed_sequences"]), ("not packed", train["samples"])):
                whole, all_of_it = epochs * (count // batch), epochs * steps_per_epoch(count, batch)
                claim = f"Steps of {model.label}, samples {kind}"
                how = (
                    f"{epochs} epochs of {count:,} sequences; batches of {batch}, without or with the last, smaller one"
                )
                matches = rounds_to(row["steps"], whole) or rounds_to(row["steps"], all_of_it)
                agrees = if_comparable(study.comparable(row["model"]), matches)
                shown = f"{whole:,} or {all_of_it:,}"
                findings.append(verdict_on(claim, table_name(table), row["steps"], shown, agrees, how, [model.stats]))
    return [*findings, _steps_of_both(study.paper)]


def check_steps_trained(study: Study) -> list[Verdict]:
    """Steps of Table 1 against those trained here, early stopping included; mean over the seeds."""
    findings = []
    for row, model in study.rows("table1"):
        if model.trainings:
            steps = statistics.fmean(read_json(path)["result"]["steps"] for path in model.trainings)
            claim, how = (
                f"Steps of {model.label}, as trained here",
                f"until training stopped, {len(model.trainings)} seed(s)",
            )
            agrees = if_comparable(study.comparable(row["model"]), rounds_to(row["steps"], steps))
            findings.append(verdict_on(claim, "Table 1", row["steps"], f"{steps:,.0f}", agrees, how, model.trainings))
    return findings


def _steps_of_both(paper: Row) -> Verdict:
    other = {row["model"]: row["steps"] for row in paper["table2"] if "steps" in row}
    agrees = all(rounds_to(other[row["model"]], row["steps"]) for row in paper["table1"])
    shown = ", ".join(str(row["steps"]) for row in paper["table1"])
    printed = ", ".join(other[row["model"]] for row in paper["table1"])
    return verdict_on("Table 2's steps are Table 1's", "Tables 1, 2", printed, shown, agrees, "Table 1's steps", PAPER)


def implied_sequences(table1: list[Row], whole_batches: bool) -> range:
    """The numbers of training sequences that give every row of Table 1 its steps.

    Args:
        table1: The paper's rows.
        whole_batches: Only whole batches are steps, as in transformers 4 where it accumulates gradients; else the
            last, smaller one too.
    """
    lowest, highest = 1, math.inf
    for row in table1:
        steps, batch = row["steps"] // row["epochs"], row["batch_size"]
        first = steps * batch if whole_batches else (steps - 1) * batch + 1
        lowest, highest = max(lowest, first), min(highest, first + batch - 1)
    return range(lowest, int(highest) + 1)


def check_sequences(study: Study) -> list[Verdict]:
    """What Table 1's steps an epoch say about the number of training sequences."""
    table1 = study.paper["table1"]
    printed = ", ".join(f"{row['steps'] / row['epochs']:g}" for row in table1) + " steps an epoch"
    findings = []
    for whole, counted in ((False, "the last, smaller batch counts"), (True, "only whole batches count")):
        fits = implied_sequences(table1, whole)
        claim = f"One number of training sequences gives all of Table 1's steps, where {counted}"
        how = "the numbers that steps and batch size allow, common to all rows"
        findings.append(verdict_on(claim, "Table 1", printed, format_range(fits), bool(fits), how, PAPER))
    fits = implied_sequences(table1, whole_batches=True)
    return findings + ([_packed_into(study, fits), _multiple_of_batch(study, fits)] if fits and study.models else [])


def _packed_into(study: Study, fits: range) -> Verdict:
    """Whether packing gives the implied number: even all records, packed without a gap."""
    tuned = {row["model"]: model for row, model in study.rows("table1")}
    stats = [read_json(model.stats) for model in tuned.values()]
    full = [sum(part["tokens"] for part in one["parts"].values()) // one["max_length"] for one in stats]
    agrees = if_comparable(study.comparable(*tuned), any(number in fits for number in full))
    templates = ", ".join(dict.fromkeys(one["template"] for one in stats))
    claim = f"That number is what packing gives, even of all samples, with the template '{templates}'"
    files = [model.stats for model in tuned.values()]
    how = "tokens of all parts / max_length, in the order of Table 1"
    return verdict_on(claim, "Table 1", format_range(fits), ", ".join(f"{n:,}" for n in full), agrees, how, files)


def _multiple_of_batch(study: Study, fits: range) -> Verdict:
    """Whether all records, one a sequence, give the steps at a whole multiple of the printed batch size."""
    records = read_json(study.card)["records"]
    times = [factor for factor in range(1, records // fits.start + 1) if records // factor in fits]
    shown = (
        ", ".join(f"{records:,} / {factor} = {records // factor:,}" for factor in times) or f"none of {records:,} / k"
    )
    claim = "That number is all records by a whole number k: no packing, and k times the printed batch size"
    agrees = if_comparable(study.genuine_data, bool(times))
    return verdict_on(claim, "Table 1", format_range(fits), shown, agrees, "records of the data card", [study.card])
