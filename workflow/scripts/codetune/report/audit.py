"""The audit of the paper's claims as a document."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from codetune.base.files import read_json, reading, write_text
from codetune.base.plain import from_plain
from codetune.base.text import markdown, markdown_paragraph
from codetune.papers.claims import audit
from codetune.papers.declared import read_paper
from codetune.papers.evidence import Evidence, Files, gather_evidence
from codetune.report.flags import problems_of
from codetune.report.latex import latex_table
from codetune.report.writing import markdown_table, texts_of, write_csv
from codetune.study.model import Source
from codetune.study.record import read_records

TITLE = "The paper's claims, checked"


def write(inputs: Mapping[str, Any], params: Mapping[str, Any], outputs: Mapping[str, str]) -> None:
    """Checks the paper's claims and writes what became of each.

    Args:
        inputs: `records` of all runs; `configs`, the folders with each model's config.json; `stats`, the statistics
            of training tokens; `prompt_stats`, those of test prompts; `cards`, the data cards; `paper`.
        params: What the lists are of: `models`, `tokens` (data set, model and template), `prompts` (test set, model
            and template); and `datasets`, the source of each data set by name.
        outputs: The files to write: `csv`, `md` and `tex`.
    """
    cards: dict[str, str] = {}
    for path in inputs["cards"]:
        card = read_json(path)
        with reading(path):
            cards[card["dataset"]] = path
    files = Files(
        configs={
            model: str(Path(folder) / "config.json")
            for model, folder in zip(params["models"], inputs["configs"], strict=True)
        },
        tokens={
            (entry["dataset"], entry["model"], entry["template"]): path
            for entry, path in zip(params["tokens"], inputs["stats"], strict=True)
        },
        prompts={
            (entry["test"], entry["model"], entry["template"]): path
            for entry, path in zip(params["prompts"], inputs["prompt_stats"], strict=True)
        },
        cards=cards,
    )
    datasets = {
        name: from_plain(plain, Source, f"params: datasets.{name}") for name, plain in params["datasets"].items()
    }
    evidence = gather_evidence(read_records(inputs["records"]), files, datasets, read_paper(inputs["paper"]))
    write_audit(audit(evidence), evidence, outputs)


def write_audit(table: pd.DataFrame, evidence: Evidence, outputs: Mapping[str, str]) -> None:
    """Writes the audit as CSV, as Markdown with a table for each subject, and as one LaTeX table."""
    write_csv(table, outputs["csv"])
    note = _what_was_run(evidence)
    shown = texts_of(_for_readers(table))
    parts = [
        f"## {markdown(str(subject))}\n\n{markdown_table(rows.drop(columns='Subject'))}"
        for subject, rows in shown.groupby("Subject", sort=False)
    ]
    write_text(outputs["md"], "\n\n".join([f"# {TITLE}", markdown_paragraph(note), *parts]) + "\n")
    latex = latex_table([*map(str, shown)], shown.to_numpy().tolist(), [True] * len(shown.columns), TITLE, note)
    write_text(outputs["tex"], latex)


def _for_readers(table: pd.DataFrame) -> pd.DataFrame:
    names = {"subject": "Subject", "claim": "Claim", "place": "Where", "paper": "Paper", "computed": "Computed"}
    shown = table.rename(columns=names | {"verdict": "Verdict"})
    shown["How, from what"] = table["how"] + " (" + table["files"] + ")"
    return shown.drop(columns=["how", "files"])


def _what_was_run(evidence: Evidence) -> str:
    models = evidence.models.values()
    others = [model.label for model in models if not model.genuine]
    text = f"Models run: {'; '.join(model.label for model in models) or 'none of the paper'}."
    if others:
        text += f" Not known to be the paper's checkpoints, so that they decide no claim: {'; '.join(others)}."
    if not evidence.genuine_data:
        text += " The data set is not known to be the paper's, so that no score or token count decides a claim."
    trainings = [record for model in models for runs in model.records.values() for record in runs]
    if problems := problems_of(trainings):
        text += f" Trainings that went wrong, so that their scores decide little: {'; '.join(problems)}."
    return (
        f"{text} A value agrees if it rounds to what the paper prints. Where a claim can be read in two ways (rank, "
        "packing), both are rows."
    )
