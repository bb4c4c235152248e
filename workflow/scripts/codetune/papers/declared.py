"""What the paper declares."""

from collections.abc import Collection, Mapping
from typing import Any

from codetune.study.runs import NONE, System

PAPER_METRIC = "rouge_l"  # the one metric that the paper gives


def is_comparable(paper: Mapping[str, Any], system: System, test: str, tests: Collection[str]) -> bool:
    """Whether the paper's numbers may stand beside a system's: it is trained on the data set that it is tested on.

    Args:
        paper: What the paper declares.
        system: The system; an untuned one is trained on none.
        test: The test set.
        tests: All test sets of the study. Of several it is one that is called as the paper's.
    """
    return system.data in (NONE, test) and (len(set(tests)) < 2 or test in paper["datasets"])
