"""What a study cannot say, found in its records and comparisons."""

from collections.abc import Iterable
from statistics import fmean

from codetune.evaluation.passes import AVERAGE
from codetune.report.finding import LIMITS, Finding, Material, files_of, listed, titles_of
from codetune.report.flags import MEANING, flagged
from codetune.report.gains import baselines_held_otherwise, baselines_not_run, gains_over, say_cause
from codetune.report.notes import MANY
from codetune.report.rows import gains_are_by_tuning
from codetune.report.verdict_words import MOST_NAMES
from codetune.study.facts import ScoredPart
from codetune.study.runs import NONE


def find_limits(material: Material) -> list[Finding]:
    """What a reader may not conclude; each sentence names its reason."""
    found = [*_seeds(material), *_diverged(material), *_baselines(material)]
    for test in material.tests:
        found += [
            *_samples(test, material),
            *_leaked(test, material),
            *_empty(test, material),
            *_absent(test, material),
        ]
    text = (
        f"{_run_code(material.executed)} A score says how alike a text and one reference are, not whether the code is "
        "right, and a correct solution of another kind scores low."
    )
    return [*found, Finding(f"{LIMITS}.metric", text, {}, [])]


def _run_code(executed: Material | None) -> str:
    """Which metrics run code."""
    if executed is None:
        return "No metric here runs code."
    by_cases = any(AVERAGE in one.metrics for one in executed.comparisons.values())
    return f"No metric but pass@1{' and average accuracy' if by_cases else ''} runs code."


def _seeds(material: Material) -> Iterable[Finding]:
    """Whether verdicts are about one training."""
    tuned = list({one.system: one for one in material.evaluated if one.is_tuned}.values())
    single = [one for one in tuned if len(one.records) == 1]
    if not single:
        return
    numbers = material.numbers(LIMITS, "seeds")
    numbers.count("single", len(single))
    if len(tuned) == 1:
        who = "The model was tuned once, so intervals and verdicts are"
    elif len(single) == len(tuned):
        who = "Each model was tuned once, so intervals and verdicts are"
    else:
        count, total = numbers.count("single", len(single)), numbers.count("systems", len(tuned))
        verb = "has" if len(single) == 1 else "have"
        who = f"{count} of {total} tuned systems {verb} one seed. What is said of them is"
    text = f"{who} about that one training; how much another seed would change is not known."
    yield Finding(numbers.prefix, text, numbers.found, files_of([record for one in single for record in one.records]))


def _diverged(material: Material) -> Iterable[Finding]:
    """Trainings whose result may be worth nothing."""
    trained = [record for record in material.records if record.training is not None]
    wrong = flagged(trained)
    if not wrong:
        return
    numbers = material.numbers(LIMITS, "diverged")
    count, total = numbers.count("trainings", len(wrong)), numbers.count("all", len(trained))
    names = [f"{record.model.label} by {record.run.method}, seed {record.run.seed}" for record in wrong[:MOST_NAMES]]
    more = len(wrong) - len(names)
    listing = "; ".join(names) + (f"; and {numbers.count('more', more)} more" if more else "")
    text = f"{count} of {total} trainings went wrong ({MEANING}), so that their scores say little: {listing}."
    yield Finding(numbers.prefix, text, numbers.found, files_of(wrong))


def _baselines(material: Material) -> Iterable[Finding]:
    """Baselines that are missing, and gains that are not of tuning alone."""
    evaluated, metric = material.evaluated, material.metric
    if missing := baselines_not_run(evaluated, metric):
        listing = listed([f"{name} (of {method})" for name, method in list(missing)[:MOST_NAMES]])
        text = f"Not run for all models, so that no gain over them is known: {listing}."
        yield Finding(f"{LIMITS}.baselines", text, {}, [])
    without = [one for one in evaluated if one.is_tuned and not gains_over(one, metric)]
    if without and len(without) < sum(one.is_tuned for one in evaluated):
        numbers = material.numbers(LIMITS, "without_gain")
        count = numbers.count("systems", len(without))
        names = listed(list(titles_of(without).values())[:MOST_NAMES])
        text = f"{count} tuned {'system has' if len(without) == 1 else 'systems have'} no gain, for want of a baseline"
        yield Finding(
            numbers.prefix,
            f"{text}: {names}{', among others' if len(without) > MOST_NAMES else ''}.",
            numbers.found,
            [],
        )
    if held := baselines_held_otherwise(evaluated, metric):
        listing = listed([f"{name} (of {method})" for name, method in held[:MOST_NAMES]])
        cause = say_cause(evaluated, {method for _, method in held})
        text = (
            f"Baselines whose weights are held otherwise, so that gains over them are not of {cause} alone: {listing}."
        )
        yield Finding(f"{LIMITS}.weights", text, {}, [])
    if not gains_are_by_tuning(evaluated):
        text = "Some baselines have seen training data, too: gains over these are not what tuning adds."
        yield Finding(f"{LIMITS}.tuned_baselines", text, {}, [])


def _samples(test: str, material: Material) -> Iterable[Finding]:
    """How many samples all is measured on, where the metric applies to some of them only or cannot measure some."""
    systems = material.of_test(test)
    summaries = [summary for one in systems for summary in one.summaries]
    parts = {
        (name, part.samples) for one in summaries for name, part in one.by_language.items() if _known(part, material)
    }
    numbers = material.numbers(LIMITS, test, "samples")
    samples, measured = numbers.count("samples", summaries[0].samples), sum(count for _, count in parts)
    text = f"All scores are of {samples} test samples of {test}"
    if not measured:
        text = f"{material.label} applies to none of the {samples} test samples of {test}."
    elif measured < summaries[0].samples:
        count = numbers.count("measured", measured)
        text = (
            f"{material.label} applies to {count} of the {samples} test samples of {test}, and says nothing of others."
        )
    else:
        text += ". Other data may say otherwise."
    if any((gain := one.gain(material.metric)) and gain.gain is not None and gain.interval is None for one in systems):
        text += " There are too few for intervals."
    if lost := max(summary.unmeasured.get(material.metric, 0) for summary in summaries):
        text += f" Of some run, {numbers.count('unmeasured', lost)} could not be measured."
    yield Finding(numbers.prefix, text, numbers.found, material.files(test, systems))


def _known(part: ScoredPart, material: Material) -> bool:
    return part.scores[material.metric] is not None


def _leaked(test: str, material: Material) -> Iterable[Finding]:
    """Test samples that leak from training data, and what the scores are without them."""
    systems, leaked = material.of_test(test), material.comparisons[test].leaked
    if not leaked:
        return
    numbers, metric = material.numbers(LIMITS, test, "leaked"), material.metric
    total = systems[0].summaries[0].samples
    text = (
        f"{numbers.count('leaked', len(leaked))} of {numbers.count('samples', total)} test samples of {test} "
        f"{'is' if len(leaked) == 1 else 'are'} in the training data or {'has' if len(leaked) == 1 else 'have'} a "
        "near-duplicate there"
    )
    scores = [one.score(metric) for one in systems]
    changes = [
        abs(one.score - one.without_leaked)
        for one in scores
        if one.score is not None and one.without_leaked is not None
    ]
    if changes:
        text += f"; without these, no score differs by more than {numbers.score('change', max(changes))}"
    yield Finding(numbers.prefix, f"{text}.", numbers.found, material.files(test))


def _empty(test: str, material: Material) -> Iterable[Finding]:
    """Systems that wrote nothing for many samples: a gain over one of these says little."""
    systems = [one for one in material.of_test(test) if one.system.model != NONE]
    shares = {one.system: fmean(summary.empty for summary in one.summaries) for one in systems}
    many = sorted((one for one in systems if shares[one.system] > MANY), key=lambda one: -shares[one.system])
    if not many:
        return
    numbers = material.numbers(LIMITS, test, "empty")
    several = len({one.system.data for one in systems if one.is_tuned}) > 1
    names = [
        f"{one.model.label} by {one.system.method}"
        f"{f' trained on {one.system.data}' if several and one.is_tuned else ''}"
        for one in many[:MOST_NAMES]
    ]
    more = f" and {numbers.count('more', len(many) - MOST_NAMES)} more" if len(many) > MOST_NAMES else ""
    share = numbers.percents("share", [shares[one.system] for one in many])
    who = f"{', '.join(names)}{more}" if more else listed(names)
    text = f"Empty predictions are {share} of those of {who}: gains over these say little."
    yield Finding(
        numbers.prefix,
        material.on(test, text),
        numbers.found,
        files_of([record for one in many for record in one.records]),
    )


def _absent(test: str, material: Material) -> Iterable[Finding]:
    """Tuned systems that were not evaluated on this test set."""
    here = {one.system for one in material.of_test(test)}
    tuned = {one.system: one for one in material.evaluated if one.is_tuned}
    absent = [one for system, one in tuned.items() if system not in here]
    if absent:
        numbers = material.numbers(LIMITS, test, "absent")
        count, total = numbers.count("absent", len(absent)), numbers.count("systems", len(tuned))
        text = f"{count} of {total} tuned systems {'was' if len(absent) == 1 else 'were'} not evaluated on {test}."
        yield Finding(numbers.prefix, text, numbers.found, [])
