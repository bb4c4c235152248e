"""ROUGE-L, by the definition of the `rouge-score` package."""

import statistics
from dataclasses import asdict, dataclass

from rapidfuzz.distance import LCSseq
from rouge_score.tokenizers import DefaultTokenizer

from codetune.errors import StudyError
from codetune.files import read_jsonl, write_json, write_jsonl
from codetune.samples import read_samples

_TOKENIZER = DefaultTokenizer(use_stemmer=False)


@dataclass(frozen=True)
class RougeL:
    """Precision, recall and F1 of the longest common subsequence (the paper's equation 4), each in [0, 1]."""

    precision: float
    recall: float
    f1: float


def rouge_l(reference: str, prediction: str) -> RougeL:
    """ROUGE-L of one prediction: the same floats as `rouge_score.rouge_scorer.RougeScorer(["rougeL"])`.

    The tokens are rouge-score's own (lower-cased runs of letters and digits); only the longest common subsequence is
    found by rapidfuzz, whose result is the same integer.
    """
    wanted, written = _TOKENIZER.tokenize(reference), _TOKENIZER.tokenize(prediction)
    if not wanted or not written:
        return RougeL(0.0, 0.0, 0.0)
    common = LCSseq.similarity(wanted, written)
    precision, recall = common / len(written), common / len(wanted)
    f1 = 2 * precision * recall / (precision + recall) if common else 0.0
    return RougeL(precision, recall, f1)


def score_predictions(references: str, predictions: str, scores: str, summary: str) -> None:
    """Scores each prediction against its reference; writes one row per sample and a summary.

    Args:
        references: The samples, JSON lines.
        predictions: The predictions, JSON lines.
        scores: JSON lines to write: id, precision, recall, f1.
        summary: JSON to write: mean scores and the shares of truncated and empty predictions.

    Raises:
        StudyError: Predictions and references are not of the same samples.
    """
    outputs = {sample.id: sample.output for sample in read_samples(references)}
    rows = read_jsonl(predictions)
    if [row["id"] for row in rows] != list(outputs):
        raise StudyError(f"{predictions}: not the samples of {references}. Delete the predictions and run again.")
    results = [rouge_l(outputs[row["id"]], row["text"]) for row in rows]
    write_jsonl(scores, ({"id": row["id"], **asdict(result)} for row, result in zip(rows, results, strict=True)))
    write_json(
        summary,
        {
            "metric": "ROUGE-L",
            "samples": len(rows),
            "precision": statistics.fmean(result.precision for result in results),
            "recall": statistics.fmean(result.recall for result in results),
            "f1": statistics.fmean(result.f1 for result in results),
            "truncated": sum(row["truncated"] for row in rows) / len(rows),
            "empty": sum(not row["text"] for row in rows) / len(rows),
        },
    )
