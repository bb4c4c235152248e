"""Judges answers in this process."""


def passes(problem, answer):
    """Whether an answer passes in this process."""
    names = {}
    exec(problem.reference, names)
    exec(answer, names)
    try:
        exec(problem.tests, names)
    except AssertionError:
        return False
    return True
