"""From published records to samples: what is dropped or changed, and why."""

import re

from codetune.data.reading import FIELDS
from codetune.data.samples import Sample

# "noinput" spelled out: alone, or in brackets at the end of an input. 25 records of CodeAlpaca-20k have it.
# The look-behind keeps a megabyte of "<" from being searched anew at each of them.
NO_INPUT = re.compile(r"\A\W*no[ -]?inputn?\W*\Z|(?<![<\[])[<\[]+ *no[ -]?inputn?[>\] ]*\Z", re.IGNORECASE)


NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def clean(records: list[dict[str, str]]) -> tuple[list[Sample], dict[str, list[int]]]:
    """Turns records into samples: a spelled-out "noinput" becomes no input; some records are dropped.

    Without an output there is nothing to learn or to score. Control characters (all but tab and line ends) and halves
    of surrogate pairs are no source code but the trace of a damaged file. Halves have no UTF-8, which the tokenizer
    needs; a model would learn the others, and ROUGE would not see them.

    Returns:
        The samples, and for each reason the numbers of the records it touched.
    """
    samples = []
    no_output, no_text = "dropped: empty output", "dropped: control characters or half a surrogate pair"
    no_input = "changed: 'noinput' read as no input"
    touched: dict[str, list[int]] = {no_output: [], no_text: [], no_input: []}
    for number, record in enumerate(records):
        text = NO_INPUT.sub("", record["input"]).rstrip()
        if text != record["input"].rstrip():
            touched[no_input].append(number)
        if not record["output"].strip():
            touched[no_output].append(number)
        elif any(NOT_TEXT.search(record[field]) for field in FIELDS):
            touched[no_text].append(number)
        else:
            samples.append(Sample(number, record["instruction"], text, record["output"]))
    return samples, touched
