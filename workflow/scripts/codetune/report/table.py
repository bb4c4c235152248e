"""Rule table: every table by its name."""

from collections.abc import Callable, Mapping
from typing import Any

from codetune.evaluation.comparisons import read_comparisons
from codetune.papers.declared import read_paper
from codetune.report.breakdown import breakdown_table, write_breakdown
from codetune.report.metrics import metrics_table, write_metrics
from codetune.report.pairs import pairs_table, write_pairs
from codetune.report.rows import EvaluatedSystem, evaluated_systems
from codetune.report.table1 import read_plans, table1, write_table1
from codetune.report.table2 import table2, write_table2
from codetune.report.variants import variants_table, write_variants
from codetune.study.record import read_records
from codetune.study.runs import System

Named = Mapping[str, Any]  # inputs or params of the rule, by name
Outputs = Mapping[str, str]  # a path for each of csv, md, tex


def write_table(name: str, inputs: Named, params: Named, outputs: Outputs) -> None:
    """Makes one of the tables and writes it in all forms.

    Args:
        name: One of `TABLES`.
        inputs: `records`, `comparisons` (one per test set) and `paper`; for Table 1 `stats`, `configs` and `paper`.
        params: `metric`; for Table 1 `plans`, in the order of `stats` and `configs`; for variants `variants`.
        outputs: Path for each of csv, md, tex.
    """
    TABLES[name](inputs, params, outputs)


def _write_table1(inputs: Named, params: Named, outputs: Outputs) -> None:
    table = table1(read_plans(params["plans"]), inputs["stats"], inputs["configs"], read_paper(inputs["paper"]))
    write_table1(table, outputs)


def _write_table2(inputs: Named, params: Named, outputs: Outputs) -> None:
    evaluated, metric = _evaluated(inputs), params["metric"]
    write_table2(table2(evaluated, metric, read_paper(inputs["paper"])), evaluated, metric, outputs)


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


def _write_audit(inputs: Named, params: Named, outputs: Outputs) -> None:
    from codetune.report.audit import write

    write(inputs, params, outputs)


def _evaluated(inputs: Named) -> list[EvaluatedSystem]:
    return evaluated_systems(read_records(inputs["records"]), map(read_comparisons, inputs["comparisons"]))


TABLES: Mapping[str, Callable[[Named, Named, Outputs], None]] = {
    "table1": _write_table1,
    "table2": _write_table2,
    "variants": _write_variants,
    "pairs": _write_pairs,
    "metrics": _write_metrics,
    "breakdown": _write_breakdown,
    "audit": _write_audit,
}
