"""What a study found of its own questions."""

from collections.abc import Sequence

from codetune.evaluation.answered import Answer
from codetune.evaluation.comparisons import ALPHA, Comparison
from codetune.report.finding import Finding, Material, Numbers, finding_digits, listed
from codetune.report.verdict_words import Outcome, say_shares
from codetune.study.runs import NONE


def find_answers(material: Material) -> list[Finding]:
    """An answer to each question on each test set; none where the study asks nothing."""
    return [_find(answer, material) for answer in material.answers]


def _find(answer: Answer, material: Material) -> Finding:
    numbers = Numbers(f"question.{answer.question}.{answer.test}", finding_digits(answer.highest))
    text = f"{answer.asks} {_say(answer, material, numbers)}"
    return Finding(numbers.prefix, text, numbers.found, [material.answers_path])


def _say(answer: Answer, material: Material, numbers: Numbers) -> str:
    """The mean gain, and for how many models which verdict was found."""
    (method, over), on = _sides(answer, material), f"{answer.label} on {answer.test}"
    if answer.gain is None:
        return f"{on} has no value for a gain of {method} over {over}."
    gain = numbers.signed("gain", answer.gain) + numbers.interval("gain", answer.interval)
    count = len(answer.compared)
    mean = f"the mean gain over {numbers.count('systems', count)} systems" if count > 1 else "the gain"
    if answer.p is not None and answer.p <= ALPHA:
        verb = "raises" if answer.gain > 0 else "lowers"
        text = f"Compared with {over}, {method} {verb} {on}: {mean} is {gain}"
    else:
        text = f"Whether {method} is better than {over} by {on} is undecided: {mean} is {gain}"
    if count == 1:
        return f"{text}."
    return f"{text}. Of these systems, {say_shares(_outcome(answer.compared, material), numbers)}."


def _sides(answer: Answer, material: Material) -> tuple[str, str]:
    """The method that is asked about and those that it is compared with, with what else tells them apart."""
    first = answer.compared[0]
    best_of = {1: "", 2: "the better of "}.get(len(answer.methods), "the best of ")
    method, over = first.system.method, f"{best_of}{listed(answer.methods)}"
    if first.over.data not in (NONE, first.system.data):
        method, over = f"{method} trained on {first.system.data}", f"{over} trained on {first.over.data}"
    if first.over.model != first.system.model:
        over += f" of {_labels(material)[first.over.model]}"
    return method, over


def _labels(material: Material) -> dict[str, str]:
    return {record.run.model: record.model.label for record in material.records}


def _outcome(compared: Sequence[Comparison], material: Material) -> Outcome:
    """The comparisons by the name of the system: its model, with what tells it from the others."""
    labels = _labels(material)
    several = len({one.system.data for one in compared}) > 1
    names = [
        f"{labels[one.system.model]} ({one.system.data})" if several else labels[one.system.model] for one in compared
    ]
    return Outcome(dict(zip(names, compared, strict=True)), "system")
