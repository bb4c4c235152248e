"""Claims about parameters and contexts, checked against config.json."""

from pathlib import Path

from codetune.models.shapes import lora_parameters, parameters, read_config
from codetune.papers.evidence import BASE, NOT_RUN, OTHER_LAYERS, TUNED, Evidence
from codetune.papers.printed import format_size, parse_printed, rounds_to, table_name
from codetune.papers.verdicts import Claim, Verdict, exact


def check_sizes(evidence: Evidence) -> list[Verdict]:
    """Parameters of the models, in tables and text."""
    paper = evidence.paper
    declared = [("Table 1", row["model"], row["params"]) for row in paper["table1"]]
    declared += [("Table 2", row["model"], row["params"]) for row in paper["table2"] if row.get("method") == BASE]
    declared += [("section 3.1", *item) for item in paper["text"]["params"].items()]
    verdicts, totals = [], {}
    for place, key, printed in declared:
        if key not in evidence.models:
            continue
        model = evidence.models[key]
        found = parameters(read_config(Path(model.config).parent, "vocab_size"))
        totals[key] = sum(found.values())
        verdicts.append(
            Claim(f"Parameters of {model.label}", place, printed).against(
                f"{format_size(totals[key])}; {format_size(found['layers'])} without the embedding",
                exact(rounds_to(printed, totals[key])),
                how="embedding and projections; norms and biases, under 0.1 %, left out",
                files=[model.config],
                because=evidence.obstacle([key]),
            )
        )
    tuned = {row["model"]: totals[row["model"]] for row, _ in evidence.rows("table1")}
    return verdicts + ([_all_below(evidence, tuned)] if tuned else [])


def _all_below(evidence: Evidence, totals: dict[str, int]) -> Verdict:
    """One model above the limit decides the claim; that none is does so only where all of them are here."""
    printed, models = evidence.paper["text"]["params_below"], evidence.models
    limit = parse_printed(printed)[0]
    above = [f"{models[key].label} {format_size(total)}" for key, total in totals.items() if total >= limit]
    suffices = bool(above) or len(totals) == len(evidence.paper["table1"])
    missing = "" if suffices else NOT_RUN
    claim = Claim("All fine-tuned models have fewer parameters than this", "abstract, section 3.1", printed)
    return claim.against(
        f"not below: {', '.join(above)}" if above else "all below",
        exact(not above),
        how="as above",
        files=[models[key].config for key in totals],
        because=evidence.obstacle(totals) or missing,
    )


def check_contexts(evidence: Evidence) -> list[Verdict]:
    """The longest input that a model was made for, in tokens."""
    verdicts = []
    for key, printed in evidence.paper["text"]["context"].items():
        if key in evidence.models:
            model = evidence.models[key]
            found = read_config(Path(model.config).parent, "max_position_embeddings")["max_position_embeddings"]
            verdicts.append(
                Claim(f"Longest context of {model.label}, tokens", "section 3.1", printed).against(
                    f"{found:,}",
                    exact(found >= printed),
                    how="max_position_embeddings",
                    files=[model.config],
                    because=evidence.obstacle([key]),
                )
            )
    return verdicts


def check_trainable(evidence: Evidence) -> list[Verdict]:
    """Trainable parameters: both tables against the rank of the text and the other one."""
    ranks, modules, verdicts = evidence.paper["ranks"], evidence.paper["target_modules"], []
    for table, method in (("table1", None), ("table2", TUNED)):
        for row, model in evidence.rows(table, method):
            for rank in ranks:
                count = lora_parameters(read_config(Path(model.config).parent), rank, modules)
                place = table_name(table) + ("; r in section 3.5" if rank == ranks[0] else "")
                verdicts.append(
                    Claim(f"Trainable parameters of {model.label} at r = {rank}", place, row["trainable"]).against(
                        "-" if count is None else format_size(count),
                        exact(count is not None and rounds_to(row["trainable"], count)),
                        how="r (inputs + outputs) of all seven projections of all layers",
                        files=[model.config],
                        because=evidence.obstacle([row["model"]]) or (OTHER_LAYERS if count is None else ""),
                    )
                )
    return verdicts
