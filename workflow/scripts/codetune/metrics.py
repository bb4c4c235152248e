"""All metrics of a prediction against its reference, each registered once, with the signature that goes with its score.

A metric gives each sample a few numbers, its statistics, and a set of samples a score that follows from their sums. So
a mean over samples and a corpus score such as BLEU's are resampled, averaged and broken down in the same way.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np

from codetune.bootstrap import Array
from codetune.errors import StudyError
from codetune.files import read_json, read_jsonl, write_json, write_jsonl
from codetune.languages import guess_language
from codetune.parsing import GRAMMARS, parses
from codetune.rouge import DEFINITION, RougeL, code_rouge_l, rouge_l
from codetune.samples import Sample, read_samples

LENGTHS = (("up to 50", 50), ("51 to 150", 150), ("151 to 400", 400), ("over 400", None))  # characters of the reference


@dataclass(frozen=True)
class Metric:
    """A way to compare predictions with references.

    Attributes:
        label: For tables and figures.
        signature: What else than the name a reader has to know to get the same numbers: tokens, case, version.
        measure: Statistics of one prediction, given the sample, the prediction and the sample's language.
        score: Scores of sums of statistics; shape (sets, statistics) to (sets,).
        highest: The best score.
    """

    label: str
    signature: str
    measure: Callable[[Sample, str, str], list[float]]
    score: Callable[[Array], Array]
    highest: float = 1.0


def _mean(sums: Array) -> Array:
    """Mean over the samples that count; statistics are value and 1, or 0 and 0 where the metric does not apply."""
    counted = sums[:, 1]
    means: Array = np.divide(sums[:, 0], counted, out=np.full(len(sums), np.nan), where=counted > 0)
    return means


def _average(label: str, signature: str, value: Callable[[Sample, str, str], float | None]) -> Metric:
    """A metric that is a mean over samples."""

    def measure(sample: Sample, text: str, language: str) -> list[float]:
        found = value(sample, text, language)
        return [0.0, 0.0] if found is None else [float(found), 1.0]

    return Metric(label, signature, measure, _mean)


# A pair is compared once for the three metrics that are parts of its ROUGE-L, one after the other.
_rouge_l = lru_cache(maxsize=1)(rouge_l)


def _rouge(label: str, part: str, compare: Callable[[str, str], RougeL], signature: str) -> Metric:
    return _average(label, signature, lambda sample, text, _: float(getattr(compare(sample.output, text), part)))


def _corpus(label: str, metric: Any) -> Metric:
    """A corpus metric of sacrebleu, from its own statistics of each sample and its own formula."""

    def measure(sample: Sample, text: str, _language: str) -> list[float]:
        return [float(x) for x in metric._extract_corpus_statistics([text], [[sample.output]])[0]]

    def score(sums: Array) -> Array:
        return np.array([metric._compute_score_from_stats(row.tolist()).score for row in sums])

    return Metric(label, str(metric.get_signature()), measure, score, 100.0)


@cache
def metrics() -> dict[str, Metric]:
    """Every metric by its name in the config and in files. The first is the paper's."""
    from sacrebleu.metrics import BLEU, CHRF

    standard = f"tokens:letters and digits|case:lower|stemmer:no|version:{DEFINITION}"
    code = "tokens:names, numbers, each other character|case:kept|LCS as in ROUGE-L"
    parsers = ", ".join(f"{language} {version(package.replace('_', '-'))}" for language, package in GRAMMARS.items())
    bleu, chrf = BLEU(), CHRF()
    for metric in (bleu, chrf):
        metric.corpus_score(["a"], [["a"]])  # its signature is whole once something has been scored
    return {
        "rouge_l": _rouge("ROUGE-L", "f1", _rouge_l, f"F1|{standard}"),
        "rouge_l_precision": _rouge("ROUGE-L precision", "precision", _rouge_l, f"precision|{standard}"),
        "rouge_l_recall": _rouge("ROUGE-L recall", "recall", _rouge_l, f"recall|{standard}"),
        "code_rouge_l": _rouge("Code ROUGE-L", "f1", code_rouge_l, f"F1|{code}"),
        "exact_match": _average(
            "Exact match",
            "white space at the ends:ignored",
            lambda sample, text, _: sample.output.strip() == text.strip(),
        ),
        "bleu": _corpus("BLEU", bleu),
        "chrf": _corpus("chrF", chrf),
        "codebleu": _average(
            "CodeBLEU (Python)",
            f"mean over the Python samples|weights:0.25 each|version:codebleu {version('codebleu')}",
            lambda sample, text, language: _codebleu(sample.output, text) if language == "Python" else None,
        ),
        "parses": _average(
            "Parses",
            "share without a syntax error, of the samples in a language with a grammar|version:tree-sitter "
            f"{version('tree-sitter')}, grammars {parsers}",
            lambda _, text, language: parses(language, text),
        ),
    }


def _codebleu(reference: str, text: str) -> float:
    """CodeBLEU of one prediction by the package codebleu: n-grams, keywords, syntax trees and data flow.

    The package takes a reference without data flow for fully matched there, and cannot divide by an empty prediction.
    """
    from codebleu import calc_codebleu

    if not text.strip():
        return 0.0
    logging.disable(logging.WARNING)  # it warns of every reference without data flow
    try:
        return float(calc_codebleu([reference], [text], "python")["codebleu"])
    finally:
        logging.disable(logging.NOTSET)


def score_predictions(references: str, card: str, predictions: str, scores: str, summary: str) -> None:
    """Scores each prediction against its reference by every metric; writes one row a sample and a summary.

    Args:
        references: The samples, JSON lines.
        card: The data card, which names the test samples with a near-duplicate in another part.
        predictions: The predictions, JSON lines.
        scores: JSON lines to write: id, language, length of the reference, each metric's score of the sample alone
            (null where it does not apply), and `statistics`, from which scores of sets of samples follow.
        summary: JSON to write: scores of all samples, of those without a near-duplicate in another part, and by
            language and length of the reference.

    Raises:
        StudyError: Predictions and references are not of the same samples.
    """
    samples = {sample.id: sample for sample in read_samples(references)}
    rows = read_jsonl(predictions)
    if [row["id"] for row in rows] != list(samples):
        raise StudyError(f"{predictions}: not the samples of {references}. Delete the predictions and run again.")
    scored = _score_each(list(samples.values()), [row["text"] for row in rows])
    write_jsonl(scores, scored)
    leaked = set(read_json(card)["near_duplicates"]["leaked"])
    clean = [row for row in scored if row["id"] not in leaked]
    written = sum(len(row["text"]) for row in rows)
    write_json(
        summary,
        {
            "samples": len(rows),
            "scores": scores_of(scored),
            "signatures": {name: metric.signature for name, metric in metrics().items()},
            "truncated": sum(row["truncated"] for row in rows) / len(rows),
            "empty": sum(not row["text"] for row in rows) / len(rows),
            "length_ratio": written / sum(len(sample.output) for sample in samples.values()),
            "leaked": len(scored) - len(clean),
            "scores_without_leaked": scores_of(clean) if clean else None,
            "by_language": _breakdown(scored, (row["language"] for row in scored)),
            "by_length": _breakdown(scored, (length_class(row["length"]) for row in scored)),
        },
    )


def _score_each(samples: list[Sample], texts: list[str]) -> list[dict[str, Any]]:
    """One row a sample, by all metrics."""
    languages = [guess_language(sample.request, sample.output) for sample in samples]
    statistics = [
        {name: metric.measure(*measured) for name, metric in metrics().items()}
        for measured in zip(samples, texts, languages, strict=True)
    ]
    alone = {name: metric.score(np.array([row[name] for row in statistics])) for name, metric in metrics().items()}
    return [
        {
            "id": sample.id,
            "language": languages[place],
            "length": len(sample.output),
            **{name: _number(scores[place]) for name, scores in alone.items()},
            "statistics": statistics[place],
        }
        for place, sample in enumerate(samples)
    ]


def scores_of(scored: list[dict[str, Any]]) -> dict[str, float | None]:
    """Score of a set of scored samples by each metric; None where it applies to none of them."""
    return {
        name: _number(metric.score(statistics_of(scored, name).sum(axis=0, keepdims=True))[0])
        for name, metric in metrics().items()
    }


def statistics_of(scored: list[dict[str, Any]], name: str) -> Array:
    """Statistics of one metric; shape (samples, statistics)."""
    return np.array([row["statistics"][name] for row in scored])


def length_class(length: int) -> str:
    """The class of a reference of so many characters."""
    return next(name for name, highest in LENGTHS if highest is None or length <= highest)


def _breakdown(scored: list[dict[str, Any]], keys: Iterable[str]) -> dict[str, Any]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row, key in zip(scored, keys, strict=True):
        groups.setdefault(key, []).append(row)
    order = sorted(groups, key=lambda key: (-len(groups[key]), key))
    return {key: {"samples": len(groups[key]), "scores": scores_of(groups[key])} for key in order}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
