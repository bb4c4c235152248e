"""Claims about scores: within the paper, and here."""

from codetune.base.files import Row
from codetune.papers.evidence import BASE, TUNED, Model, Study
from codetune.papers.printed import parse_printed, rounds_to
from codetune.papers.verdicts import PAPER, Verdict, if_comparable, verdict_on


def _declared_scores(paper: Row, method: str) -> dict[str, float]:
    return {row["model"]: row["rouge_l"] for row in paper["table2"] if row.get("method") == method}


def check_scores_within(paper: Row) -> list[Verdict]:
    """The claims of abstract and text, from the paper's own Table 2."""
    base, tuned, names = _declared_scores(paper, BASE), _declared_scores(paper, TUNED), paper["models"]
    gains = {key: 100 * (score / base[key] - 1) for key, score in tuned.items()}
    findings = []
    for key, percent in paper["text"]["gain_percent"].items():
        claim = f"Gain of {names[key]['name']} over its untuned self"
        how = f"{tuned[key]} against {base[key]} in Table 2"
        agrees = rounds_to(percent, gains[key])
        findings.append(verdict_on(claim, "abstract", f"{percent} %", f"{gains[key]:.1f} %", agrees, how, PAPER))
        claim = f"That gain of {names[key]['name']} is its score, times 100"
        score = 100 * tuned[key]
        agrees = rounds_to(percent, score)
        findings.append(verdict_on(claim, "abstract", f"{percent} %", f"{score:.0f}", agrees, "Table 2", PAPER))
    return [*findings, _improved(names, gains), _above_baselines(paper), _larger_baselines(paper), *_marks(paper)]


def _improved(names: Row, gains: dict[str, float]) -> Verdict:
    worse = [f"{names[key]['name']} {gain:+.1f} %" for key, gain in gains.items() if gain <= 0]
    shown = f"{len(gains) - len(worse)} of {len(gains)}" + (f"; not {', '.join(worse)}" if worse else "")
    claim = "Fine-tuning improves all models, if that is what the text means (it says both 'all' and 'generally')"
    return verdict_on(claim, "section 4.1", f"{len(gains)} of {len(gains)}", shown, not worse, "Table 2", PAPER)


def _baselines(paper: Row) -> list[Row]:
    """What section 4.1 calls the baselines: rows of Table 2 of models that the paper does not tune."""
    tuned = _declared_scores(paper, TUNED)
    return [row for row in paper["table2"] if row.get("model") not in tuned]


def _above_baselines(paper: Row) -> Verdict:
    best = max(row["rouge_l"] for row in _baselines(paper))
    worst = min(_declared_scores(paper, TUNED).values())
    claim = "All tuned models score above CodeBERT, Code2seq and Phi-3 Mini"
    shown = f"lowest tuned {worst}, highest of those {best}"
    return verdict_on(claim, "section 4.1", "all", shown, worst > best, "Table 2", PAPER)


def _larger_baselines(paper: Row) -> Verdict:
    largest = max(parse_printed(row["params"])[0] for row in paper["table2"] if row.get("method") == TUNED)
    larger = [row for row in _baselines(paper) if parse_printed(row["params"])[0] > largest]
    names = ", ".join(paper["models"][row["model"]]["name"] if "model" in row else row["label"] for row in larger)
    shown = f"{len(larger)} of {len(_baselines(paper))} baselines: {names or '-'}"
    claim = "Larger baselines, more than one, are outperformed"
    return verdict_on(claim, "abstract", "several", shown, len(larger) > 1, "parameters in Table 2", PAPER)


def _marks(paper: Row) -> list[Verdict]:
    """The best score, and the equal ones."""
    tuned, text, names = _declared_scores(paper, TUNED), paper["text"], paper["models"]
    top, best = max(tuned, key=lambda key: tuned[key]), text["best"]
    shown, printed = (f"{names[key]['name']}, {tuned[key]}" for key in (top, best["model"]))
    agrees = top == best["model"] and rounds_to(best["rouge_l"], tuned[top])
    findings = [verdict_on("Best tuned model", "section 4.3", printed, shown, agrees, "Table 2", PAPER)]
    equal = [tuned[key] for key in text["equal"]["models"]]
    claim = f"{' and '.join(names[key]['name'] for key in text['equal']['models'])}, tuned, score the same"
    agrees = all(rounds_to(text["equal"]["rouge_l"], score) for score in equal)
    shown = ", ".join(map(str, equal))
    return [*findings, verdict_on(claim, "section 4.2", text["equal"]["rouge_l"], shown, agrees, "Table 2", PAPER)]


def check_scores_here(study: Study) -> list[Verdict]:
    """The same claims, from this study's scores."""
    pairs = {row["model"]: model for row, model in study.rows("table2", TUNED) if model.scored(BASE, TUNED)}
    findings = []
    for method in (BASE, TUNED):
        for row, model in study.rows("table2", method):
            if files := model.scored(method):
                claim = f"ROUGE-L of {model.label}, {'fine-tuned' if method == TUNED else 'untuned'}"
                score = model.score(method)
                agrees = if_comparable(study.comparable(row["model"]), rounds_to(row["rouge_l"], score))
                how = f"mean over the test samples and {len(files)} seed(s)"
                findings.append(verdict_on(claim, "Table 2", row["rouge_l"], f"{score:.4f}", agrees, how, files))
    for key, percent in study.paper["text"]["gain_percent"].items():
        if key in pairs:
            model = pairs[key]
            claim, how = f"Gain of {model.label} over its untuned self", "relative gain of the mean ROUGE-L"
            agrees = if_comparable(study.comparable(key), rounds_to(percent, model.gain()))
            shown, files = f"{model.gain():.1f} %", model.scored(BASE, TUNED)
            findings.append(verdict_on(claim, "abstract", f"{percent} %", shown, agrees, how, files))
    return findings + (_ranks_here(study, pairs) if pairs else [])


def _ranks_here(study: Study, pairs: dict[str, Model]) -> list[Verdict]:
    """Claims about all tuned models together; they need all of them."""
    declared = _declared_scores(study.paper, TUNED)
    comparable = study.comparable(*declared) and pairs.keys() == declared.keys()
    files = [path for model in pairs.values() for path in model.scored(BASE, TUNED)]
    tuned = {key: model.score(TUNED) for key, model in pairs.items()}
    better = [key for key, model in pairs.items() if tuned[key] > model.score(BASE)]
    worse = ", ".join(model.label for key, model in pairs.items() if key not in better)
    shown = f"{len(better)} of {len(pairs)}" + (f"; not {worse}" if worse else "")
    every = f"{len(declared)} of {len(declared)}"
    agrees = if_comparable(comparable, len(better) == len(pairs))
    how = "means of ROUGE-L, however small the difference"
    findings = [verdict_on("Fine-tuning improves all models", "section 4.1", every, shown, agrees, how, files)]
    best = study.paper["text"]["best"]["model"]
    top = max(tuned, key=lambda key: tuned[key])
    agrees = if_comparable(comparable, top == best)
    printed = study.paper["models"][best]["name"]
    findings.append(verdict_on("Best tuned model", "section 4.3", printed, pairs[top].label, agrees, how, files))
    return [*findings, *_untuned_beaten(study, tuned, comparable)]


def _untuned_beaten(study: Study, tuned: dict[str, float], comparable: bool) -> list[Verdict]:
    """Untuned models that the paper does not tune, against the tuned ones."""
    findings = []
    for row, model in study.rows("table2", BASE):
        if row["model"] not in _declared_scores(study.paper, TUNED) and (files := model.scored(BASE)):
            below = sum(score > model.score(BASE) for score in tuned.values())
            claim, printed = f"Tuned models above {model.label}, untuned", len(_declared_scores(study.paper, TUNED))
            agrees = if_comparable(comparable and study.comparable(row["model"]), below == printed)
            shown, how = f"{below} of {len(tuned)}", "means of ROUGE-L"
            files = files + [path for key in tuned for path in study.models[key].scored(TUNED)]
            findings.append(verdict_on(claim, "section 4.1", f"all {printed}", shown, agrees, how, files))
    return findings
