"""Each variant beside its default: what a choice that a paper leaves open is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from codetune.evaluation.comparisons import ALPHA
from codetune.report.cells import table_of, varying_columns
from codetune.report.flags import flag, flag_note
from codetune.report.format import format_number, format_signed
from codetune.report.notes import say_intervals
from codetune.report.pairs import PairRow, row_of, shown_differences
from codetune.report.rows import EvaluatedSystem, digits_of_scores
from codetune.report.writing import write_forms
from codetune.study.runs import System


def variants_table(
    evaluated: Sequence[EvaluatedSystem], metric: str, variants: Sequence[tuple[System, System]]
) -> pd.DataFrame:
    """Compares each variant with its default.

    Args:
        evaluated: The systems on each test set.
        metric: Name of the metric.
        variants: Each variant with its default.

    Returns:
        Rows of `PairRow`, in the order of the variants, with those of one choice side by side.
    """
    rows, choices = [], list(dict.fromkeys(_choice(*pair) for pair in variants))
    for test in dict.fromkeys(one.test for one in evaluated):
        systems = {one.system: one for one in evaluated if one.test == test}
        for system, default in sorted(variants, key=lambda pair: choices.index(_choice(*pair))):
            if system in systems and default in systems:
                comparisons = systems[system].comparisons
                over = comparisons.gain_over if system.model == default.model else None
                pair = comparisons.pair_of(system, default, metric) or (over and over(system, default.method, metric))
                if pair:
                    differs = "method" if system.model == default.model else "model"
                    rows.append(row_of(pair, differs, systems[system], systems[default]))
    return table_of(asdict(row) for row in rows) if rows else pd.DataFrame(columns=list(PairRow.__dataclass_fields__))


def _choice(system: System, default: System) -> str | None:
    """What a variant is one of: the method, or None for a choice of models."""
    return None if system.method == default.method else system.method


def write_variants(
    table: pd.DataFrame, evaluated: Sequence[EvaluatedSystem], metric: str, outputs: Mapping[str, str]
) -> None:
    """Writes the table of variants as CSV with all numbers, and as Markdown and LaTeX for readers.

    Args:
        table: As `variants_table` makes it.
        evaluated: What it was made from.
        metric: Name of the metric.
        outputs: Path for each of csv, md, tex.
    """
    facts = evaluated[0].comparisons.metrics[metric]
    digits, code = digits_of_scores(evaluated, metric), evaluated[0].comparisons.on_code(metric)
    rows = [row for _, row in table.iterrows()]
    shown = pd.DataFrame(
        {
            **varying_columns(table, "test"),
            "Variant": [_title(row, "") for row in rows],
            "Default": [_title(row, "over_") for row in rows],
            **varying_columns(table, "data"),
            **shown_differences(rows, "Gain", digits),
            **({"Gain on code": [format_signed(row["code_gain"], digits[0]) for row in rows]} if code else {}),
            facts.label: [format_number(row["score"], digits[0]) for row in rows],
            f"{facts.label} of the default": [format_number(row["over_score"], digits[0]) for row in rows],
        }
    )
    more = {"Scores": [*(name for name in map(str, shown) if name.startswith(facts.label)), "p (Holm)"]}
    write_forms(table, shown, f"Variants on {facts.label}", _note(table, evaluated, metric), outputs, more)


def _title(row: "pd.Series[Any]", prefix: str) -> str:
    name = f"{row[f'{prefix}model']} ({row[f'{prefix}method']})"
    return name + flag(row[f"{prefix}flagged"], row[f"{prefix}seeds"])


def _note(table: pd.DataFrame, evaluated: Sequence[EvaluatedSystem], metric: str) -> str:
    """What the table compares and how, in sentences."""
    signatures = evaluated[0].comparisons.signatures_of(metric)
    if table.empty:
        return f"No variant of this study was evaluated beside its default. {signatures}."
    seeds = {int(count) for name in ("seeds", "over_seeds") for count in table[name]}
    return (
        "Each row compares a variant with its default on the same test samples; all else of the two is the same. Gain: "
        f"the variant's score less the default's. {say_intervals(evaluated, seeds)} p: two-sided, with Holm's "
        f"correction over all pairs of systems that the study compares. Verdict: undecided where p is above {ALPHA}"
        f"{'; with one seed, it is about these two trainings alone' if 1 in seeds else ''}. {signatures}."
        f"{flag_note([record for one in evaluated for record in one.records])}"
    )
