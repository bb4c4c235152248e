"""Claims about scores: within the paper, and here."""

import math

from codetune.base.files import Row
from codetune.papers.evidence import BASE, TUNED, Evidence, ModelEvidence, paths_of
from codetune.papers.printed import format_seeds, parse_printed, rounds_to
from codetune.papers.verdicts import PAPER, Claim, Verdict

TABLE2 = "Table 2"
MEANS = "means of ROUGE-L, however small the difference"


def _declared_scores(paper: Row, method: str) -> dict[str, float]:
    return {row["model"]: row["rouge_l"] for row in paper["table2"] if row.get("method") == method}


def check_scores_within(paper: Row) -> list[Verdict]:
    """The claims of abstract and text, from the paper's own Table 2."""
    base, tuned, names = _declared_scores(paper, BASE), _declared_scores(paper, TUNED), paper["models"]
    gains = {key: 100 * (score / base[key] - 1) for key, score in tuned.items()}
    verdicts = []
    for key, percent in paper["text"]["gain_percent"].items():
        name, printed, score = names[key]["name"], f"{percent} %", 100 * tuned[key]
        verdicts += [
            Claim(f"Gain of {name} over its untuned self", "abstract", printed).against(
                f"{gains[key]:.1f} %",
                agrees=rounds_to(percent, gains[key]),
                how=f"{tuned[key]} against {base[key]} in Table 2",
                files=PAPER,
            ),
            Claim(f"That gain of {name} is its score, times 100", "abstract", printed).against(
                f"{score:.0f}", agrees=rounds_to(percent, score), how=TABLE2, files=PAPER
            ),
        ]
    return [*verdicts, _improved(names, gains), _above_baselines(paper), _larger_baselines(paper), *_marks(paper)]


def _improved(names: Row, gains: dict[str, float]) -> Verdict:
    worse = [f"{names[key]['name']} {gain:+.1f} %" for key, gain in gains.items() if gain <= 0]
    text = "Fine-tuning improves all models, if that is what the text means (it says both 'all' and 'generally')"
    return Claim(text, "section 4.1", f"{len(gains)} of {len(gains)}").against(
        _count_with_exceptions(len(gains) - len(worse), len(gains), worse), agrees=not worse, how=TABLE2, files=PAPER
    )


def _count_with_exceptions(count: int, total: int, exceptions: list[str]) -> str:
    return f"{count} of {total}" + (f"; not {', '.join(exceptions)}" if exceptions else "")


def _baselines(paper: Row) -> list[Row]:
    """What section 4.1 calls the baselines: rows of Table 2 of models that the paper does not tune."""
    tuned = _declared_scores(paper, TUNED)
    return [row for row in paper["table2"] if row.get("model") not in tuned]


def _above_baselines(paper: Row) -> Verdict:
    best = max(row["rouge_l"] for row in _baselines(paper))
    worst = min(_declared_scores(paper, TUNED).values())
    claim = Claim("All tuned models score above CodeBERT, Code2seq and Phi-3 Mini", "section 4.1", "all")
    shown = f"lowest tuned {worst}, highest of those {best}"
    return claim.against(shown, agrees=worst > best, how=TABLE2, files=PAPER)


def _larger_baselines(paper: Row) -> Verdict:
    largest = max(parse_printed(row["params"])[0] for row in paper["table2"] if row.get("method") == TUNED)
    larger = [row for row in _baselines(paper) if parse_printed(row["params"])[0] > largest]
    names = ", ".join(paper["models"][row["model"]]["name"] if "model" in row else row["label"] for row in larger)
    claim = Claim("Larger baselines, more than one, are outperformed", "abstract", "several")
    shown = f"{len(larger)} of {len(_baselines(paper))} baselines: {names or '-'}"
    return claim.against(shown, agrees=len(larger) > 1, how="parameters in Table 2", files=PAPER)


def _marks(paper: Row) -> list[Verdict]:
    """The best score, and the equal ones."""
    tuned, text, names = _declared_scores(paper, TUNED), paper["text"], paper["models"]
    top, best, equal = max(tuned, key=lambda key: tuned[key]), text["best"], text["equal"]
    shown, printed = (f"{names[key]['name']}, {tuned[key]}" for key in (top, best["model"]))
    agrees = top == best["model"] and rounds_to(best["rouge_l"], tuned[top])
    scores = [tuned[key] for key in equal["models"]]
    same = f"{' and '.join(names[key]['name'] for key in equal['models'])}, tuned, score the same"
    return [
        Claim("Best tuned model", "section 4.3", printed).against(shown, agrees=agrees, how=TABLE2, files=PAPER),
        Claim(same, "section 4.2", equal["rouge_l"]).against(
            ", ".join(map(str, scores)),
            agrees=all(rounds_to(equal["rouge_l"], score) for score in scores),
            how=TABLE2,
            files=PAPER,
        ),
    ]


def check_scores_here(evidence: Evidence) -> list[Verdict]:
    """The same claims, from this study's scores."""
    pairs = {row["model"]: model for row, model in evidence.rows("table2", TUNED) if model.runs_of(BASE, TUNED)}
    verdicts = [verdict for method in (BASE, TUNED) for verdict in _scores_of(evidence, method)]
    for key, percent in evidence.paper["text"]["gain_percent"].items():
        if key in pairs:
            model, gain = pairs[key], pairs[key].gain()
            verdicts.append(
                Claim(f"Gain of {model.label} over its untuned self", "abstract", f"{percent} %").against(
                    f"{gain:,.1f} %" if math.isfinite(gain) else "none in percent: untuned it scores 0",
                    agrees=rounds_to(percent, gain),
                    decides=evidence.comparable(key),
                    how="relative gain of the mean ROUGE-L",
                    files=paths_of(model.runs_of(BASE, TUNED)),
                )
            )
    return verdicts + (_ranks_here(evidence, pairs) if pairs else [])


def _scores_of(evidence: Evidence, method: str) -> list[Verdict]:
    """The score of each of the paper's models under one method."""
    verdicts = []
    for row, model in evidence.rows("table2", method):
        if records := model.runs_of(method):
            score, state = model.score_of(method), "fine-tuned" if method == TUNED else "untuned"
            verdicts.append(
                Claim(f"ROUGE-L of {model.label}, {state}", TABLE2, row["rouge_l"]).against(
                    f"{score:.4f}",
                    agrees=rounds_to(row["rouge_l"], score),
                    decides=evidence.comparable(row["model"]),
                    how=f"mean over the test samples and {format_seeds(len(records))}",
                    files=paths_of(records),
                )
            )
    return verdicts


def _ranks_here(evidence: Evidence, pairs: dict[str, ModelEvidence]) -> list[Verdict]:
    """Claims about all tuned models together; they need all of them."""
    declared = _declared_scores(evidence.paper, TUNED)
    decides = evidence.comparable(*declared) and pairs.keys() == declared.keys()
    files = paths_of(record for model in pairs.values() for record in model.runs_of(BASE, TUNED))
    tuned = {key: model.score_of(TUNED) for key, model in pairs.items()}
    worse = [model.label for key, model in pairs.items() if not tuned[key] > model.score_of(BASE)]
    best, top = evidence.paper["text"]["best"]["model"], max(tuned, key=lambda key: tuned[key])
    every = f"{len(declared)} of {len(declared)}"
    return [
        Claim("Fine-tuning improves all models", "section 4.1", every).against(
            _count_with_exceptions(len(pairs) - len(worse), len(pairs), worse),
            agrees=not worse,
            decides=decides,
            how=MEANS,
            files=files,
        ),
        Claim("Best tuned model", "section 4.3", evidence.paper["models"][best]["name"]).against(
            pairs[top].label, agrees=top == best, decides=decides, how=MEANS, files=files
        ),
        *_untuned_beaten(evidence, tuned, decides),
    ]


def _untuned_beaten(evidence: Evidence, tuned: dict[str, float], decides: bool) -> list[Verdict]:
    """Untuned models that the paper does not tune, against the tuned ones."""
    declared, verdicts = _declared_scores(evidence.paper, TUNED), []
    beaters = [record for key in tuned for record in evidence.models[key].runs_of(TUNED)]
    for row, model in evidence.rows("table2", BASE):
        if row["model"] not in declared and (untuned := model.runs_of(BASE)):
            below = sum(score > model.score_of(BASE) for score in tuned.values())
            verdicts.append(
                Claim(f"Tuned models above {model.label}, untuned", "section 4.1", f"all {len(declared)}").against(
                    f"{below} of {len(tuned)}",
                    agrees=below == len(declared),
                    decides=decides and evidence.comparable(row["model"]),
                    how="means of ROUGE-L",
                    files=paths_of([*untuned, *beaters]),
                )
            )
    return verdicts
