"""The guard around libraries that read checkpoints and adapters."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import reason_in_short
from codetune.base.progress import doing

PANIC = "PanicException"  # what libraries in Rust raise; it is not an Exception, and cannot be imported
FETCH_AGAIN = "Delete that folder to fetch it again, or name another checkpoint in the config."
# Errors of the system that say what lies there. All others are of the disk: it failed, is full, or is not ours to read.
OF_THE_FILE = (None, errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.EINVAL)


def _never(_: Exception) -> bool:
    return False


@contextmanager
def loading(
    folder: str | Path, what: str, remedy: str, of_the_machine: Callable[[Exception], bool] = _never
) -> Iterator[None]:
    """Turns what a library raises while it reads files into one line.

    For a file that is truncated, of another shape or of another model, libraries raise errors of every kind, also bare
    `Exception` and, where they are written in Rust, panics. So the block must hold calls of libraries alone.

    Args:
        folder: Where the files are, for the message.
        what: What they are.
        remedy: What to do.
        of_the_machine: Whether an error says nothing about the files: memory that ran out, a GPU that failed.

    Raises:
        StudyError: In place of each error of the files.
    """
    try:
        with doing(f"loading {what} in {folder}"):
            yield
    except (StudyError, MemoryError):
        raise
    except Exception as error:
        if of_the_machine(error) or (isinstance(error, OSError) and error.errno not in OF_THE_FILE):
            raise
        raise StudyError(f"{folder}: {what} cannot be loaded ({reason_in_short(error)}). {remedy}") from None
    except BaseException as error:
        if type(error).__name__ != PANIC:
            raise
        raise StudyError(f"{folder}: {what} cannot be loaded ({reason_in_short(error)}). {remedy}") from None
