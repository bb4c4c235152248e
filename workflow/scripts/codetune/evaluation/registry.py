"""All metrics by name."""

from dataclasses import replace
from functools import cache
from importlib.metadata import version

from codetune.evaluation.codebleu import codebleu_metric
from codetune.evaluation.extraction import EXTRACTION
from codetune.evaluation.metric import ON_CODE, Metric, average_metric
from codetune.evaluation.overlap import bleu_metric, cached_rouge_l, chrf_metric, rouge_metric
from codetune.evaluation.parsing import GRAMMARS, parses
from codetune.evaluation.rouge import DEFINITION, code_rouge_l

CODEBLEU = "codebleu"


def on_code(name: str) -> str:
    """The name of a metric's second form, which is given the code in a prediction in place of the whole text."""
    return name + ON_CODE


@cache
def metrics() -> dict[str, Metric]:
    """Returns all metrics by their names in files: those of the text as written, then the same of the code in it."""
    return with_forms_on_code(_as_written())


def with_forms_on_code(written: dict[str, Metric]) -> dict[str, Metric]:
    """Adds to metrics of the text as written the same of the code in it."""
    return written | {
        on_code(name): replace(one, label=f"{one.label} on code", signature=f"{one.signature}|{EXTRACTION}")
        for name, one in written.items()
    }


def _as_written() -> dict[str, Metric]:
    """The metrics of texts as written, by their names in the config and in files; the first is the paper's."""
    standard = f"tokens:letters and digits|case:lower|stemmer:no|version:{DEFINITION}"
    code = "tokens:names, numbers, each other character|case:kept|LCS as in ROUGE-L"
    parsers = ", ".join(f"{language} {version(package.replace('_', '-'))}" for language, package in GRAMMARS.items())
    return {
        "rouge_l": rouge_metric("ROUGE-L", "f1", cached_rouge_l, f"F1|{standard}"),
        "rouge_l_precision": rouge_metric("ROUGE-L precision", "precision", cached_rouge_l, f"precision|{standard}"),
        "rouge_l_recall": rouge_metric("ROUGE-L recall", "recall", cached_rouge_l, f"recall|{standard}"),
        "code_rouge_l": rouge_metric("Code ROUGE-L", "f1", code_rouge_l, f"F1|{code}"),
        "exact_match": average_metric(
            "Exact match",
            "white space at the ends:ignored",
            lambda sample, text, _: sample.output.strip() == text.strip(),
        ),
        "bleu": bleu_metric("BLEU"),
        "chrf": chrf_metric("chrF"),
        CODEBLEU: codebleu_metric("CodeBLEU (Python)"),
        "parses": average_metric(
            "Parses",
            "share without a syntax error, of the samples in a language with a grammar|version:tree-sitter "
            f"{version('tree-sitter')}, grammars {parsers}",
            lambda _, text, language: parses(language, text),
            frozenset(GRAMMARS),
        ),
    }
