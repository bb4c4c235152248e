"""From generated text to the code in it."""

END_MARKER = "<|end|>"  # of the paper's template (section 3.2)


def clean_completion(text: str) -> str:
    """Returns the code in a generated text: up to the paper template's end marker, without outer white space."""
    return text.split(END_MARKER)[0].strip()
