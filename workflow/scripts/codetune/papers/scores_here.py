"""Claims about scores, compared with this study's scores and comparisons."""

from collections.abc import Mapping, Sequence

from codetune.papers.declared import BASE, TUNED
from codetune.papers.evidence import CHAT, NOT_RUN, TUNED_HERE, Evidence, ModelEvidence, paths_of
from codetune.papers.intervals import Interval, compare, direction, of_all, of_another_sample, percent_of_another_sample
from codetune.papers.printed import format_seeds
from codetune.papers.scores import TABLE2, declared_scores, spread_of_scores
from codetune.papers.verdicts import NOT_COMPATIBLE, Claim, Verdict
from codetune.study.record import Record

ANOTHER = "in brackets where another sample of this size may have it"
PAIRED = "by the corrected p-value of each pair, on the same samples"


def check_scores_here(evidence: Evidence) -> list[Verdict]:
    """The paper's scores, gains and ranks, from this study's scores."""
    verdicts = [verdict for method in (BASE, CHAT, TUNED) for verdict in _scores_of(evidence, method)]
    for key, percent in evidence.paper["text"]["gain_percent"].items():
        if key in evidence.models:
            over = [method for method in (BASE, CHAT) if evidence.models[key].runs_of(method, TUNED)]
            verdicts += [_gain_of(evidence, key, percent, method) for method in over]
    improved = [verdict for method in (BASE, CHAT) for verdict in _improved(evidence, method)]
    return [*verdicts, *improved, *_best(evidence), *_untuned_beaten(evidence)]


def _scores_of(evidence: Evidence, method: str) -> list[Verdict]:
    """The score of each of the paper's models under one method; its untuned rows may mean either template."""
    verdicts = []
    for row, model in evidence.rows("table2", TUNED if method == TUNED else BASE):
        if not (records := model.runs_of(method)):
            continue
        score = evidence.score_of(model.system_of(method))
        interval = of_another_sample(score) if score else None
        state = "fine-tuned" if method == TUNED else _untuned(records[0])
        verdicts.append(
            Claim(f"ROUGE-L of {model.label}, {state}", TABLE2, row["rouge_l"]).against(
                _show(score.score if score else None, interval, ".4f"),
                compare(interval, row["rouge_l"], model.samples, widest=spread_of_scores(evidence.paper)),
                how=f"mean over {model.samples:,} test samples and {_seeds(records)}; {ANOTHER}",
                files=[*paths_of(records), evidence.compared],
                because=evidence.obstacle([row["model"]], data=True, scores=True),
            )
        )
    return verdicts


def _seeds(records: Sequence[Record]) -> str:
    """The number of seeds; for a single training that it is one training: its spread over seeds is in no interval."""
    alone = len(records) == 1 and records[0].training is not None
    return format_seeds(len(records)) + (", so of this one training" if alone else "")


def _untuned(record: Record) -> str:
    return "untuned" + (f", template '{record.template}'" if record.template else "")


def _show(value: float | None, interval: Interval | None, form: str) -> str:
    if value is None:
        return "-"
    return f"{value:{form}}" + (f" ({interval[0]:{form}} to {interval[1]:{form}})" if interval else "")


def _gain_of(evidence: Evidence, key: str, percent: int, method: str) -> Verdict:
    """The gain in percent that the abstract gives a model, over one of its untuned rows."""
    model = evidence.models[key]
    records = model.runs_of(method, TUNED)
    base, tuned = (evidence.score_of(model.system_of(one)) for one in (method, TUNED))
    gain = evidence.gain_of(model.system_of(TUNED), method)
    interval = percent_of_another_sample(tuned, base, gain) if tuned and base and gain else None
    value = 100 * gain.gain / base.score if gain and base and gain.gain is not None and base.score else None
    return Claim(f"Gain of {model.label} over itself, {_untuned(records[0])}", "abstract", f"{percent} %").against(
        _show(value, interval, ",.1f") + (" %" if value is not None else ""),
        compare(interval, percent, model.samples, widest=percent),
        how=f"gain over untuned score, {_seeds(model.runs_of(TUNED))}; {ANOTHER} (Fieller's interval)",
        files=[*paths_of(records), evidence.compared],
        because=evidence.obstacle([key], data=True, scores=True),
    )


def _tuned(evidence: Evidence, *others: str) -> dict[str, ModelEvidence]:
    """The models that the paper tunes and that were tuned here, where methods beside it were run, too."""
    return {row["model"]: model for row, model in evidence.rows("table2", TUNED) if model.runs_of(TUNED, *others)}


def _improved(evidence: Evidence, method: str) -> list[Verdict]:
    """Whether tuning improves every model, over one of its untuned rows: the paper may mean either."""
    pairs = _tuned(evidence, method)
    gains = {key: evidence.gain_of(model.system_of(TUNED), method) for key, model in pairs.items()}
    text = "Fine-tuning improves all models" + ("" if method == BASE else f", over '{method}'")
    claim = Claim(text, "section 4.1", f"all {len(declared_scores(evidence.paper, TUNED))}")
    how = (
        f"gain over '{method}', on the same samples: by its corrected p-value where that is the better untuned row, "
        "else by its interval, which is not corrected"
    )
    records = [record for model in pairs.values() for record in model.runs_of(method, TUNED)]
    return _about_all(evidence, claim, {key: direction(gain) for key, gain in gains.items()}, how, records)


def _best(evidence: Evidence) -> list[Verdict]:
    """Whether the paper's best model is above every other tuned one."""
    models, best = _tuned(evidence), evidence.paper["text"]["best"]["model"]
    if best not in models:
        return []
    top, others = models[best].system_of(TUNED), {key: model for key, model in models.items() if key != best}
    claim = Claim(f"Best tuned model: {models[best].label} against the others", "section 4.3", models[best].label)
    found = {key: direction(evidence.pair_of(top, model.system_of(TUNED))) for key, model in others.items()}
    records = [record for model in models.values() for record in model.runs_of(TUNED)]
    return _about_all(evidence, claim, found, PAIRED, records, [best])


def _untuned_beaten(evidence: Evidence) -> list[Verdict]:
    """Whether every tuned model is above the untuned ones that the paper does not tune, in each template."""
    models, verdicts = _tuned(evidence), []
    beaters = [record for model in models.values() for record in model.runs_of(TUNED)]
    declared = declared_scores(evidence.paper, TUNED)
    for row, model in evidence.rows("table2", BASE):
        for method in (BASE, CHAT):
            if row["model"] not in declared and (untuned := model.runs_of(method)):
                text = f"Tuned models above {model.label}, {_untuned(untuned[0])}"
                claim = Claim(text, "section 4.1; larger baselines in the abstract", f"all {len(declared)}")
                over = model.system_of(method)
                found = {key: direction(evidence.pair_of(one.system_of(TUNED), over)) for key, one in models.items()}
                how = f"{PAIRED}; the paper does not say in which template"
                because = TUNED_HERE if model.is_tuned else ""
                verdicts += _about_all(evidence, claim, found, how, [*untuned, *beaters], [row["model"]], because)
    return verdicts


def _about_all(
    evidence: Evidence,
    claim: Claim,
    found: Mapping[str, str],
    how: str,
    records: Sequence[Record],
    others: Sequence[str] = (),
    because: str = "",
) -> list[Verdict]:
    """Holds a claim about all models that the paper tunes against what the comparison of each says.

    Args:
        evidence: The evidence.
        claim: The claim.
        found: What the comparison says, by the model.
        how: How it says so.
        records: Of the runs that are compared.
        others: What these models are compared with, if that is a model.
        because: Why they were not compared; empty where they were.

    Returns:
        The verdict; none where no model was compared.
    """
    if not found:
        return []
    used = [*found, *others]
    outcome = of_all(found.values(), min(evidence.models[name].samples for name in used))
    are_missing = not declared_scores(evidence.paper, TUNED).keys() <= set(used) and outcome != NOT_COMPATIBLE
    if any(len(evidence.models[name].runs_of(TUNED)) == 1 for name in found):
        how = f"{how}; with one seed, of that one training"
    shown = [f"better: {list(found.values()).count('better')} of {len(found)}"]
    for word in ("undecided", "worse"):
        if labels := [evidence.models[name].label for name, one in found.items() if one == word]:
            shown.append(f"{word}: {', '.join(labels)}")
    return [
        claim.against(
            "; ".join(shown),
            outcome,
            how=how,
            files=[*paths_of(records), evidence.compared],
            because=evidence.obstacle(used, data=True, scores=True) or because or (NOT_RUN if are_missing else ""),
        )
    ]
