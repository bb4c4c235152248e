"""The end of a completion: the same in training, in decoding and in the text that was decoded."""

from dataclasses import dataclass
from pathlib import Path

from codetune.base.plain import read_as


@dataclass(frozen=True)
class Ending:
    """How a completion ends. It is found once, when samples are tokenised, and stands in the token statistics.

    Attributes:
        closing: Text between an answer and the end token; it is learned, too.
        end: Id of the end token, with which every completion ends in training.
        stops: Ids at which decoding ends a completion, in ascending order; the end token is among them.
        markers: Texts at which a completion is cut. Line breaks around one stand for the start and the end of a line.
    """

    closing: str
    end: int
    stops: list[int]
    markers: list[str]

    def answer(self, text: str) -> str:
        """Returns the answer in a generated text: up to the first marker, without closing and outer white space."""
        place = self._place_of_marker(text)
        answer = text if place is None else text[:place]
        return answer.strip().removesuffix(self.closing.strip()).strip()

    def ends(self, text: str) -> bool:
        """Whether a marker ends a generated text."""
        return self._place_of_marker(text) is not None

    def _place_of_marker(self, text: str) -> int | None:
        lines = f"\n{text}\n"  # the first line, too, has a start, and the last an end
        places = [lines.find(marker) for marker in self.markers if marker in lines]
        return max(min(places) - 1, 0) if places else None


@dataclass(frozen=True)
class _Described:
    """What decoding reads of the statistics of a token set."""

    ending: Ending


def read_ending(stats: str | Path) -> Ending:
    """Reads how the completions of a token set end, from the statistics beside it.

    Raises:
        StudyError: The statistics are damaged.
    """
    return read_as(stats, _Described).ending
