"""All tables of a study, from made-up records, in all forms."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from codetune.base.manifests import MANIFEST, write_manifest
from codetune.papers.claims import audit
from codetune.report.audit import write_audit
from codetune.report.breakdown import breakdown_table, write_breakdown
from codetune.report.cost import cost_table, write_costs
from codetune.report.metrics import metrics_table, write_metrics
from codetune.report.pairs import pairs_table, write_pairs
from codetune.report.rows import EvaluatedSystem, evaluated_systems
from codetune.report.table1 import PlannedSystem, table1, write_table1
from codetune.report.table2 import table2, write_table2
from codetune.study.runs import System
from fake_comparisons import METRICS, ON_CODE, fake_comparisons
from fake_records import fake_method, fake_model, fake_plan, fake_record, fake_sizes, with_test
from paper_study import PAPER, a_study, write_value

TABLES = ("table1", "table2", "pairs", "metrics", "breakdown", "cost", "audit")
SIGNATURE = "F1|tokens:letters and digits|case:lower|eff:no|stemmer:no|version:rouge-score 0.1.2"
FORMS = ("csv", "md", "tex")


def fake_systems(
    labels: Sequence[str],
    seeds: int = 2,
    tests: Sequence[str] = ("alpaca", "evol"),
    methods: Sequence[str] = ("qlora",),
    samples: int = 10,
) -> list[EvaluatedSystem]:
    """Systems of models with these labels, untuned in two templates and tuned; scores of all sizes, one zero."""
    records = []
    tuned = [fake_method(name, baselines=["base", "base-chat"]) for name in methods]
    for place, label in enumerate(labels):
        model = fake_model(f"m{place}", label=label)
        gains = [(one, 0.15 + 0.02 * number) for number, one in enumerate(tuned)]
        for method, more in ((fake_method("base"), 0.0), (fake_method("base-chat"), 0.03), *gains):
            for seed in range(seeds if method in tuned else 1):
                score = (place * 0.07 + seed * 0.01234567 + more) % 1
                scores = {"rouge_l": score, "rouge_l_on_code": 0.9 * score + 0.1}
                scores |= {name.replace("rouge_l", "bleu"): 100 * one for name, one in scores.items()}
                record = fake_record(model, method, scores=scores, seed=seed, test=tests[0])
                record = with_test(record, tests[0], scores, samples=samples)
                for test in tests[1:]:
                    record = with_test(record, test, scores, samples=samples)
                records.append(record)
    facts = {name: replace(one, signature=SIGNATURE) for name, one in (METRICS | ON_CODE).items()}
    found = [
        fake_comparisons(records, test, facts, resamples=10_000, leaked=[1, 2, 3] if place else [])
        for place, test in enumerate(tests)
    ]
    for comparisons in found:
        place = next(place for place, one in enumerate(comparisons.comparisons) if one.p_holm is not None)
        comparisons.comparisons[place] = replace(comparisons.comparisons[place], p_holm=0.0004)
    return evaluated_systems(records, found)


def write_all(folder: Path, labels: Sequence[str], **systems: object) -> dict[str, dict[str, str]]:
    """Writes every table of such systems and returns its path by name and form."""
    paths = {name: {form: str(folder / f"{name}.{form}") for form in FORMS} for name in TABLES}
    evaluated = fake_systems(labels, **systems)
    write_table2(table2(evaluated, "rouge_l", PAPER), evaluated, "rouge_l", paths["table2"])
    write_pairs(pairs_table(evaluated, "rouge_l"), evaluated, "rouge_l", paths["pairs"])
    write_metrics(metrics_table(evaluated), evaluated, paths["metrics"])
    write_breakdown(breakdown_table(evaluated, "rouge_l"), evaluated, "rouge_l", paths["breakdown"])
    methods = systems.get("methods", ("qlora",))
    plans = [
        PlannedSystem(System("d", "llama-3.2-1b" if place == 0 else f"m{place}", method), label, plan)
        for method in methods
        for place, label in enumerate(labels)
        for plan in [fake_plan(fake_model("m"), fake_method(method))]
    ]
    train = {"packed_sequences": 2400, "samples": 17014}
    stats = write_value(folder / "stats.json", {"parts": {"train": train}})
    sizes = [fake_sizes(planned.system.model, fake_method("qlora"), trainable=5636096) for planned in plans]
    write_table1(table1(plans, [stats] * len(plans), sizes, PAPER), paths["table1"])
    records = list({record.run: record for one in evaluated for record in one.records}.values())
    tuned = [str(folder / "tuned" / MANIFEST)] * sum(record.training is not None for record in records)
    write_value(folder / "tuned" / "weights", 0)
    write_manifest(folder / "tuned")
    of_models = [fake_sizes(f"m{place}", *map(fake_method, methods)) for place in range(len(labels))]
    write_costs(cost_table(records, tuned, of_models), paths["cost"])
    evidence = a_study(folder / "paper")
    evidence.models["qwen2.5-3b"] = replace(evidence.models["qwen2.5-3b"], label=labels[0])
    write_audit(audit(evidence), evidence, paths["audit"])
    return paths
