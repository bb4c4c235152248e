"""What significance.json says of one metric."""

from dataclasses import dataclass
from pathlib import Path

from codetune.base.files import Row, read_json

Key = tuple[str, str, str]  # dataset, model, method


@dataclass(frozen=True)
class Comparisons:
    """One metric's entries of significance.json.

    Attributes:
        metric: Its label, signature and highest score.
        scores: Score, interval and deviation over seeds of each (dataset, model, method).
        gains: Gain over the untuned model, with interval and p-values, of each tuned one.
        resamples: Number of bootstrap resamples.
    """

    metric: Row
    scores: dict[Key, Row]
    gains: dict[Key, Row]
    resamples: int

    def gain_in_words(self, key: Key) -> str | None:
        """What the interval of a gain says; None where there is no gain."""
        if key not in self.gains:
            return None
        low, high = self.gains[key]["interval"]
        return "better" if low > 0 else "worse" if high < 0 else "no difference"


def read_comparisons(path: str | Path, metric: str) -> Comparisons:
    """Reads what significance.json says of one metric."""
    found = read_json(path)

    def by_run(entries: list[Row]) -> dict[Key, Row]:
        return {(e["dataset"], e["model"], e["method"]): e for e in entries if e["metric"] == metric}

    return Comparisons(found["metrics"][metric], by_run(found["scores"]), by_run(found["gains"]), found["resamples"])
