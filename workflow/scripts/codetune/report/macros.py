"""Rule macros: the numbers of a study by name, for people who write about it."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from codetune.base.files import write_json, write_text
from codetune.base.text import printable
from codetune.report.described import describe_study, read_cards
from codetune.report.finding import Material
from codetune.report.findings import conclude, read_material
from codetune.report.quoted import (
    Numbers,
    Quoted,
    numbers_of_claims,
    numbers_of_findings,
    numbers_of_rows,
    numbers_of_scores,
    plain_numbers,
    read_costs,
    read_settings,
)
from codetune.report.signs import escape_latex
from codetune.report.stamp import stamped_macros, stamped_numbers

VERSION = 1  # of the form of numbers.json
PREFIX = "study"  # begins the name of every macro
DIGITS = dict(zip("0123456789", "Zero One Two Three Four Five Six Seven Eight Nine".split(), strict=True))
AGAIN = "Bis"  # ends the name of a macro that else had the name of one before it
TEX = {"-": r"\ensuremath{-}", "<": r"\ensuremath{<}", ",": "{,}", " ": "~"}
NUMBER = re.compile(r"[<+-]? ?[0-9.,]+( [KM])?")
HEAD = r"""% The numbers of the study as macros: \input this file. Each is a number, as it is printed, without its unit.
% The name of a macro is that of the number in numbers.json, which has the full precision: 'study', then its letters and
% digits, where each part begins with a capital and digits are spelled (gemma-2-2b: GemmaTwoTwoB). Macros work in text
% and in formulas; one that is not defined has no value in this study. A verdict is a word.
"""


def write_macros(inputs: Mapping[str, Any], metric: str, outputs: Mapping[str, str]) -> None:
    """Writes all numbers of a study by name, as JSON and as macros of LaTeX.

    Args:
        inputs: Paths: `records`, `comparisons`, `cards`, and the CSV of the tables `table1`, `cost` and `audit`, as far
            as the study has them.
        metric: Name of the study's metric.
        outputs: Path for each of `json` and `tex`.
    """
    numbers = gather_numbers(read_material(inputs, metric), inputs)
    names = macro_names(numbers)
    plain = {name: {"macro": f"\\{names[name]}", **one} for name, one in plain_numbers(numbers).items()}
    write_json(outputs["json"], stamped_numbers({"version": VERSION, "metric": metric, "numbers": plain}))
    write_text(outputs["tex"], stamped_macros(_macros(numbers, names)))


def gather_numbers(material: Material, inputs: Mapping[str, Any]) -> Numbers:
    """All numbers of a study by their names, sorted by kind: those of sentences first.

    Args:
        material: The study.
        inputs: As those of `write_macros`.
    """
    models = {record.model.label: record.run.model for record in material.records}
    sentences = [*describe_study(material, read_cards(inputs["cards"])), *conclude(material)]
    found = numbers_of_findings(sentences) | numbers_of_scores(material)
    if path := inputs.get("table1"):
        found |= numbers_of_rows("settings", read_settings(path, models))
    if path := inputs.get("cost"):
        found |= numbers_of_rows("costs", read_costs(path, models))
    if path := inputs.get("audit"):
        found |= numbers_of_claims(path)
    return found


def macro_names(names: Sequence[str] | Mapping[str, Any]) -> dict[str, str]:
    """The name of each number's macro: letters alone, no two alike."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        macro = _macro_name(name)
        while macro in taken:
            macro += AGAIN
        taken.add(macro)
        found[name] = macro
    return found


def _macro_name(name: str) -> str:
    words = re.findall(r"[A-Za-z]+|[0-9]", name)
    return PREFIX + "".join(DIGITS.get(word) or word[:1].upper() + word[1:] for word in words)


def _macros(numbers: Mapping[str, Quoted], names: Mapping[str, str]) -> str:
    """The macros, those that belong together under a line with what they follow from."""
    lines = [HEAD]
    for (about, files), group in groupby(numbers.items(), lambda item: (item[0].rpartition(".")[0], item[1].files)):
        lines.append(f"\n% {printable(about)}, from {printable(', '.join(files) or 'the study itself')}\n")
        lines += [f"\\newcommand{{\\{names[name]}}}{{{_as_latex(one)}}}\n" for name, one in group]
    return "".join(lines)


def _as_latex(one: Quoted) -> str:
    """A number as LaTeX, for text and formulas; a word for text."""
    if isinstance(one.value, str) or not NUMBER.fullmatch(one.text):
        return escape_latex(one.text)
    return "".join(TEX.get(sign, sign) for sign in one.text)
