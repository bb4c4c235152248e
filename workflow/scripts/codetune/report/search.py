"""The table of searches: each trial of a method whose settings are searched, and which one was chosen."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from codetune.base.files import Row
from codetune.report.cells import table_of, varying_columns
from codetune.report.flags import FLAG, MEANING
from codetune.report.format import format_number, format_whole
from codetune.report.rows import in_reading_order
from codetune.report.writing import write_forms
from codetune.study.record import Record

LOSS_DIGITS = 4


def search_table(records: Sequence[Record]) -> pd.DataFrame:
    """All trials.

    Args:
        records: Of runs, of which those whose training was chosen from trials are shown.

    Returns:
        One row per trial: run by run in the order of `in_reading_order`, its trials in the order of the config.
    """
    rows = [row for seeds in in_reading_order(records) for record in seeds for row in _rows_of(record)]
    columns = dict.fromkeys(name for row in rows for name in row)
    return table_of({name: row.get(name) for name in columns} for row in rows)


def _rows_of(record: Record) -> Iterator[Row]:
    search = record.search
    for trial in search.trials if search else ():
        yield {
            "data": record.run.data,
            "model": record.model.label,
            "method": record.run.method,
            "seed": record.run.seed,
            "trial": trial.method,
            "searched": ", ".join(f"{name} {_text_of(value)}" for name, value in trial.values.items()),
            "best_validation_loss": trial.best_validation_loss,
            "best_step": trial.best_step,
            "steps": trial.steps,
            "seconds": trial.seconds,
            "problem": trial.problem,
            "chosen": "yes" if search and trial.method == search.chosen else "no",
            **{f"value_{name}": value for name, value in trial.values.items()},
        }


def _text_of(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def write_search(table: pd.DataFrame, outputs: Mapping[str, str]) -> None:
    """Writes the table as CSV with plain numbers, and as Markdown and LaTeX for readers."""
    flagged = table["problem"].notna()
    shown = pd.DataFrame(
        {
            "Model": table["model"],
            "Method": table["method"],
            **varying_columns(table, "data", "seed"),
            "Searched": [
                f"{text} {FLAG}" if bad else text for text, bad in zip(table["searched"], flagged, strict=True)
            ],
            "Validation loss": table["best_validation_loss"].map(lambda loss: format_number(loss, LOSS_DIGITS)),
            "Best step": table["best_step"].map(format_whole),
            "Steps": table["steps"].map(format_whole),
            "Minutes": table["seconds"].map(lambda seconds: format_number(seconds / 60, 1)),
            "Chosen": table["chosen"],
        }
    )
    note = (
        "A list of values under a method's training stands for one training per value, or per combination. The one "
        "with the lowest validation loss (nats per token, the lowest of all evaluations) is the method's, and no other "
        "was tested. A trial without a loss diverged. Where the first or last value was chosen, one beyond it might be "
        "better."
    )
    note += f" {FLAG}: {MEANING}." if flagged.any() else ""
    write_forms(table, shown, "Searches", note, outputs)
