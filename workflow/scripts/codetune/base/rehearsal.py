"""Whether this process works on a rehearsal, whose results are made up.

That is said once, by the job or the check that the process is for, and asked by all that writes what people see.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_SAID = [False]  # for all threads of the process; the last is in force


def is_rehearsal() -> bool:
    """Whether what is written here follows from made-up results."""
    return _SAID[-1]


@contextmanager
def rehearsing(config: Mapping[str, Any]) -> Iterator[None]:
    """Runs the block as work on the study of a config, which is a rehearsal or not.

    Args:
        config: The configuration; `rehearsal` may be missing.
    """
    _SAID.append(bool(config.get("rehearsal")))
    try:
        yield
    finally:
        _SAID.pop()
