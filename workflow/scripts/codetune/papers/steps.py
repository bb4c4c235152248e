"""Claims about training steps, checked against token statistics."""

import math
import statistics

from codetune.base.files import Row, read_json, reading
from codetune.base.plain import read_number
from codetune.papers.evidence import TUNED, Evidence, ModelEvidence, paths_of
from codetune.papers.printed import format_range, format_seeds, rounds_to, table_name
from codetune.papers.verdicts import PAPER, Claim, Verdict
from codetune.prompts.packing import steps_per_epoch


def check_steps(evidence: Evidence) -> list[Verdict]:
    """Steps of both tables, against samples packed into training sequences and against one sample per sequence."""
    declared = {row["model"]: row for row in evidence.paper["table1"]}
    verdicts = []
    for table, method in (("table1", None), ("table2", TUNED)):
        for row, model in evidence.rows(table, method):
            if not model.tokens:
                continue
            packed, samples = (
                read_number(model.tokens, "parts", "train", name) for name in ("packed_sequences", "samples")
            )
            epochs, batch = declared[row["model"]]["epochs"], declared[row["model"]]["batch_size"]
            for kind, count in (("packed", packed), ("not packed", samples)):
                whole, all_of_it = epochs * (count // batch), epochs * steps_per_epoch(count, batch)
                how = (
                    f"{epochs} epochs of {count:,} sequences; batches of {batch}, without or with the last, smaller one"
                )
                verdicts.append(
                    Claim(f"Steps of {model.label}, samples {kind}", table_name(table), row["steps"]).against(
                        f"{whole:,} or {all_of_it:,}",
                        agrees=rounds_to(row["steps"], whole) or rounds_to(row["steps"], all_of_it),
                        decides=evidence.comparable(row["model"]),
                        how=how,
                        files=[model.tokens],
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
                    agrees=rounds_to(row["steps"], steps),
                    decides=evidence.comparable(row["model"]),
                    how=f"until training stopped, {format_seeds(len(trained))}",
                    files=paths_of(records),
                )
            )
    return verdicts


def _steps_of_both(paper: Row) -> Verdict:
    other = {row["model"]: row["steps"] for row in paper["table2"] if "steps" in row}
    printed = ", ".join(other[row["model"]] for row in paper["table1"])
    return Claim("Table 2's steps are Table 1's", "Tables 1, 2", printed).against(
        ", ".join(str(row["steps"]) for row in paper["table1"]),
        agrees=all(rounds_to(other[row["model"]], row["steps"]) for row in paper["table1"]),
        how="Table 1's steps",
        files=PAPER,
    )


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
                agrees=bool(fits),
                how="the numbers that steps and batch size allow, common to all rows",
                files=PAPER,
            )
        )
    fits = implied_sequences(table1, whole_batches=True)
    if fits and evidence.models:
        verdicts += [*_packed_into(evidence, fits), _multiple_of_batch(evidence, fits)]
    return verdicts


def _packed_into(evidence: Evidence, fits: range) -> list[Verdict]:
    """Whether packing gives the implied number: even all records, packed without a gap."""
    trained = evidence.trained
    if not trained:
        return []
    facts = [_all_tokens(model) for model in trained.values()]
    full = [tokens // max_length for tokens, max_length, _ in facts]
    templates = ", ".join(dict.fromkeys(template for _, _, template in facts))
    claim = f"That number is what packing gives, even of all samples, with the template '{templates}'"
    return [
        Claim(claim, "Table 1", format_range(fits)).against(
            ", ".join(f"{number:,}" for number in full),
            agrees=any(number in fits for number in full),
            decides=evidence.comparable(*trained),
            how="tokens of all parts / max_length, in the order of Table 1",
            files=[path for model in trained.values() for path in (model.tokens, model.prompts)],
        )
    ]


def _all_tokens(model: ModelEvidence) -> tuple[int, int, str]:
    """Tokens of all samples of the data set, the longest training sample, and the template."""
    training = read_json(model.tokens)
    with reading(model.tokens):
        tokens = sum(part["tokens"] for part in training["parts"].values())
        template = str(training["template"])
    return tokens + read_number(model.prompts, "tokens"), read_number(model.tokens, "max_length"), template


def _multiple_of_batch(evidence: Evidence, fits: range) -> Verdict:
    """Whether all records, one per sequence, give the steps at a whole multiple of the printed batch size."""
    records = read_number(evidence.card, "records")
    times = [factor for factor in range(1, records // fits.start + 1) if records // factor in fits]
    shown = ", ".join(f"{records:,} / {factor} = {records // factor:,}" for factor in times)
    claim = "That number is all records by a whole number k: no packing, and k times the printed batch size"
    return Claim(claim, "Table 1", format_range(fits)).against(
        shown or f"none of {records:,} / k",
        agrees=bool(times),
        decides=evidence.genuine_data,
        how="records of the data card",
        files=[evidence.card],
    )
