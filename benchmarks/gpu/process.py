"""What each process of the check does first, before it imports torch."""

import os

import common  # noqa: F401 (it makes the library known)

# isort: split

from codetune.base.environment import set_environment
from codetune.base.signals import end_with

NEVER = "codetune-gpu-check"  # a name that no process takes
THREADS = 4  # as many as a job of the study has beside a GPU


def set_up(small: bool) -> None:
    """Lets this process end when the one that started it has ended, and sets what libraries read at import.

    Args:
        small: Whether the check is in small, on the CPU.
    """
    end_with(os.getppid(), NEVER)
    set_environment(1 if small else THREADS, offline=True)
