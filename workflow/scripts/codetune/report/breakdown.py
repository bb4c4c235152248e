"""One metric's scores by language and by length of the reference."""

import statistics
from collections.abc import Sequence

import pandas as pd

from codetune.base.files import Row, read_json
from codetune.report.cells import digits_of, format_number, group_by_system, varying_columns
from codetune.report.writing import write_table


def breakdown_table(runs: list[Row], models: dict[str, Row], summaries: Sequence[str], metric: str) -> pd.DataFrame:
    """One metric's score by language and by length of the reference, mean over seeds; one row a class and run."""
    rows = []
    for key, paths in group_by_system(runs, summaries).items():
        read = [read_json(path) for path in paths]
        for kind in ("by_language", "by_length"):
            for name, part in read[0][kind].items():
                found = [summary[kind][name]["scores"][metric] for summary in read]
                rows.append(
                    {
                        "dataset": key[0],
                        "model": models[key[1]]["label"],
                        "method": key[2],
                        "of": kind.removeprefix("by_"),
                        "class": name,
                        "samples": part["samples"],
                        "score": None if None in found else statistics.fmean(found),
                    }
                )
    return pd.DataFrame(rows)


def write_breakdown(table: pd.DataFrame, metric: str, outputs: dict[str, str]) -> None:
    """Writes the breakdown: one row a class and one column a run for readers."""
    digits = digits_of(1.0 if table["score"].max() <= 1 else 100.0)
    shown = table.assign(
        Model=table["model"] + " (" + table["method"] + ")",
        score=table["score"].map(lambda v: format_number(v, digits)),
    )
    shown = shown.rename(columns={"of": "By", "class": "Class", "samples": "Samples"})
    wide = shown.pivot_table(
        index=["dataset", "By", "Class", "Samples"], columns="Model", values="score", aggfunc="first", sort=False
    ).reset_index()
    wide = pd.concat([pd.DataFrame(varying_columns(wide, "dataset")), wide.drop(columns="dataset")], axis="columns")
    note = (
        f"{metric} by language (guessed from the request, else from the reference) and by characters of the reference."
    )
    write_table(table, wide, "Breakdown", note, outputs)
