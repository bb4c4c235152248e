"""What a model wrote for a prompt."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Prediction:
    """What a model wrote for one prompt.

    Attributes:
        id: Number of the prompt's record in the data set.
        text: The code: up to the template's end marker, without outer white space.
        tokens: Number of tokens generated, the end token included.
        truncated: Whether the limit on new tokens cut it off before it ended.
    """

    id: int
    text: str
    tokens: int
    truncated: bool
