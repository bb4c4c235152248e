"""The scores of the paper's own Table 2."""

from codetune.base.files import Row
from codetune.papers.declared import BASE, TUNED


def declared_scores(paper: Row, method: str) -> dict[str, float]:
    """The scores that the paper's Table 2 gives to one method, by model."""
    return {row["model"]: row["rouge_l"] for row in paper.get("table2", []) if row.get("method") == method}


def declared_gain(paper: Row, model: str, method: str, over: str) -> float | None:
    """The paper's own difference between the scores of two methods on one model; None where it lacks one of them."""
    own, other = (declared_scores(paper, name).get(model) for name in (method, over))
    return None if own is None or other is None else round(own - other, 4)


def spread_of_scores(paper: Row) -> float:
    """How far apart the paper's scores of the models that it tunes are, tuned and untuned."""
    tuned = declared_scores(paper, TUNED)
    scores = [*tuned.values(), *(score for key, score in declared_scores(paper, BASE).items() if key in tuned)]
    return round(max(scores) - min(scores), 9)
