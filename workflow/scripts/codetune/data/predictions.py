"""What a model wrote for a prompt, and the files that hold it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from codetune.base.errors import StudyError
from codetune.base.files import Row, reading, write_jsonl
from codetune.base.identity import check_recorded, file_hashes
from codetune.base.plain import declared, from_plain, read_as, read_lines_as
from codetune.study.facts import GenerationFacts


@dataclass(frozen=True)
class Candidate:
    """One completion of a prompt.

    Attributes:
        text: The text as written: up to the template's end marker, without outer white space.
        tokens: Number of tokens generated, the end token included.
        truncated: Whether the limit on new tokens, or the end of the context, cut it off before it ended.
        score: Of a beam, the mean logarithm of its tokens' probabilities; not there in other completions.
    """

    text: str
    tokens: int
    truncated: bool
    score: float | None = None


@dataclass(frozen=True)
class Prediction:
    """What a model wrote for one prompt.

    Attributes:
        id: Number of the prompt's record in the data set.
        candidates: Its completions: one of greedy decoding, beams with the best first, or draws in their order.
    """

    id: int
    candidates: list[Candidate]

    @property
    def first(self) -> Candidate:
        """The completion that metrics measure."""
        return self.candidates[0]


@dataclass(frozen=True)
class _OfStep(Prediction):
    """A prediction of a checkpoint.

    Attributes:
        step: Where in a training the checkpoint stands; 0 for the untuned model.
    """

    step: int


P = TypeVar("P", bound=Prediction)


def write_predictions(path: str | Path, predictions: Iterable[Prediction]) -> None:
    """Writes predictions as JSON lines, in their order."""
    write_jsonl(path, map(to_row, predictions))


def to_row(prediction: Prediction) -> Row:
    """Returns the row of a prediction in a file."""
    return declared(prediction)


def read_predictions(path: str | Path) -> list[Prediction]:
    """Reads predictions in their order.

    Raises:
        StudyError: The file does not hold predictions.
    """
    return _checked(read_lines_as(path, Prediction), path)


def check_generated(predictions: str, generation: str) -> None:
    """Checks that predictions are those that were generated.

    Args:
        predictions: Path of the predictions.
        generation: Path of the facts of their generation.

    Raises:
        StudyError: The predictions have changed since.
    """
    made = read_as(generation, GenerationFacts).predictions_sha256
    paths = {"predictions": predictions}
    check_recorded(file_hashes(**paths), {"predictions": made}, paths, generation)


def predictions_of(rows: Iterable[Row], path: str | Path) -> list[Prediction]:
    """Builds predictions from the rows of a file.

    Raises:
        StudyError: A row is not a prediction.
    """
    found = [from_plain(row, Prediction, f"{path}: line {number}") for number, row in enumerate(rows, start=1)]
    return _checked(found, path)


def _checked(predictions: list[P], path: str | Path) -> list[P]:
    with reading(path):
        for number, prediction in enumerate(predictions, start=1):
            if not prediction.candidates:
                raise StudyError(
                    f"{path}, line {number}: a prompt without a completion. Delete the file and run again."
                )
            prediction.first.text.encode()
    return predictions


def write_curve_predictions(path: str | Path, predictions: Mapping[int, Iterable[Prediction]]) -> None:
    """Writes the predictions of some checkpoints, by step, as JSON lines."""

    def rows() -> Iterator[Row]:
        for step, of_step in predictions.items():
            yield from ({"step": step, **to_row(prediction)} for prediction in of_step)

    write_jsonl(path, rows())


def read_curve_predictions(path: str | Path) -> dict[int, list[Prediction]]:
    """Reads the predictions of some checkpoints, by step.

    Raises:
        StudyError: The file does not hold predictions of checkpoints.
    """
    found: dict[int, list[Prediction]] = {}
    for one in _checked(read_lines_as(path, _OfStep), path):
        found.setdefault(one.step, []).append(Prediction(one.id, one.candidates))
    return found
