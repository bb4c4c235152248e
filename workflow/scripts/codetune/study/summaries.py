"""Scores from a run's summary."""

from pathlib import Path

from codetune.base.files import read_json


def read_score(path: str | Path) -> float:
    """Reads a run's mean ROUGE-L F1, in [0, 1] (the paper's equation 4)."""
    return float(read_json(path)["scores"]["rouge_l"])
