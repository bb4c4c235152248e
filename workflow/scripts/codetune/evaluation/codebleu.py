"""CodeBLEU of Python predictions."""

import logging


def codebleu_of(reference: str, text: str) -> float:
    """Computes CodeBLEU of one prediction with the package codebleu: n-grams, keywords, syntax trees and data flow.

    If a reference has no data flow, the package counts its data flow as fully matched. It fails on an empty prediction,
    which scores 0 here.

    Args:
        reference: The reference, in Python.
        text: The prediction.

    Returns:
        The score, in [0, 1].
    """
    from codebleu import calc_codebleu

    if not text.strip():
        return 0.0
    logging.disable(logging.WARNING)  # codebleu warns about every reference without data flow
    try:
        return float(calc_codebleu([reference], [text], "python")["codebleu"])
    finally:
        logging.disable(logging.NOTSET)
