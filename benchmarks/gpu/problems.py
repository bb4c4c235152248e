"""What a finding says of a failure."""

import traceback


def problem_of(error: Exception) -> str:
    """A failure in one line; the log gets all that is known of it."""
    from codetune.base.machine import is_out_of_memory

    traceback.print_exception(error)
    if isinstance(error, ModuleNotFoundError):
        return f"not run: there is no {error.name}"
    line = (str(error).splitlines() or ["no message"])[0]
    if is_out_of_memory(error):
        return f"out of memory ({line.split('. ')[0]})"
    return f"failed: {type(error).__name__}: {line}"
