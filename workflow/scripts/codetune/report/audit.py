"""The audit of the paper's claims as a document."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from codetune.base.files import read_json, reading, write_text
from codetune.base.plain import from_plain
from codetune.base.text import markdown, markdown_paragraph
from codetune.evaluation.comparisons import read_comparisons
from codetune.papers.claims import audit
from codetune.papers.evidence import OWN_CHOICE, Evidence, Files, gather_evidence
from codetune.papers.intervals import LEAST_SAMPLES
from codetune.report.flags import problems_of
from codetune.report.latex import Printed, latex_table
from codetune.report.stamp import stamped
from codetune.report.writing import markdown_table, texts_of, write_csv
from codetune.study.declared import file_of, read_paper
from codetune.study.model import Source
from codetune.study.records import read_records

TITLE = "The paper's claims, checked"
HOW = "How, from what"  # column that is not printed
WORDS = (
    "What is exact agrees with the paper if it rounds to what the paper prints, and else disagrees. What rests on "
    "scores here is compatible with the paper, not compatible, or undecided. A score is compatible if the paper's, "
    "before rounding, can lie in our 95 % interval, widened by the square root of 2 because the paper's test samples "
    f"are others. It is undecided with fewer than {LEAST_SAMPLES} samples, and where it lies in an interval that is "
    "longer than all scores that the paper gives to these models lie apart, or than the gain that it claims. A claim "
    "about all models is "
    "compatible if every comparison says better, and not compatible if one says worse. Where a claim can be read in "
    "two ways (rank, template), both are rows."
)


def write(inputs: Mapping[str, Any], params: Mapping[str, Any], outputs: Mapping[str, str]) -> None:
    """Checks the paper's claims and writes what became of each.

    Args:
        inputs: `records` of all runs; `comparisons`, one per test set; `configs`, the folders with each model's
            config.json; `stats`, the statistics of training tokens; `prompt_stats`, those of test prompts; `cards`, the
            data cards; `paper`.
        params: What the lists are of: `models`, `tokens` (data set, model and template), `prompts` (test set, model and
            template); and `datasets`, the source of each data set by name.
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
        tokens=_by_template("dataset", params["tokens"], inputs["stats"]),
        prompts=_by_template("test", params["prompts"], inputs["prompt_stats"]),
        cards=cards,
    )
    datasets = {
        name: from_plain(plain, Source, f"params: datasets.{name}") for name, plain in params["datasets"].items()
    }
    comparisons = {path: read_comparisons(path) for path in inputs["comparisons"]}
    paper, file = read_paper(inputs["paper"]), file_of(Path(inputs["paper"]).stem)
    evidence = gather_evidence(read_records(inputs["records"]), comparisons, files, datasets, paper, file)
    write_audit(audit(evidence), evidence, outputs)


def _by_template(
    data: str, entries: Sequence[Mapping[str, str]], paths: Sequence[str]
) -> dict[tuple[str, str], dict[str, str]]:
    """The path of each template's file, by data set and model."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for entry, path in zip(entries, paths, strict=True):
        found.setdefault((entry[data], entry["model"]), {})[entry["template"]] = path
    return found


def write_audit(table: pd.DataFrame, evidence: Evidence, outputs: Mapping[str, str]) -> None:
    """Writes the audit as CSV, as Markdown with a table for each subject, and as one LaTeX table.

    Claims on models or data that are not the paper's stand in the CSV alone; a note says how many there are, and why.
    """
    write_csv(table, outputs["csv"])
    folded = ~table["because"].isin(["", OWN_CHOICE])
    note = _note(evidence, Counter(table[folded]["because"]))
    shown = texts_of(_for_readers(table[~folded]))
    parts = [
        f"## {markdown(str(subject))}\n\n{markdown_table(rows.drop(columns='Subject'))}"
        for subject, rows in shown.groupby("Subject", sort=False)
    ]
    title = stamped(TITLE)
    write_text(outputs["md"], "\n\n".join([f"# {title}", markdown_paragraph(note), *parts]) + "\n")
    head = list(map(str, shown))
    panels = {"": [head.index(name) for name in head[2:] if name != HOW]}
    note += " How each value was computed, and from which files, is in audit.csv."
    printed = Printed(head, shown.to_numpy().tolist(), [True] * len(head), title, note, 1, 2, panels)
    write_text(outputs["tex"], latex_table(printed))


def _for_readers(table: pd.DataFrame) -> pd.DataFrame:
    names = {"subject": "Subject", "claim": "Claim", "place": "Where", "paper": "Paper", "computed": "Computed"}
    shown = table.rename(columns=names | {"verdict": "Verdict"})
    reasons = table["because"].map(lambda because: f"; {because}" if because else "")
    shown[HOW] = table["how"] + reasons + " (" + table["files"] + ")"
    return shown.drop(columns=["how", "files", "because"])


def _note(evidence: Evidence, folded: Mapping[str, int]) -> str:
    """What was run, which claims stand in the CSV alone, and what the verdicts mean."""
    models = evidence.models.values()
    text = f"Models run: {'; '.join(model.label for model in models) or 'none of the paper'}."
    if folded:
        listed = ((count, "is" if count == 1 else "are", because) for because, count in folded.items())
        reasons = "; ".join(f"{count} {verb} about {because}" for count, verb, because in listed)
        number = sum(folded.values())
        claims = "1 claim is" if number == 1 else f"{number} claims are"
        text += f" {claims} not checkable here and stand{'s' if number == 1 else ''} in audit.csv only: {reasons}."
    trainings = [record for model in models for runs in model.records.values() for record in runs]
    if problems := problems_of(trainings):
        text += f" Trainings that went wrong, so that their scores decide little: {'; '.join(problems)}."
    return f"{text} {WORDS}"
