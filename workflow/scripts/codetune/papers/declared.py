"""What the paper declares."""

from pathlib import Path
from typing import Any

import yaml

PAPER_METRIC = "rouge_l"  # the one metric that the paper gives


def read_paper(path: str | Path) -> dict[str, Any]:
    """Reads what the paper declares (config/paper.yaml)."""
    paper: dict[str, Any] = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    return paper
