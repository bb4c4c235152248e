"""Kinds of measures that score texts by this study's own metrics."""

from codetune.evaluation.codebleu import count_matches_of_code
from codetune.evaluation.package_total import total_of_package
from codetune.papers.measured import Declared, Measured

REFERENCE = "os.kill(os.getpid(), signal.SIGUSR1)"  # any; no prediction has anything in common with it


def codebleu_of_empty(_declared: Declared) -> Measured:
    """CodeBLEU of empty predictions, as the package codebleu totals it, in [0, 1]."""
    matches = count_matches_of_code(REFERENCE, "")
    total = None if matches is None else total_of_package([matches])
    assert total is not None  # as of any reference with code
    return Measured([total], f"{total:g}", "CodeBLEU of an empty prediction, as the package codebleu totals it")
