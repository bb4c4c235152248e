"""The audit of the paper's claims as a document."""

import re
from collections.abc import Mapping

import pandas as pd

from codetune.base.files import atomic, write_text
from codetune.papers.evidence import Study


def write_audit(table: pd.DataFrame, study: Study, outputs: Mapping[str, str]) -> None:
    """Writes the audit as CSV, as Markdown with a table for each subject, and as one long LaTeX table."""
    with atomic(outputs["csv"]) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
    note = _what_was_run(study)
    shown = _for_readers(table)
    parts = [
        f"## {subject}\n\n" + rows.drop(columns="Subject").to_markdown(index=False, disable_numparse=True)
        for subject, rows in shown.groupby("Subject", sort=False)
    ]
    write_text(outputs["md"], "\n\n".join(["# The paper's claims, checked", note, *parts]) + "\n")
    widths = (0.08, 0.16, 0.08, 0.08, 0.15, 0.08, 0.17)
    latex = shown.to_latex(
        index=False,
        escape=True,
        longtable=True,
        column_format="".join(rf"p{{{width}\linewidth}}" for width in widths),
        caption="The paper's claims, checked",
    )
    escaped = re.sub(r"([&%$#_])", r"\\\1", note)
    write_text(outputs["tex"], f"{{\\footnotesize\n{escaped}\n\n{_breakable(latex)}}}\n")


def _for_readers(table: pd.DataFrame) -> pd.DataFrame:
    names = {"subject": "Subject", "claim": "Claim", "place": "Where", "paper": "Paper", "computed": "Computed"}
    shown = table.rename(columns=names | {"verdict": "Verdict"})
    shown["How, from what"] = table["how"] + " (" + table["files"] + ")"
    return shown.drop(columns=["how", "files"])


def _breakable(text: str) -> str:
    """Lets LaTeX break a path after each slash."""
    return text.replace("/", r"/\allowbreak{}")


def _what_was_run(study: Study) -> str:
    others = [model.label for model in study.models.values() if not model.genuine]
    text = f"Models run: {', '.join(model.label for model in study.models.values()) or 'none of the paper'}."
    if others:
        text += f" Not known to be the paper's checkpoints, so that they decide no claim: {', '.join(others)}."
    if not study.genuine_data:
        text += " The data set is not known to be the paper's, so that no score or token count decides a claim."
    return (
        f"{text} A value agrees if it rounds to what the paper prints. Where a claim can be read in two ways (rank, "
        "packing), both are rows."
    )
