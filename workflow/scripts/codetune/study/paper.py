"""What the paper about a study and the macros of its numbers are made from. Rules and the check of the results ask."""

from collections.abc import Callable, Mapping
from typing import Any

from codetune.study import layout
from codetune.study.answering import answer_inputs
from codetune.study.declared import has_claims
from codetune.study.figures import LAYOUTS
from codetune.study.study import Study
from codetune.study.tested import compared_tests, executed_inputs, figure_pages_of

SHOWN = ("dumbbell", "figure2")  # the figures of the paper, in their order


def macro_inputs(study: Study, in_results: Callable[..., str]) -> dict[str, Any]:
    """The files that the macros are made from, by role; a role without a file is left out.

    Args:
        study: The study.
        in_results: Returns the path of a pattern within the results, with the values of its wildcards.
    """
    has_rows = {"table1": study.training_runs, "cost": study.used_models, "audit": has_claims(study.paper)}
    tables = {name: in_results(layout.TABLE_CSV, table=name) for name, rows in has_rows.items() if rows}
    return {
        "records": [in_results(layout.ALL_RECORDS)],
        "comparisons": [in_results(layout.COMPARISONS, test=test) for test in compared_tests(study)],
        **executed_inputs(study, in_results),
        **answer_inputs(study, in_results),
        "cards": [in_results(layout.CARD, dataset=name) for name in study.used_datasets],
        **tables,
    }


def paper_inputs(study: Study, in_results: Callable[..., str]) -> dict[str, Any]:
    """The files that the paper is made from, in the same way."""
    pages = figure_pages_of(study)
    names = [name for figure in SHOWN if figure in LAYOUTS for name, one in pages.items() if one.figure == figure]
    return {
        **macro_inputs(study, in_results),
        "figures": [in_results(layout.FIGURE_SVG, figure=name) for name in names],
        "provenance": in_results(layout.PROVENANCE),
    }


def paths_in(inputs: Mapping[str, Any]) -> list[str]:
    """All paths of some inputs."""
    return [path for found in inputs.values() for path in ([found] if isinstance(found, str) else found)]
