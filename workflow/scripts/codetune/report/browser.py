"""A page to read a study's samples in: prompt, reference, and each model's outputs beside each other."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import read_jsonl, write_text
from codetune.data.languages import guess_language
from codetune.data.samples import read_samples
from codetune.report.pages import with_policy

METRICS = {"rouge_l": "ROUGE-L", "code_rouge_l": "Code ROUGE-L"}  # by their names in the scores


def write_browser(
    samples: str,
    runs: list[dict[str, Any]],
    predictions: Sequence[str],
    scores: Sequence[str],
    models: dict[str, dict[str, Any]],
    template: str,
    target: str,
) -> None:
    """Writes one page that holds all samples and outputs and loads nothing.

    Args:
        samples: The test split, JSON lines.
        runs: The runs on that data set; of several seeds the first is shown.
        predictions: Path of each run's predictions.
        scores: Path of each run's scores.
        models: The config's `models`.
        template: The page without its data.
        target: The page to write.

    Raises:
        StudyError: Predictions or scores are not of the samples.
    """
    asked = read_samples(samples)
    ids = [sample.id for sample in asked]
    rows = [
        {
            "id": sample.id,
            "instruction": sample.instruction,
            "input": sample.input,
            "output": sample.output,
            "language": guess_language(sample.request, sample.output),
        }
        for sample in asked
    ]
    shown: dict[str, dict[str, Any]] = {}
    for run, predicted, scored in zip(runs, predictions, scores, strict=True):
        entry = shown.setdefault(run["model"], {"label": models[run["model"]]["label"], "runs": {}})
        if run["method"] not in entry["runs"]:
            entry["runs"][run["method"]] = _outputs(run, predicted, scored, ids)
    data = {
        "dataset": runs[0]["dataset"],
        "metrics": METRICS,
        "seeds": len({run["seed"] for run in runs}) > 1,
        "samples": rows,
        "models": [entry | {"runs": list(entry["runs"].values())} for entry in shown.values()],
    }
    write_text(target, fill_page(Path(template).read_text(encoding="utf-8"), data))


def _outputs(run: dict[str, Any], predictions: str, scores: str, ids: list[int]) -> dict[str, Any]:
    """What one run wrote and how it was scored, in the order of the samples."""
    written, scored = read_jsonl(predictions), read_jsonl(scores)
    for path, rows in ((predictions, written), (scores, scored)):
        if [row["id"] for row in rows] != ids:
            raise StudyError(f"{path}: not the samples of the test split. Delete it and run again.")
    return {
        "method": run["method"],
        "tuned": run["tuned"],
        "texts": [row["text"] for row in written],
        "truncated": [place for place, row in enumerate(written) if row["truncated"]],
        "scores": {name: [round(row[name], 4) for row in scored] for name in METRICS},  # each in [0, 1]
    }


def fill_page(template: str, data: dict[str, Any]) -> str:
    """Puts data into a page. No `<` is left in them, so that no text can end the element that holds it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return with_policy(template).replace(">DATA<", f">{text}<", 1)
