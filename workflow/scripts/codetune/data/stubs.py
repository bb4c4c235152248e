"""The head of a function that an answer completes, and the program that head and rest make."""

import re


def whole(stub: str, output: str, entry: str) -> str:
    """Returns the program that a reference is, or is the rest of.

    Args:
        stub: The head of the function; empty if there is none.
        output: The reference.
        entry: Name of the function.
    """
    return output if defines(output, entry) or not stub else stub + output


def defines(text: str, entry: str) -> bool:
    """Whether a text has a function of this name."""
    return re.search(rf"^(async +)?def +{re.escape(entry)}\b", text, re.MULTILINE) is not None
