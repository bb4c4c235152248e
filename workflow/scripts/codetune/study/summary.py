"""What the conclusions of a study are drawn from. The rule and the check of the results ask this module."""

from collections.abc import Callable
from typing import Any

from codetune.study import layout
from codetune.study.answering import answer_inputs
from codetune.study.declared import has_claims
from codetune.study.study import Study
from codetune.study.tested import compared_tests, executed_inputs, figure_pages_of

SHOWN = "dumbbell"  # the figure that stands beneath the conclusions


def summary_inputs(study: Study, in_results: Callable[..., str]) -> dict[str, Any]:
    """The files that the conclusions are made from and shown with.

    Args:
        study: The study.
        in_results: Returns the path of a pattern within the results, with the values of its wildcards.
    """
    pages = figure_pages_of(study)
    return {
        "records": [in_results(layout.ALL_RECORDS)],
        "comparisons": [in_results(layout.COMPARISONS, test=test) for test in compared_tests(study)],
        **executed_inputs(study, in_results),
        **answer_inputs(study, in_results),
        **({"audit": in_results(layout.TABLE_CSV, table="audit")} if has_claims(study.paper) else {}),
        "figures": [in_results(layout.FIGURE_SVG, figure=name) for name, one in pages.items() if one.figure == SHOWN],
    }
