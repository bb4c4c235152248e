"""Table 2: the score of all runs, with intervals and gains, beside the paper's."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from codetune.base.files import Row
from codetune.evaluation.comparisons import Comparison
from codetune.papers.declared import PAPER_METRIC
from codetune.report.cells import (
    digits_of,
    format_interval,
    format_millions,
    format_number,
    format_p,
    format_signed,
    format_whole,
    in_paper_order,
    table_of,
    varying_columns,
)
from codetune.report.flags import flag, flag_note, flagged
from codetune.report.rows import EvaluatedSystem, cut_by_context, gains_are_by_tuning
from codetune.report.writing import write_forms

HERE = "this study"
QUOTED = "quoted by the paper"


@dataclass(frozen=True, kw_only=True)
class Table2Row:
    """A row of the CSV. Without a test set it is one that the paper quotes.

    Attributes:
        data: Name of the training data; `none` where there are none.
        test: Name of the test set.
        model: Label of the model.
        method: Name of the method.
        source: Where the score comes from.
        paper_params: The model's parameters, as the paper has them.
        trainable: Trainable parameters.
        steps: Optimizer steps of the kept checkpoint, mean over seeds.
        seeds: How many.
        flagged: How many of its trainings diverged, or did not lower the validation loss.
        samples: Number of test samples.
        metric: Name of the metric.
        score: Mean over seeds.
        score_low: Lower end of its interval.
        score_high: Upper end of its interval.
        deviation: Standard deviation over seeds.
        paper_score: The paper's score.
        gain: Difference to the first baseline of the method.
        gain_low: Lower end of its interval.
        gain_high: Upper end of its interval.
        gain_percent: The gain relative to the baseline.
        p_holm: Corrected p-value of the gain.
        verdict: What its interval says.
        paper_gain: The paper's own gain over that baseline.
        truncated: Share of predictions that the limit on new tokens or the context cut off.
        empty: Share of predictions without text.
        length_ratio: Characters of all predictions over those of all references.
        leaked: Test samples with a near-duplicate in train or validation.
        score_without_leaked: Score of all other test samples.
        predictions: Where the score comes from: a path per seed.
    """

    data: str | None = None
    test: str | None = None
    model: str
    method: str | None = None
    source: str
    paper_params: str | None
    trainable: int | None = None
    steps: int | None = None
    seeds: int | None = None
    flagged: int | None = None
    samples: int | None = None
    metric: str | None = None
    score: float | None = None
    score_low: float | None = None
    score_high: float | None = None
    deviation: float | None = None
    paper_score: float | None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    gain_percent: float | None = None
    p_holm: float | None = None
    verdict: str | None = None
    paper_gain: float | None = None
    truncated: float | None = None
    empty: float | None = None
    length_ratio: float | None = None
    leaked: int | None = None
    score_without_leaked: float | None = None
    predictions: str | None = None


def table2(evaluated: Sequence[EvaluatedSystem], metric: str, paper: Row) -> pd.DataFrame:
    """The score of all systems beside the paper's (its Table 2).

    Args:
        evaluated: The systems on each test set.
        metric: Name of the metric.
        paper: What the paper declares.

    Returns:
        Rows of `Table2Row`: those that the paper quotes, then test set by test set one per system, in the paper's
        order. The paper's columns and rows are filled for its own metric, ROUGE-L.
    """
    declared = {(row["model"], row["method"]): row for row in paper["table2"] if "model" in row}
    ours: list[Table2Row] = []
    for test in dict.fromkeys(one.test for one in evaluated):
        of_test = [one for one in evaluated if one.test == test]
        rows = [_row(one, metric, declared) for one in of_test]
        ours += in_paper_order(rows, [(one.system.model, one.system.method) for one in of_test], list(declared))
    quoted = [_quoted(row) for row in paper["table2"] if "model" not in row] if metric == PAPER_METRIC else []
    return table_of(asdict(row) for row in (*quoted, *ours))


def _quoted(row: Row) -> Table2Row:
    return Table2Row(model=row["label"], source=QUOTED, paper_params=row["params"], paper_score=row["rouge_l"])


def _row(evaluated: EvaluatedSystem, metric: str, declared: Mapping[tuple[str, str], Row]) -> Table2Row:
    system, summaries = evaluated.system, evaluated.summaries
    score, comparison = evaluated.score(metric), evaluated.gain(metric)
    quoted = declared.get((system.model, system.method), {})
    trainings = [record.training for record in evaluated.records if record.training is not None]
    return Table2Row(
        data=system.data,
        test=evaluated.test,
        model=evaluated.model.label,
        method=system.method,
        source=HERE,
        paper_params=quoted.get("params"),
        trainable=trainings[0].trainable_parameters if trainings else None,
        steps=round(statistics.fmean(one.result.best_step for one in trainings)) if trainings else None,
        seeds=len(evaluated.records),
        flagged=len(flagged(evaluated.records)),
        samples=summaries[0].samples,
        metric=metric,
        score=score.score,
        score_low=score.ends[0],
        score_high=score.ends[1],
        deviation=score.deviation,
        paper_score=quoted.get("rouge_l") if metric == PAPER_METRIC else None,
        gain=comparison.gain if comparison else None,
        gain_low=comparison.ends[0] if comparison else None,
        gain_high=comparison.ends[1] if comparison else None,
        gain_percent=_percent(comparison.gain, score.score) if comparison else None,
        p_holm=comparison.p_holm if comparison else None,
        verdict=comparison.verdict if comparison else None,
        paper_gain=_paper_gain(evaluated, comparison, declared) if metric == PAPER_METRIC else None,
        truncated=statistics.fmean(summary.truncated for summary in summaries),
        empty=statistics.fmean(summary.empty for summary in summaries),
        length_ratio=statistics.fmean(summary.length_ratio for summary in summaries),
        leaked=summaries[0].leaked,
        score_without_leaked=_mean_of([summary.scores_without_leaked for summary in summaries], metric),
        predictions=" ".join(str(record.path_of("predictions", evaluated.test)) for record in evaluated.records),
    )


def _mean_of(scores: Sequence[Mapping[str, float | None] | None], metric: str) -> float | None:
    """Mean over seeds of one metric; None where it is not defined for one of them."""
    found = [one[metric] for one in scores if one is not None]
    known = [value for value in found if value is not None]
    return statistics.fmean(known) if len(known) == len(scores) else None


def _percent(gain: float | None, score: float | None) -> float | None:
    """A gain relative to the score that it started from, in percent."""
    return None if gain is None or score is None or score == gain else 100 * gain / (score - gain)


def _paper_gain(
    evaluated: EvaluatedSystem, comparison: Comparison | None, declared: Mapping[tuple[str, str], Row]
) -> float | None:
    """The paper's own difference between a system and its baseline."""
    model, method = evaluated.system.model, evaluated.system.method
    baselines = [comparison.over.method] if comparison else evaluated.records[0].method.baselines
    pair = [(model, method), *((model, baseline) for baseline in baselines[:1])]
    if len(pair) == 1 or any(one not in declared for one in pair):
        return None
    return round(float(declared[pair[0]]["rouge_l"] - declared[pair[1]]["rouge_l"]), 4)


def write_table2(
    table: pd.DataFrame, evaluated: Sequence[EvaluatedSystem], metric: str, outputs: Mapping[str, str]
) -> None:
    """Writes Table 2 as CSV with plain numbers, and as Markdown and LaTeX for readers.

    Args:
        table: As `table2` makes it.
        evaluated: What it was made from.
        metric: Name of the metric.
        outputs: Path for each of csv, md, tex.
    """
    label = evaluated[0].comparisons.metrics[metric].label
    digits = digits_of(evaluated[0].comparisons.metrics[metric].highest)
    shown = pd.DataFrame(
        {
            **varying_columns(table, "data", "test"),
            "Model": [_title(row) for _, row in table.iterrows()],
            "Params (paper)": table["paper_params"],
            "Trainable": table["trainable"].map(format_millions),
            "Steps": table["steps"].map(format_whole),
            **varying_columns(table, "seeds"),
            label: [format_number(row["score"], digits, row["deviation"]) for _, row in table.iterrows()],
            "95 % interval": [format_interval(row, "score", digits) for _, row in table.iterrows()],
            **_without_leaked(table, label, digits),
            f"{label} (paper)": table["paper_score"].map(lambda value: format_number(value, 2)),
            "Gain": [_gain(row, digits) for _, row in table.iterrows()],
            "95 % interval of the gain": [format_interval(row, "gain", digits, "+") for _, row in table.iterrows()],
            "p (Holm)": table["p_holm"].map(format_p),
            "Verdict": table["verdict"],
            "Gain (paper)": table["paper_gain"].map(lambda value: format_signed(value, 2)),
        }
    )
    # These are shown even where the metric applies to no sample.
    kept = {label, "95 % interval", *_without_leaked(table, label, digits)}
    if any(one.gain(metric) for one in evaluated):
        kept |= {"Gain", "95 % interval of the gain", "p (Holm)", "Verdict"}
    shown = shown[[name for name in shown if name in kept or shown[name].notna().any()]]
    write_forms(table, shown, f"Model comparison on {label}", _note(evaluated, metric), outputs)


def _note(evaluated: Sequence[EvaluatedSystem], metric: str) -> str:
    comparisons = evaluated[0].comparisons
    facts = comparisons.metrics[metric]
    by_tuning = gains_are_by_tuning(evaluated)
    return (
        f"{facts.label} [{facts.signature}] over {_counts(evaluated, metric)} test samples. Intervals: paired "
        f"bootstrap over test samples, {comparisons.resamples:,} resamples; p-values: two-sided, with Holm's "
        f"correction over {'the tuned models' if by_tuning else 'all comparisons'}. Verdict: undecided where the "
        "corrected p-value is above 0.05. A value after ± is the standard deviation over seeds. "
        "Columns marked (paper) and rows marked (quoted) are the paper's. Gain: difference to "
        f"{'the untuned model' if by_tuning else 'the first baseline of the method'}, and relative to it. Steps: of "
        "the best checkpoint. Where each score comes from: the column predictions of the CSV."
        f"{flag_note([record for one in evaluated for record in one.records])}"
        f"{cut_by_context(evaluated)}"
        f"{_where_nothing_is_measured(evaluated, metric)}"
    )


def _counts(evaluated: Sequence[EvaluatedSystem], metric: str) -> str:
    """How many samples each test set has and, where a metric is for some languages only, how many of them it is for."""
    counts = set()
    for test in {one.test for one in evaluated}:
        summaries = [summary for one in evaluated if one.test == test for summary in one.summaries]
        parts = [(language, part) for summary in summaries for language, part in summary.by_language.items()]
        scored = {language: part.samples for language, part in parts if part.scores[metric] is not None}
        counts.add((summaries[0].samples, sum(scored.values())))
    return " / ".join(f"{some:,} of {all_:,}" if 0 < some < all_ else f"{all_:,}" for all_, some in sorted(counts))


def _where_nothing_is_measured(evaluated: Sequence[EvaluatedSystem], metric: str) -> str:
    """A sentence on the test sets to none of whose samples a metric applies; none where there are none."""
    tests = {one.test for one in evaluated} - {one.test for one in evaluated if one.score(metric).score is not None}
    if not tests:
        return ""
    label = evaluated[0].comparisons.metrics[metric].label
    return f" {label} has no value for any sample of {', '.join(sorted(tests))}."


def _without_leaked(table: pd.DataFrame, label: str, digits: int) -> dict[str, list[str | None]]:
    """The column of scores without test samples that have a near-duplicate in training, if there are such samples."""
    counts = sorted({int(count) for count in table["leaked"].dropna()} - {0})
    if not counts:
        return {}
    name = f"{label} without {' / '.join(map(str, counts))} leaked"
    return {name: [format_number(value, digits) for value in table["score_without_leaked"]]}


def _title(row: "pd.Series[Any]") -> str:
    if row["source"] != HERE:
        return f"{row['model']} (quoted)"
    return f"{row['model']} ({row['method']}){flag(row['flagged'], row['seeds'])}"


def _gain(row: "pd.Series[Any]", digits: int) -> str | None:
    gain, percent = format_signed(row["gain"], digits), format_signed(row["gain_percent"], 1)
    return gain if gain is None or percent is None else f"{gain} ({percent} %)"
