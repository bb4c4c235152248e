"""What stands below Table 2: how its numbers were made, and what they say of format, templates and seeds."""

from collections.abc import Collection, Sequence
from statistics import fmean

import pandas as pd

from codetune.evaluation.comparisons import ALPHA
from codetune.report.flags import flag_note
from codetune.report.format import format_number
from codetune.report.gains import (
    baselines_held_otherwise,
    baselines_not_run,
    baselines_of,
    gains_over,
    say_cause,
    say_gains,
)
from codetune.report.rows import EvaluatedSystem, cut_by_context, gains_are_by_examples, gains_are_by_tuning

MANY = 0.05  # share of empty predictions above which a system is named


def note_of_table2(table: pd.DataFrame, evaluated: Sequence[EvaluatedSystem], metric: str) -> str:
    """The note below Table 2.

    Args:
        table: As `table2` makes it.
        evaluated: What it was made from.
        metric: Name of the metric at its head.
    """
    parts = [
        say_gains(evaluated, metric, _gains_of_the_paper(table)),
        _say_scores(evaluated, metric),
        _say_leaked(evaluated),
        _say_extracted(evaluated, metric),
        _say_empty(evaluated),
        _say_templates(evaluated),
        _say_examples(evaluated),
        _say_weights(evaluated),
        _say_gain(evaluated, metric),
        _say_baselines(evaluated, metric),
        _say_statistics(evaluated, metric),
        "Cut off: by the limit on new tokens or the model's context. Length: characters over those of the references.",
        _say_quoted(table),
        "More is in the CSV.",
        flag_note([record for one in evaluated for record in one.records]),
        cut_by_context(evaluated),
        _where_nothing_is_measured(evaluated, metric),
    ]
    return " ".join(part.strip() for part in parts if part)


def _say_quoted(table: pd.DataFrame) -> str:
    """What the paper says itself, and why some of its rows cannot be run."""
    if table["paper_score"].isna().all():
        return ""
    text = "Column Paper and quoted rows are the paper's."
    reasons = table[table["not_run"].notna()]
    return " ".join([text, *(f"{row['model']} is only quoted: {row['not_run']}." for _, row in reasons.iterrows())])


def _say_scores(evaluated: Sequence[EvaluatedSystem], metric: str) -> str:
    """The signature of the metric as written and on code."""
    return f"{evaluated[0].comparisons.signatures_of(metric)} over {_counts(evaluated, metric)} test samples."


def _say_leaked(evaluated: Sequence[EvaluatedSystem]) -> str:
    """How many samples of each test set leak."""
    counts = {one.test: (len(one.comparisons.leaked), one.summaries[0].samples) for one in evaluated}
    listed = [f"{count} of {samples} ({test})" for test, (count, samples) in counts.items() if count]
    what = "test samples that are in training data of the rows, or have a near-duplicate there"
    return f"Leaked: {what}, {', '.join(listed)}." if listed else ""


def _say_extracted(evaluated: Sequence[EvaluatedSystem], metric: str) -> str:
    """How many predictions of each method are more than their code, over all its systems."""
    shares: dict[str, list[float]] = {}
    for one in evaluated:
        shares.setdefault(one.system.method, []).extend(summary.extracted for summary in one.summaries)
    listed = [f"{format_number(100 * fmean(found), 1)} % ({name})" for name, found in shares.items()]
    known = evaluated[0].comparisons.on_code(metric)
    return f"Predictions that are more than code: {', '.join(listed)}." if known else ""


def _say_empty(evaluated: Sequence[EvaluatedSystem]) -> str:
    """Which systems wrote nothing for many samples: a gain over one of these says little."""
    shares = [(one, fmean(summary.empty for summary in one.summaries)) for one in evaluated]
    listed = [f"{one.model.label} ({one.system.method}) {100 * share:.0f} %" for one, share in shares if share > MANY]
    return f"Empty predictions: {', '.join(listed)}." if listed else ""


def _say_templates(evaluated: Sequence[EvaluatedSystem]) -> str:
    """Which template each method's prompts have; of which model, where a method's models differ."""
    methods: dict[str, dict[str, list[str]]] = {}
    for one in evaluated:
        if template := one.records[0].template:
            labels = methods.setdefault(one.system.method, {}).setdefault(template, [])
            labels += [one.model.label] if one.model.label not in labels else []
    templates: dict[str, list[str]] = {}
    for method, of in methods.items():
        usual = max(of, key=lambda template: len(of[template]))
        for template, labels in of.items():
            names = [method] if template == usual else [f"{label} ({method})" for label in labels]
            templates.setdefault(template, []).extend(names)
    if not templates:
        return ""
    if len(templates) == 1:
        return f"Template of the prompts: {next(iter(templates))}."
    listed = [f"{name} ({', '.join(who)})" for name, who in templates.items()]
    return f"Templates of the prompts: {'; '.join(listed)}."


def _say_examples(evaluated: Sequence[EvaluatedSystem]) -> str:
    """Which methods have training samples as examples in their prompts, how many, and how they are chosen."""
    ways = {"random": "at random, by seed", "similar": "the most similar"}
    systems = {one.system: one for one in evaluated}.values()
    methods = {one.system.method: examples for one in systems if (examples := one.records[0].examples)}
    listed = []
    for name, examples in methods.items():
        count = _say_counts([one for one in systems if one.system.method == name]) or str(examples.count)
        by = f" by {examples.encoder}" if examples.encoder else ""
        listed.append(f"{name} ({count}, {ways[examples.choose]}{by})")
    text = f"Training samples as examples in the prompts: {', '.join(listed)}." if listed else ""
    choices = [record.count for one in systems for record in one.records if record.count]
    if choices:
        labels = dict.fromkeys(evaluated[0].comparisons.metrics[choice.metric].label for choice in choices)
        samples = " / ".join(f"{count:,}" for count in dict.fromkeys(choice.samples for choice in choices))
        text += (
            f" Of several numbers, a run has the one with the best {' / '.join(labels)} on {samples} samples of the "
            "validation part, the smallest of equals; no test sample took part in the choice."
        )
    return text


def _say_counts(systems: Sequence[EvaluatedSystem]) -> str:
    """Which numbers of examples were chosen, of which; empty where the number is fixed."""
    choices = {one.system: [record.count for record in one.records if record.count] for one in systems}
    every = [choice for of in choices.values() for choice in of]
    if not every:
        return ""
    of = f"of {', '.join(str(trial.count) for trial in every[0].trials)}"
    if len({choice.chosen for choice in every}) == 1:
        return f"{every[0].chosen} {of}"
    several = len({one.system.data for one in systems}) > 1
    listed = []
    for one in systems:
        counts = " / ".join(str(choice.chosen) for choice in choices[one.system])
        listed.append(f"{counts} on {one.model.label}{f' from {one.system.data}' if several else ''}")
    return f"{' and '.join(listed)} {of}"


def _say_weights(evaluated: Sequence[EvaluatedSystem]) -> str:
    """How each method holds the frozen weights, where methods differ."""
    methods: dict[str, list[str]] = {}
    for one in evaluated:
        if quantization := one.records[0].method.quantization:
            names = methods.setdefault(quantization.weights, [])
            names += [one.system.method] if one.system.method not in names else []
    listed = [f"{kind} ({', '.join(names)})" for kind, names in methods.items()]
    return f"Frozen weights: {'; '.join(listed)}." if len(listed) > 1 else ""


def _say_baselines(evaluated: Sequence[EvaluatedSystem], metric: str) -> str:
    """Which baselines were not run, and which hold their weights otherwise than the method that names them."""
    every: dict[str, set[str]] = {}
    for one in evaluated:
        every.setdefault(one.system.method, set()).add(one.model.label)
    missing = []
    for (name, method), labels in baselines_not_run(evaluated, metric).items():
        where = "" if set(labels) == every[method] else f" on {', '.join(labels)}"
        missing.append(f"{name} ({method}{where})")
    held = baselines_held_otherwise(evaluated, metric)
    text = f"Baselines that were not run, so that no gain is over them: {', '.join(missing)}." if missing else ""
    if held:
        listed = ", ".join(f"{name} ({method})" for name, method in held)
        cause = say_cause(evaluated, {method for _, method in held})
        text += f" Baselines whose weights are held otherwise, so that a gain is not of {cause} alone: {listed}."
    return text


def _say_statistics(evaluated: Sequence[EvaluatedSystem], metric: str) -> str:
    """How intervals, p-values and verdicts were made, and what they are about."""
    of = {"training": [one for one in evaluated if one.is_tuned]}
    of["choice of examples"] = [one for one in evaluated if one.has_examples and one.records[0].method.is_random]
    once = [word for word, systems in of.items() if 1 in {len(one.records) for one in systems}]
    seeds = {len(one.records) for one in evaluated if one.is_random}
    text = say_intervals(evaluated, seeds)
    if sizes := _family_sizes(evaluated, metric):
        text += f" p: two-sided, with Holm's correction over the column's {sizes}."
        text += f" Verdict: undecided where p is above {ALPHA}"
        text += f"; with one seed, it is about that one {' or '.join(once)}." if once else "."
    return text + (" Deviation: the standard deviation over seeds." if seeds - {1} else "")


def say_intervals(evaluated: Sequence[EvaluatedSystem], seeds: Collection[int]) -> str:
    """How intervals were made.

    Args:
        evaluated: The systems.
        seeds: The numbers of seeds that there are.
    """
    over = "test samples and seeds" if max(seeds, default=1) > 1 else "test samples"
    resamples = " / ".join(f"{count:,}" for count in sorted({one.comparisons.resamples for one in evaluated}))
    return f"Intervals: 95 %, not corrected, by a paired bootstrap over {over}, {resamples} resamples."


def _family_sizes(evaluated: Sequence[EvaluatedSystem], metric: str) -> str:
    """How many comparisons p-values are corrected over, on each test set; empty where there are none."""
    sizes = {
        of.test: sum((one.family, one.metric) == ("gain", metric) and one.p is not None for one in of.comparisons)
        for of in {one.test: one.comparisons for one in evaluated}.values()
    }
    counts = sorted(set(sizes.values()) - {0})
    if not counts:
        return ""
    per_test = " per test set" if len(sizes) > 1 else ""
    return f"{' / '.join(map(str, counts))} {'comparison' if counts == [1] else 'comparisons'}{per_test}"


def _say_gain(evaluated: Sequence[EvaluatedSystem], metric: str) -> str:
    """What the gains are measured over, and which of them has an interval, a p-value and a verdict."""
    baselines, untuned = baselines_of(evaluated, metric), gains_are_by_tuning(evaluated)
    if not baselines:
        return ""
    without = " without examples" if gains_are_by_examples(evaluated) else ""
    better = f"model's untuned rows{without}" if untuned else "method's baselines"
    which = "smaller" if len(baselines) == 2 else "smallest"
    text = f"Gain, interval, p and verdict are of the {which} gain, over the better of the {better}."
    if len({tuple(gains_over(one, metric)) for one in evaluated} - {()}) > 1:
        text = "Gain, interval, p and verdict are over the best of the method's baselines, named under Over."
    if len(baselines) == 1:
        text = f"Gain: over the {f'untuned model{without}' if untuned else 'baseline'} ({baselines[0]})."
    coded = evaluated[0].comparisons.on_code(metric)
    return f"{text} + and - on code: better or worse by that score, with a correction of its own." if coded else text


def _gains_of_the_paper(table: pd.DataFrame) -> dict[str, list[float]]:
    """The paper's own gains, by the name of the baseline."""
    known = table[table["paper_gain"].notna()]
    return {str(name): list(rows["paper_gain"]) for name, rows in known.groupby("paper_gain_over")}


def _counts(evaluated: Sequence[EvaluatedSystem], metric: str) -> str:
    """How many samples each test set has and, where a metric is for some languages only, how many of them it is for."""
    counts = []
    for test in dict.fromkeys(one.test for one in evaluated):
        summaries = [summary for one in evaluated if one.test == test for summary in one.summaries]
        parts = [(language, part) for summary in summaries for language, part in summary.by_language.items()]
        scored = {language: part.samples for language, part in parts if part.scores[metric] is not None}
        some, all_ = sum(scored.values()), summaries[0].samples
        counts.append(f"{some:,} of {all_:,}" if 0 < some < all_ else f"{all_:,}")
    return " / ".join(counts if len(set(counts)) > 1 else counts[:1])


def _where_nothing_is_measured(evaluated: Sequence[EvaluatedSystem], metric: str) -> str:
    """A sentence on the test sets to none of whose samples a metric applies; none where there are none."""
    tests = {one.test for one in evaluated} - {one.test for one in evaluated if one.score(metric).score is not None}
    if not tests:
        return ""
    label = evaluated[0].comparisons.metrics[metric].label
    return f"{label} has no value for any sample of {', '.join(sorted(tests))}."
