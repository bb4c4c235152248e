"""From generated text to the code in it."""


def clean_completion(text: str) -> str:
    """Returns the code in a generated text: up to the paper template's end marker, without outer white space."""
    return text.split("<|end|>")[0].strip()
