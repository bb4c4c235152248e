"""Claims about parameters and contexts, checked against config.json."""

from codetune.base.files import read_json
from codetune.models.shapes import lora_parameters, parameters
from codetune.papers.evidence import BASE, TUNED, Study
from codetune.papers.printed import format_size, parse_printed, rounds_to, table_name
from codetune.papers.verdicts import Verdict, if_comparable, verdict_on


def check_sizes(study: Study) -> list[Verdict]:
    """Parameters of the models, in tables and text."""
    how = "embedding and projections; norms and biases, under 0.1 %, left out"
    declared = [("Table 1", row["model"], row["params"]) for row in study.paper["table1"]]
    rows = [row for row in study.paper["table2"] if row.get("method") == BASE]
    declared += [("Table 2", row["model"], row["params"]) for row in rows]
    declared += [("section 3.1", *item) for item in study.paper["text"]["params"].items()]
    findings, totals = [], {}
    for place, key, printed in declared:
        if key not in study.models:
            continue
        model = study.models[key]
        found = parameters(read_json(model.config))
        totals[key] = sum(found.values())
        shown = f"{format_size(totals[key])}; {format_size(found['layers'])} without the embedding"
        agrees = if_comparable(model.genuine, rounds_to(printed, totals[key]))
        findings.append(verdict_on(f"Parameters of {model.label}", place, printed, shown, agrees, how, [model.config]))
    tuned = {row["model"]: totals[row["model"]] for row, _ in study.rows("table1")}
    return findings + ([_all_below(study, tuned)] if tuned else [])


def _all_below(study: Study, totals: dict[str, int]) -> Verdict:
    printed = study.paper["text"]["params_below"]
    limit = parse_printed(printed)[0]
    above = [f"{study.models[key].label} {format_size(total)}" for key, total in totals.items() if total >= limit]
    decides = all(study.models[key].genuine for key in totals) and (above or len(totals) == len(study.paper["table1"]))
    agrees = if_comparable(bool(decides), not above)
    files = [study.models[key].config for key in totals]
    shown = f"not below: {', '.join(above)}" if above else "all below"
    claim = "All fine-tuned models have fewer parameters than this"
    return verdict_on(claim, "abstract, section 3.1", printed, shown, agrees, "as above", files)


def check_contexts(study: Study) -> list[Verdict]:
    """The longest input that a model was made for, in tokens."""
    findings = []
    for key, declared in study.paper["text"]["context"].items():
        if key in study.models:
            model = study.models[key]
            found = read_json(model.config)["max_position_embeddings"]
            claim, how = f"Longest context of {model.label}, tokens", "max_position_embeddings"
            agrees = if_comparable(model.genuine, found >= declared)
            findings.append(verdict_on(claim, "section 3.1", declared, found, agrees, how, [model.config]))
    return findings


def check_trainable(study: Study) -> list[Verdict]:
    """Trainable parameters: both tables against the rank of the text and the other one."""
    findings = []
    for table, method in (("table1", None), ("table2", TUNED)):
        for row, model in study.rows(table, method):
            for rank in study.paper["ranks"]:
                count = lora_parameters(read_json(model.config), rank, study.paper["target_modules"])
                claim = f"Trainable parameters of {model.label} at r = {rank}"
                place = f"{table_name(table)}" + ("; r in section 3.5" if rank == study.paper["ranks"][0] else "")
                how = "r (inputs + outputs) of all seven projections of all layers"
                agrees = if_comparable(model.genuine, rounds_to(row["trainable"], count))
                findings.append(
                    verdict_on(claim, place, row["trainable"], format_size(count), agrees, how, [model.config])
                )
    return findings
