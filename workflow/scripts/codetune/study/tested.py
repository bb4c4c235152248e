"""The test sets of a study by what is measured on them: texts are compared, or code is executed as well."""

from collections.abc import Callable

from codetune.study import layout
from codetune.study.figures import Page, ShownTests, figure_pages
from codetune.study.runs import System
from codetune.study.study import Study


def executed_tests(study: Study) -> list[str]:
    """Returns the names of the test sets with unit tests, on which the code in predictions is executed."""
    return [test for test in study.tests if study.datasets[test].published.unit_tests]


def compared_tests(study: Study) -> list[str]:
    """Returns the names of those whose systems are compared by the headline metric: the others, or all without any."""
    executed = executed_tests(study)
    return [test for test in study.tests if test not in executed] or study.tests


def executed_inputs(study: Study, in_results: Callable[..., str]) -> dict[str, list[str]]:
    """Returns the comparisons on test sets with unit tests, as an input of a rule; nothing without any.

    Args:
        study: The study.
        in_results: Returns the path of a pattern within the results, with the values of its wildcards.
    """
    found = [in_results(layout.COMPARISONS, test=test) for test in executed_tests(study)]
    return {"executed": found} if found else {}


def shown_tests_of(study: Study) -> ShownTests:
    """Returns the test sets as the pages of figures depend on them."""
    compared = compared_tests(study)
    shown = {*study.trained_systems, *_with_examples(study)}
    together = [sum(one.test in compared for one in study.of_run(run)) for run in study.runs if run.system in shown]
    return ShownTests(compared, max(together, default=1), executed_tests(study))


def figure_pages_of(study: Study) -> dict[str, Page]:
    """Returns the pages of all figures of a study by their names."""
    return figure_pages(study.trained_systems, shown_tests_of(study), _with_examples(study))


def _with_examples(study: Study) -> list[System]:
    """The systems that show a model training samples as examples, once per seed."""
    return [run.system for run in study.runs if study.method_of(run).examples]
