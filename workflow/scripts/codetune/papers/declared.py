"""What the paper declares."""

from pathlib import Path
from typing import Any

import yaml

from codetune.base.errors import StudyError

PAPER_METRIC = "rouge_l"  # the one metric that the paper gives


def read_paper(path: str | Path) -> dict[str, Any]:
    """Reads what the paper declares (config/paper.yaml).

    Raises:
        StudyError: The file is not YAML.
    """
    try:
        paper = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise StudyError(f"{path}: not YAML ({reason}). Correct it.") from None
    if not isinstance(paper, dict):
        raise StudyError(f"{path}: holds no keys. Put back what the paper declares.")
    return paper
