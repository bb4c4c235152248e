"""What a model wrote for each prompt."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from codetune.base.files import read_jsonl, write_jsonl
from codetune.base.plain import from_plain, to_plain


@dataclass(frozen=True)
class Candidate:
    """One completion of a prompt.

    Attributes:
        text: The code: up to the template's end marker, without outer white space.
        tokens: Number of tokens generated, EOS included.
        truncated: Whether the limit on new tokens ended it.
    """

    text: str
    tokens: int
    truncated: bool


@dataclass(frozen=True)
class Prediction:
    """What a model wrote for one prompt.

    Attributes:
        id: Number of the prompt's record in the data set.
        candidates: Its completions, the best first.
    """

    id: int
    candidates: list[Candidate]

    @property
    def first(self) -> Candidate:
        """The completion that is scored."""
        return self.candidates[0]


def read_predictions(path: str | Path) -> list[Prediction]:
    """Reads the predictions of one run on one test set.

    Raises:
        StudyError: A row is not a prediction.
    """
    return [from_plain(row, Prediction, f"{path}, line {number}") for number, row in enumerate(read_jsonl(path), 1)]


def write_predictions(path: str | Path, predictions: Iterable[Prediction]) -> None:
    """Writes one prediction per line, atomically."""
    write_jsonl(path, map(to_plain, predictions))
