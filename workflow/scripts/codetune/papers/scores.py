"""Claims about scores, compared with the paper's own Table 2."""

from codetune.base.files import Row
from codetune.papers.evidence import BASE, TUNED
from codetune.papers.printed import parse_printed, rounds_to
from codetune.papers.verdicts import PAPER, Claim, Verdict, exact

TABLE2 = "Table 2"


def declared_scores(paper: Row, method: str) -> dict[str, float]:
    """The scores that the paper's Table 2 gives to one method, by model."""
    return {row["model"]: row["rouge_l"] for row in paper.get("table2", []) if row.get("method") == method}


def declared_gain(paper: Row, model: str, method: str, over: str) -> float | None:
    """The paper's own difference between the scores of two methods on one model; None where it lacks one of them."""
    own, other = (declared_scores(paper, name).get(model) for name in (method, over))
    return None if own is None or other is None else round(own - other, 4)


def check_scores_within(paper: Row) -> list[Verdict]:
    """The claims of abstract and text, from the paper's own Table 2."""
    base, tuned, names = declared_scores(paper, BASE), declared_scores(paper, TUNED), paper["models"]
    gains = {key: 100 * (score / base[key] - 1) for key, score in tuned.items()}
    verdicts = []
    for key, percent in paper["text"]["gain_percent"].items():
        name, printed, score = names[key]["name"], f"{percent} %", 100 * tuned[key]
        verdicts += [
            Claim(f"Gain of {name} over its untuned self", "abstract", printed).against(
                f"{gains[key]:.1f} %",
                exact(rounds_to(percent, gains[key])),
                how=f"{tuned[key]} against {base[key]} in Table 2",
                files=PAPER,
            ),
            Claim(f"That gain of {name} is its score, times 100", "abstract", printed).against(
                f"{score:.0f}", exact(rounds_to(percent, score)), how=TABLE2, files=PAPER
            ),
        ]
    return [*verdicts, _improved(names, gains), _above_baselines(paper), _larger_baselines(paper), *_marks(paper)]


def _improved(names: Row, gains: dict[str, float]) -> Verdict:
    worse = [f"{names[key]['name']} {gain:+.1f} %" for key, gain in gains.items() if gain <= 0]
    text = "Fine-tuning improves all models, if that is what the text means (it says both 'all' and 'generally')"
    return Claim(text, "section 4.1", f"{len(gains)} of {len(gains)}").against(
        _count_with_exceptions(len(gains) - len(worse), len(gains), worse), exact(not worse), how=TABLE2, files=PAPER
    )


def _count_with_exceptions(count: int, total: int, exceptions: list[str]) -> str:
    return f"{count} of {total}" + (f"; not {', '.join(exceptions)}" if exceptions else "")


def _baselines(paper: Row) -> list[Row]:
    """What section 4.1 calls the baselines: rows of Table 2 of models that the paper does not tune."""
    tuned = declared_scores(paper, TUNED)
    return [row for row in paper["table2"] if row.get("model") not in tuned]


def _above_baselines(paper: Row) -> Verdict:
    best = max(row["rouge_l"] for row in _baselines(paper))
    worst = min(declared_scores(paper, TUNED).values())
    claim = Claim("All tuned models score above CodeBERT, Code2seq and Phi-3 Mini", "section 4.1", "all")
    shown = f"lowest tuned {worst}, highest of those {best}"
    return claim.against(shown, exact(worst > best), how=TABLE2, files=PAPER)


def _larger_baselines(paper: Row) -> Verdict:
    largest = max(parse_printed(row["params"])[0] for row in paper["table2"] if row.get("method") == TUNED)
    larger = [row for row in _baselines(paper) if parse_printed(row["params"])[0] > largest]
    names = ", ".join(paper["models"][row["model"]]["name"] if "model" in row else row["label"] for row in larger)
    claim = Claim("Larger baselines, more than one, are outperformed", "abstract", "several")
    shown = f"{len(larger)} of {len(_baselines(paper))} baselines: {names or '-'}"
    return claim.against(shown, exact(len(larger) > 1), how="parameters in Table 2", files=PAPER)


def _marks(paper: Row) -> list[Verdict]:
    """The best score, and the equal ones."""
    tuned, text, names = declared_scores(paper, TUNED), paper["text"], paper["models"]
    top, best, equal = max(tuned, key=lambda key: tuned[key]), text["best"], text["equal"]
    shown, printed = (f"{names[key]['name']}, {tuned[key]}" for key in (top, best["model"]))
    agrees = top == best["model"] and rounds_to(best["rouge_l"], tuned[top])
    scores = [tuned[key] for key in equal["models"]]
    same = f"{' and '.join(names[key]['name'] for key in equal['models'])}, tuned, score the same"
    return [
        Claim("Best tuned model", "section 4.3", printed).against(shown, exact(agrees), how=TABLE2, files=PAPER),
        Claim(same, "section 4.2", equal["rouge_l"]).against(
            ", ".join(map(str, scores)),
            exact(all(rounds_to(equal["rouge_l"], score) for score in scores)),
            how=TABLE2,
            files=PAPER,
        ),
    ]


def spread_of_scores(paper: Row) -> float:
    """How far apart the paper's scores of the models that it tunes are, tuned and untuned."""
    tuned = declared_scores(paper, TUNED)
    scores = [*tuned.values(), *(score for key, score in declared_scores(paper, BASE).items() if key in tuned)]
    return round(max(scores) - min(scores), 9)
