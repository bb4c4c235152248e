"""The test sets of a study by what is measured on them: texts are compared, or code is executed as well."""

from collections.abc import Callable

from codetune.study import layout
from codetune.study.figures import ShownTests
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
    together = [sum(one.test in compared for one in study.of_run(run)) for run in study.training_runs]
    return ShownTests(compared, max(together, default=1), executed_tests(study))
