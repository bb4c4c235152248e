"""What the runs of a study say to its questions."""

from collections.abc import Callable

from codetune.base.errors import StudyError
from codetune.study import layout
from codetune.study.question import Question
from codetune.study.runs import System
from codetune.study.study import Study


def pairs_on(question: Question, study: Study) -> dict[str, dict[System, list[System]]]:
    """Returns what a question compares on each test set on which it compares anything.

    Args:
        question: The question.
        study: The study that asks it.

    Returns:
        Each system that it is about with those that it may be compared with, by the name of the test set.
    """
    tests = [test for test in study.tests if question.tests is None or test in question.tests]
    systems = {test: list(dict.fromkeys(one.run.system for one in study.of_test(test))) for test in tests}
    return {test: sides for test, of in systems.items() if (sides := question.sides_of(of))}


def answering_tests(study: Study) -> list[str]:
    """Returns the names of the test sets on which a question compares anything."""
    found = {test for question in study.questions for test in pairs_on(question, study)}
    return [test for test in study.tests if test in found]


def answer_inputs(study: Study, in_results: Callable[..., str]) -> dict[str, str]:
    """Returns the file of the answers, as an input of what shows them; nothing where nothing is asked.

    Args:
        study: The study.
        in_results: Returns the path of a pattern within the results.
    """
    return {"answers": in_results(layout.ANSWERS)} if study.questions else {}


def check_questions(study: Study) -> None:
    """Checks that the runs of a study answer each of its questions.

    Raises:
        StudyError: There is nothing to compare for one of them.
    """
    for question in study.questions:
        if not pairs_on(question, study):
            over = " or ".join(question.over.methods)
            raise StudyError(
                f"config: questions.{question.name}: no runs answer it, since no '{question.of.method}' that it is "
                f"about is evaluated on a test set beside {over}. Add such runs, or write "
                f"'{question.name}: null' under questions."
            )
