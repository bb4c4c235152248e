"""Rule table: every table by its name."""

from collections.abc import Callable, Mapping
from typing import Any

from codetune.base.plain import from_plain, read_as
from codetune.evaluation.comparisons import read_comparisons
from codetune.report.breakdown import breakdown_table, write_breakdown
from codetune.report.cost import cost_table, write_costs
from codetune.report.declared_table import Here, write_declared
from codetune.report.executed import execution_table, write_execution
from codetune.report.metrics import metrics_table, write_metrics
from codetune.report.pairs import pairs_table, write_pairs
from codetune.report.rows import EvaluatedSystem, evaluated_systems
from codetune.report.search import search_table, write_search
from codetune.report.table1 import read_plans, table1, write_table1
from codetune.report.table2 import table2, write_table2
from codetune.report.variants import variants_table, write_variants
from codetune.study.declared import read_paper, tables_of
from codetune.study.declared_tables import PREFIX
from codetune.study.model import Source
from codetune.study.records import read_records
from codetune.study.runs import System
from codetune.study.sizes import SizeFacts

Named = Mapping[str, Any]  # inputs or params of the rule, by name
Outputs = Mapping[str, str]  # a path for each of csv, md, tex


def write_table(name: str, inputs: Named, params: Named, outputs: Outputs) -> None:
    """Makes one of the tables and writes it in all forms.

    Args:
        name: One of `TABLES`, or `declared-` and the name of a table of the paper.
        inputs: `records`, `comparisons` (one per test set) and `paper`; for Table 2 also `executed`, the comparisons on
            test sets with unit tests; for Table 1 `stats`, `sizes` and `paper`; for
            the costs `records`, `sizes`, and `tuned`, one manifest per record of a training.
        params: `metric`; for Table 1 `plans`, in the order of `stats`; for variants `variants`.
        outputs: Path for each of csv, md, tex.
    """
    if name.startswith(PREFIX):
        _write_declared(name.removeprefix(PREFIX), inputs, params, outputs)
    else:
        TABLES[name](inputs, params, outputs)


def _write_declared(name: str, inputs: Named, params: Named, outputs: Outputs) -> None:
    paper = read_paper(inputs["paper"])
    datasets = {key: from_plain(one, Source, f"params: datasets.{key}") for key, one in params["datasets"].items()}
    comparisons = list(map(read_comparisons, inputs["comparisons"]))
    here = Here(read_records(inputs["records"]), comparisons, _sizes(inputs), datasets)
    write_declared(tables_of(paper)[name], paper, here, outputs)


def _write_table1(inputs: Named, params: Named, outputs: Outputs) -> None:
    plans, paper = read_plans(params["plans"]), read_paper(inputs["paper"])
    write_table1(table1(plans, inputs["stats"], _sizes(inputs), paper), outputs)


def _write_table2(inputs: Named, params: Named, outputs: Outputs) -> None:
    evaluated, metric = _evaluated(inputs), params["metric"]
    executed = evaluated_systems(read_records(inputs["records"]), map(read_comparisons, inputs.get("executed", [])))
    write_table2(table2(evaluated, metric, read_paper(inputs["paper"]), executed), evaluated, metric, outputs)


def _write_metrics(inputs: Named, _params: Named, outputs: Outputs) -> None:
    evaluated = _evaluated(inputs)
    write_metrics(metrics_table(evaluated), evaluated, outputs)


def _write_pairs(inputs: Named, params: Named, outputs: Outputs) -> None:
    evaluated, metric = _evaluated(inputs), params["metric"]
    write_pairs(pairs_table(evaluated, metric), evaluated, metric, outputs)


def _write_variants(inputs: Named, params: Named, outputs: Outputs) -> None:
    evaluated, metric = _evaluated(inputs), params["metric"]
    variants = [(System(**one), System(**other)) for one, other in params["variants"]]
    write_variants(variants_table(evaluated, metric, variants), evaluated, metric, outputs)


def _write_breakdown(inputs: Named, params: Named, outputs: Outputs) -> None:
    evaluated, metric = _evaluated(inputs), params["metric"]
    write_breakdown(breakdown_table(evaluated, metric), evaluated, metric, outputs)


def _write_execution(inputs: Named, _params: Named, outputs: Outputs) -> None:
    evaluated = _evaluated(inputs)
    write_execution(execution_table(evaluated), evaluated, outputs)


def _write_search(inputs: Named, _params: Named, outputs: Outputs) -> None:
    write_search(search_table(read_records(inputs["records"])), outputs)


def _write_costs(inputs: Named, _params: Named, outputs: Outputs) -> None:
    records = [record for record in read_records(inputs["records"]) if not record.run.retrieves]
    write_costs(cost_table(records, inputs["tuned"], _sizes(inputs)), outputs)


def _write_audit(inputs: Named, params: Named, outputs: Outputs) -> None:
    from codetune.report.audit import write

    write(inputs, params, outputs)


def _sizes(inputs: Named) -> list[SizeFacts]:
    return [read_as(path, SizeFacts) for path in inputs["sizes"]]


def _evaluated(inputs: Named) -> list[EvaluatedSystem]:
    return evaluated_systems(read_records(inputs["records"]), map(read_comparisons, inputs["comparisons"]))


TABLES: Mapping[str, Callable[[Named, Named, Outputs], None]] = {
    "table1": _write_table1,
    "table2": _write_table2,
    "variants": _write_variants,
    "pairs": _write_pairs,
    "metrics": _write_metrics,
    "breakdown": _write_breakdown,
    "execution": _write_execution,
    "cost": _write_costs,
    "search": _write_search,
    "audit": _write_audit,
}
