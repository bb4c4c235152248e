"""CodeBLEU of Python predictions."""

import logging


def codebleu_of(reference: str, text: str) -> float:
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
