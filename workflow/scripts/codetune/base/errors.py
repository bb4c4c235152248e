"""The one exception that is meant for the user."""

from codetune.base.text import printable


class StudyError(Exception):
    """An error that the user can fix. Its message says what was found, where, and what to do.

    Scripts print the message as one line, without a traceback, and exit with status 1. A message quotes configs, files
    and servers, so characters that would act on a terminal are written as escapes.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))
