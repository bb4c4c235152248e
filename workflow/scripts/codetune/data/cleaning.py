"""From the records as published to samples: what is dropped or changed, and why."""

import re
from collections.abc import Mapping
from itertools import chain

from codetune.base.files import Row
from codetune.base.plain import from_plain
from codetune.data.samples import FIELDS, Sample
from codetune.study.problem import Problem

# "noinput" written out: alone, or in brackets at the end of an input. 25 records of CodeAlpaca-20k have it.
# Without the look-behind the search would restart at every character of a long run of "<".
NO_INPUT = re.compile(r"\A\W*no[ -]?inputn?\W*\Z|(?<![<\[])[<\[]+ *no[ -]?inputn?[>\] ]*\Z", re.IGNORECASE)

# Halves of surrogate pairs; and with them control characters other than tab and line ends.
HALVES = re.compile(r"[\ud800-\udfff]")
NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def clean(
    records: Mapping[int, Row], benchmark: bool = False, language: str | None = None
) -> tuple[list[Sample], dict[str, list[int]]]:
    """Turns records into samples: a written-out "noinput" becomes an empty input, and some records are dropped.

    A record without an output offers nothing to learn or to score, unless it has test cases. Control characters
    (other than tab and line ends) and halves of surrogate pairs are not source code but traces of a damaged file.
    Halves cannot be encoded as UTF-8, which the tokenizer needs. A model would learn control characters, and ROUGE
    would ignore them.

    Args:
        records: Records as published, by their numbers.
        benchmark: Whether files give the parts. Then control characters stay, and are counted: others count on all
            samples of a published division, and one that quotes such a character has a reason for it.
        language: The programming language of all samples; None if it is guessed of each.

    Returns:
        The samples, and for each reason the numbers of the records that were changed or dropped.
    """
    samples = []
    no_output, no_text = "dropped: empty output", "dropped: control characters or half a surrogate pair"
    no_input = "changed: 'noinput' read as no input"
    touched: dict[str, list[int]] = {no_output: [], no_text: [], no_input: []}
    kept = "kept: control characters, as published"
    if benchmark:
        no_text = "dropped: half a surrogate pair"
        touched = {no_output: [], no_text: [], kept: [], no_input: []}
    for number, record in records.items():
        text = NO_INPUT.sub("", record["input"]).rstrip()
        if text != record["input"].rstrip():
            touched[no_input].append(number)
        if not record["output"].strip() and not (record.get("problem") or {}).get("cases"):
            touched[no_output].append(number)
        elif any((HALVES if benchmark else NOT_TEXT).search(each) for each in _texts_of(record)):
            touched[no_text].append(number)
        else:
            if any(NOT_TEXT.search(each) for each in _texts_of(record)):
                touched[kept].append(number)
            problem = from_plain(record["problem"], Problem, f"record {number}") if record.get("problem") else None
            request, output, earlier = record["instruction"], record["output"], record.get("earlier")
            samples.append(Sample(number, request, text, output, earlier, problem, language))
    return samples, touched


def _texts_of(record: Row) -> list[str]:
    """All that is said in a record."""
    return [*(record[field] for field in FIELDS), *chain(*record.get("earlier") or ())]
