"""The one exception that is meant for the user."""


class StudyError(Exception):
    """Something the user can mend. The message says what was found, where, and what to do.

    Scripts print it as one line without a traceback and exit with status 1.
    """
