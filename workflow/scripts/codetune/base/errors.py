"""The one exception that is meant for the user."""


class StudyError(Exception):
    """An error that the user can fix. Its message says what was found, where, and what to do.

    Scripts print the message as one line, without a traceback, and exit with status 1.
    """
