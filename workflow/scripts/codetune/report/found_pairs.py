"""What a study found of systems beside each other: the best one, models, methods, and those that nobody tuned."""

from collections import Counter
from collections.abc import Iterable, Sequence

from codetune.evaluation.comparisons import Comparison
from codetune.report.finding import Finding, Material, Numbers, titles_of
from codetune.report.rows import EvaluatedSystem
from codetune.report.verdict_words import VERDICTS, Outcome, say_shares
from codetune.study.runs import NONE, System

DECIDED = ("better", "worse")


def find_pairs(material: Material) -> list[Finding]:
    """What is known on each test set of pairs of systems of which none is a baseline of the other."""
    found: list[Finding] = []
    for test in material.tests:
        tuned = [one for one in material.tuned(test) if one.score(material.metric).score is not None]
        pairs = material.pairs(test, material.metric)
        if len(tuned) > 1:
            found += [_best(test, tuned, pairs, material), *_alike(test, pairs, material)]
        found += _never_tuned(test, tuned, pairs, material)
        found += _retrieved(test, tuned, pairs, material)
    return found


def _best(test: str, tuned: Sequence[EvaluatedSystem], pairs: Sequence[Comparison], material: Material) -> Finding:
    """The tuned system with the highest score, and whether it is better than the others."""
    numbers, names = material.numbers("best", test), titles_of(tuned)
    best = max(tuned, key=lambda one: _score(one, material))
    text = f"{names[best.system]} has the highest score of the tuned models: {_say_score(best, numbers, material)}."
    others = {
        names[one.system]: pair
        for one in tuned
        if one is not best and (pair := _pair(pairs, best.system, one.system)) is not None
    }
    if others:
        text += f" {_say_others(Outcome(others, 'other'), numbers)}"
    return Finding(numbers.prefix, material.on(test, text), numbers.found, material.files(test))


def _say_others(outcome: Outcome, numbers: Numbers) -> str:
    """Whether a system is better than each of the others that it is compared with."""
    outcome.keep_counts(numbers)
    if outcome.total == 1:
        (name,) = outcome.compared
        if outcome.count("better"):
            return f"It is better than {name}."
        return f"Whether it is better than {name} is undecided."
    total = f"{numbers.count('systems', outcome.total)} others that it is compared with"
    if outcome.count("better") == outcome.total:
        return f"It is better than all {total}."
    if outcome.count("undecided") == outcome.total:
        return f"Whether it is better is undecided for all {total}."
    better = numbers.count("better", outcome.count("better"))
    return f"It is better than {better} of {total}; for {outcome.counted('undecided', numbers)} this is undecided."


def _say_score(one: EvaluatedSystem, numbers: Numbers, material: Material) -> str:
    """A score with its interval."""
    interval = numbers.interval("score", one.score(material.metric).interval, signed=False)
    return numbers.score("score", _score(one, material)) + interval


def _score(one: EvaluatedSystem, material: Material) -> float:
    score = one.score(material.metric).score
    return float("-inf") if score is None else score


def _pair(pairs: Sequence[Comparison], system: System, over: System) -> Comparison | None:
    """The comparison of two systems, whichever is compared with the other."""
    for one in pairs:
        if (one.system, one.over) == (system, over):
            return one
        if (one.over, one.system) == (system, over):
            return one.reverse
    return None


def _alike(test: str, pairs: Sequence[Comparison], material: Material) -> Iterable[Finding]:
    """How many pairs of models tuned alike, and of methods on one model, are decided; and what is most often better."""
    tuned = {one.system for one in material.of_test(test) if one.is_tuned}
    trained = [one for one in pairs if {one.system, one.over} <= tuned]
    labels = {one.system.model: one.model.label for one in material.of_test(test)}
    kinds = {
        "models": ("models tuned alike", "model", [one for one in trained if one.system.model != one.over.model]),
        "methods": ("methods on one model", "method", [one for one in trained if one.system.method != one.over.method]),
        "data": ("training data of one model and method", "data", [one for one in trained if _by_data(one)]),
    }
    for key, (words, part, compared) in kinds.items():
        if len(compared) < 2:  # a single one is the comparison of the best
            continue
        numbers = material.numbers("pairs", test, key)
        decided = [one for one in compared if one.verdict in DECIDED]
        count = numbers.count("decided", len(decided)) if decided else "none"
        text = f"Of {numbers.count('pairs', len(compared))} pairs of {words}, {count} {_are(len(decided))} decided"
        won: Counter[str] = Counter()
        for one in decided:
            won[getattr(one.system if one.verdict == "better" else one.over, part)] += 1
        if won:
            name, wins = won.most_common(1)[0]
            of = sum(name in (getattr(one.system, part), getattr(one.over, part)) for one in compared)
            shown = labels.get(name, name) if part == "model" else name
            text += (
                f"; most often better is {shown}, in {numbers.count('most_better', wins)} of its "
                f"{numbers.count('most_pairs', of)} pairs"
            )
        yield Finding(numbers.prefix, material.on(test, f"{text}."), numbers.found, material.files(test))


def _by_data(pair: Comparison) -> bool:
    """Whether two systems differ in their training data alone."""
    return pair.system.data != pair.over.data and pair.system[1:] == pair.over[1:]


def _are(count: int) -> str:
    return "is" if count <= 1 else "are"


def _never_tuned(
    test: str, tuned: Sequence[EvaluatedSystem], pairs: Sequence[Comparison], material: Material
) -> Iterable[Finding]:
    """Tuned models against each model that is never tuned, in that of its untuned rows that scores highest."""
    trained = {one.system.model for one in material.tuned(test)}
    others: dict[str, list[EvaluatedSystem]] = {}
    for one in material.of_test(test):
        if one.system.model not in {*trained, NONE} and one.score(material.metric).score is not None:
            others.setdefault(one.system.model, []).append(one)
    names = titles_of(tuned)
    for model, rows in others.items() if tuned else ():
        best = max(rows, key=lambda one: _score(one, material))
        compared = {
            names[one.system]: pair for one in tuned if (pair := _pair(pairs, one.system, best.system)) is not None
        }
        if compared:
            numbers = material.numbers("others", test, model)
            row = f" by {best.system.method}" if len(rows) > 1 else ""
            score = numbers.score("score", _score(best, material))
            text = (
                f"{best.model.label}, which is not tuned, scores {score}{row}: "
                f"{_say_tuned(Outcome(compared, _noun(tuned)), numbers)}."
            )
            yield Finding(numbers.prefix, material.on(test, text), numbers.found, material.files(test))


def _say_tuned(outcome: Outcome, numbers: Numbers) -> str:
    """How the tuned models are beside one system, in a clause."""
    outcome.keep_counts(numbers)
    if outcome.total == 1:
        (name,) = outcome.compared
        kind = next(iter(kind for kind, of in outcome.by_verdict.items() if of))
        return f"{name} is {kind}" if kind in DECIDED else f"whether {name} is better is undecided"
    for kind in VERDICTS:
        if outcome.count(kind) == outcome.total:
            all_ = f"all {outcome.of_all(numbers)}"
            return f"whether they are better is undecided for {all_}" if kind == "undecided" else f"{all_} are {kind}"
    return f"of {outcome.of_all(numbers)}, {say_shares(outcome, numbers)}"


def _noun(tuned: Sequence[EvaluatedSystem]) -> str:
    return "tuned model" if len({(one.system.data, one.system.method) for one in tuned}) == 1 else "tuned system"


def _retrieved(
    test: str, tuned: Sequence[EvaluatedSystem], pairs: Sequence[Comparison], material: Material
) -> Iterable[Finding]:
    """What the most similar training sample is worth as an answer."""
    several = len({one.system.data for one in material.of_test(test) if one.system.model == NONE}) > 1
    for one in material.of_test(test):
        data = one.system.data
        if one.system.model != NONE or one.score(material.metric).score is None:
            continue
        numbers = material.numbers("retrieval", test, *([data] if data != test else []), one.system.method)
        score, of = _say_score(one, numbers, material), f" of {data}" if several or data != test else ""
        text = f"Without any model, the output of the most similar training sample{of} scores {score}"
        names = titles_of(tuned)
        compared = {
            names[other.system]: pair for other in tuned if (pair := _pair(pairs, other.system, one.system)) is not None
        }
        if compared:
            text += f": {_say_tuned(Outcome(compared, _noun(tuned)), numbers)}"
        known = [_score(other, material) for other in material.of_test(test) if other.system.model != NONE]
        best = bool(known) and _score(one, material) > max(known)
        text += ". No model scores higher." if best else "."
        yield Finding(numbers.prefix, material.on(test, text), numbers.found, material.files(test, [one]))
