"""EM@k: the share of the samples of which one of the first k candidates is the reference.

A row of scores has the rank of the first candidate that is, from which EM@k follows for each k. It is found in two
ways: of the whole texts, and by the post-processing of Weyssow et al. (arXiv 2308.10462), which joins lines.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from codetune.base.files import Row
from codetune.evaluation.bootstrap import Array
from codetune.evaluation.extraction import extract_code
from codetune.evaluation.metric import EM_AT, ON_CODE, Metric, average_metric
from codetune.evaluation.registry import with_forms_on_code

COUNT, FIRST_MATCH = "candidates", "first_match"  # keys of a row of scores, where prompts have several candidates
# What that study cuts candidates at: its stop strings, as the regular expression that they become in its released code.
# On CoNaLa it also cuts at line breaks, so that no reference of several lines can be matched; here it does not.
STOP = re.compile("[<>]")
LINES = re.compile(r"[\r\n\t]+")
# The detokenisation of transformers, in its order.
DETOKENISED = {
    **{f" {sign}": sign for sign in ".?!,"},
    " ' ": "'",
    **{f" {ending}": ending for ending in ("n't", "'m", "'s", "'ve", "'re")},
}


class _Form(NamedTuple):
    """A way to compare a candidate with the reference.

    Attributes:
        label: What is added to `EM@k`.
        signature: What is done to both before they are compared.
        candidate: Does it to the candidate.
        reference: Does it to the reference.
    """

    label: str
    signature: str
    candidate: Callable[[str], str]
    reference: Callable[[str], str]


def _joined(text: str) -> str:
    """A text in one line, without the spaces that tokenisation puts before signs."""
    text = LINES.sub(" ", text.strip())
    for spaced, sign in DETOKENISED.items():
        text = text.replace(spaced, sign)
    return text.strip()


def _cut_and_joined(text: str) -> str:
    """The same of a candidate, up to the first stop string."""
    return _joined(STOP.split(text.strip(), maxsplit=1)[0])


FORMS = {
    "em": _Form("", "white space at the ends:ignored", str.strip, str.strip),
    "em_one_line": _Form(
        " in one line",
        "candidates cut at < or >|runs of line breaks and tabs:a space|detokenisation of transformers, as in "
        "arXiv 2308.10462",
        _cut_and_joined,
        _joined,
    ),
}


def match_metrics(candidates: int) -> dict[str, Metric]:
    """Returns each EM@k by its name, as written and on code.

    Args:
        candidates: Number of candidates per prompt; there is none of a single one.
    """
    if candidates == 1:
        return {}
    return with_forms_on_code(
        {f"{name}_at_{k}": _metric(form, k) for name, form in FORMS.items() for k in range(1, candidates + 1)}
    )


def _metric(form: _Form, k: int) -> Metric:
    return average_metric(
        f"EM@{k}{form.label}",
        f"any of the first k candidates|{form.signature}",
        lambda sample, text, _: form.candidate(text) == form.reference(sample.output),
    )


def find_matches(reference: str, texts: Sequence[str]) -> dict[str, int | None]:
    """Finds the first candidate that is the reference, as written and of the code in each.

    Args:
        reference: The reference.
        texts: The candidates in their order.

    Returns:
        Its rank, from 1, by each form; None where there is none.
    """
    codes = [extract_code(text).text for text in texts]
    found = {}
    for ending, some in (("", texts), (ON_CODE, codes)):
        for name, form in FORMS.items():
            wanted = form.reference(reference)
            ranks = (rank for rank, text in enumerate(some, start=1) if form.candidate(text) == wanted)
            found[name + ending] = next(ranks, None)
    return found


def match_statistics(rows: Sequence[Row], name: str) -> Array:
    """Returns the statistics of scored samples by an EM@k, of shape (samples, 2): none of those without a reference."""
    named = EM_AT.match(name)
    assert named is not None  # as of all names of `match_metrics`
    form, k, ending = named.groups()
    matched = [(row[FIRST_MATCH][form + ending] or np.inf) <= int(k) for row in rows]
    known = np.array([row["length"] > 0 for row in rows], float)
    return np.stack([matched * known, known], axis=1)
