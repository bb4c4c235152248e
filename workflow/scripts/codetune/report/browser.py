"""A page to read a test set's samples in: prompt, reference, and each model's outputs beside each other."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import write_text
from codetune.data.languages import guess_language
from codetune.data.predictions import read_predictions
from codetune.data.samples import read_samples
from codetune.evaluation.metric import Metric
from codetune.evaluation.registry import metrics, on_code
from codetune.evaluation.scored import read_scores
from codetune.report.cells import digits_of
from codetune.report.flags import MEANING, flagged
from codetune.report.page import with_policy
from codetune.study.record import Record, by_system, read_records

ALWAYS_SHOWN = ("rouge_l", "code_rouge_l")  # beside the study's own metric
# What is marked in an output where one of these metrics is shown: the pieces that it compares. Others have no marks.
MARKS = {"rouge_l": "words", "rouge_l_precision": "words", "rouge_l_recall": "words", "code_rouge_l": "tokens"}


@dataclass(frozen=True)
class BrowserInputs:
    """The files of a page.

    Attributes:
        samples: The samples of the test set, JSON lines.
        records: Records of the runs that are evaluated on it; of several seeds the first is shown.
        template: The page without its data.
    """

    samples: str
    records: Sequence[str]
    template: str


def write_browser(inputs: BrowserInputs, test: str, metric: str, target: str) -> None:
    """Writes one page that holds all samples and outputs and loads nothing.

    Args:
        inputs: What it is made of.
        test: Name of the test set.
        metric: The study's metric, by which samples are sorted unless another is chosen.
        target: The page to write.

    Raises:
        StudyError: Predictions or scores are not of the samples.
    """
    asked = read_samples(inputs.samples)
    samples = [
        {
            "id": sample.id,
            "instruction": sample.instruction,
            "input": sample.input,
            "output": sample.output,
            "language": guess_language(sample.request, sample.output),
        }
        for sample in asked
    ]
    records = read_records(inputs.records)
    shown = {name: metrics()[name] for name in dict.fromkeys([metric, *ALWAYS_SHOWN])}
    data = {
        "test": test,
        "metrics": {
            name: {"label": one.label, "highest": one.highest, "marks": MARKS.get(name)} for name, one in shown.items()
        },
        "seeds": len({record.run.seed for record in records if record.run.trains}) > 1,
        "samples": samples,
        "models": _models(records, test, shown, [sample.id for sample in asked]),
    }
    write_text(target, fill_page(Path(inputs.template).read_text(encoding="utf-8"), data))


def _models(records: list[Record], test: str, shown: Mapping[str, Metric], ids: list[int]) -> list[dict[str, Any]]:
    """The outputs of each model, by its systems: of several seeds the first."""
    several = len({record.run.data for record in records if record.run.trains}) > 1
    models: dict[str, dict[str, Any]] = {}
    for system, (first, *_) in by_system(records).items():
        entry = models.setdefault(system.model, {"label": first.model.label, "runs": []})
        trained_on = f", trained on {system.data}" if several and first.run.trains else ""
        warning = f", whose {MEANING}" if flagged([first]) else ""
        entry["runs"].append(
            {
                "method": system.method + trained_on + warning,
                "tuned": first.run.trains,
                "made": "Tuned" if first.run.trains else "Retrieved" if first.run.retrieves else "Untuned",
                **_outputs(first.read_path("predictions", test), ids),
                **_scores(first.read_path("scores", test), shown, ids),
            }
        )
    return list(models.values())


def _outputs(path: Path, ids: list[int]) -> dict[str, Any]:
    """What one run wrote, in the order of the samples."""
    predictions = read_predictions(path)
    _check_samples(path, [prediction.id for prediction in predictions], ids)
    return {
        "texts": [prediction.first.text for prediction in predictions],
        "truncated": [place for place, prediction in enumerate(predictions) if prediction.first.truncated],
    }


def _scores(path: Path, shown: Mapping[str, Metric], ids: list[int]) -> dict[str, Any]:
    """The score of each sample by each metric, as written and on code, and where and how code was found in it."""
    digits = {name: digits_of(one.highest) for name, one in shown.items()}
    digits |= {on_code(name): count for name, count in digits.items()}
    rows = read_scores(path, digits)
    _check_samples(path, [row["id"] for row in rows], ids)
    return {
        "scores": {name: [_rounded(row[name], count) for row in rows] for name, count in digits.items()},
        "extracted": {place: row["extracted"] for place, row in enumerate(rows) if row.get("extracted")},
    }


def _rounded(score: float | None, digits: int) -> float | None:
    return None if score is None else round(score, digits)


def _check_samples(path: Path, found: list[int], ids: list[int]) -> None:
    if found != ids:
        raise StudyError(f"{path}: not the samples of the test set. Delete it and run again.")


def fill_page(template: str, data: dict[str, Any]) -> str:
    """Puts data into a page. No `<` is left in them, so that no text can end the element that holds it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return with_policy(template).replace(">DATA<", f">{text}<", 1)
