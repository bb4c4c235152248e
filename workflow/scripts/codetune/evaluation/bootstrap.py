"""The bootstrap: how a score varies over sets of samples like the one at hand."""

from collections.abc import Iterator, Sequence
from copy import copy

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Weights = npt.NDArray[np.floating]
CHUNK = 500  # resamples at once, to bound memory


def draw_resamples(generator: np.random.Generator, samples: int, resamples: int) -> Array:
    """How often each sample is in each resample of as many samples, drawn with replacement; (resamples, samples)."""
    return generator.multinomial(samples, np.full(samples, 1 / samples), size=resamples).astype(np.float64)


def in_few_bytes(table: Array) -> Array:
    """Returns statistics that are counts as whole numbers, which take less memory and are summed in half the time."""
    whole = (table >= 0).all() and (table == np.floor(table)).all()
    return table.astype(np.min_scalar_type(int(table.max()))) if whole else table


class Resamples:
    """Resamples that many scores share, so that their differences are paired. They are drawn once.

    They are kept as counts in as few bytes as these need, which is a tenth of what `draw_resamples` gives.
    """

    def __init__(self, samples: int, resamples: int, seed: int) -> None:
        """Draws them.

        Args:
            samples: Number of samples.
            resamples: How many.
            seed: What they are drawn from.
        """
        self.seed, self.draws = seed, samples
        generator = np.random.default_rng(seed)
        self._chunks: list[npt.NDArray[np.unsignedinteger]] = []
        for start in range(0, resamples, CHUNK):
            weights = draw_resamples(generator, samples, min(CHUNK, resamples - start))
            self._chunks.append(weights.astype(np.min_scalar_type(int(weights.max()))))

    def __len__(self) -> int:
        """Their number."""
        return sum(map(len, self._chunks))

    def within(self, places: Sequence[int], most: int) -> "Resamples":
        """What some of the samples have of these resamples: how often each of them is in each.

        Args:
            places: Of these samples among all.
            most: Number of resamples, at most: the first ones.
        """
        found = copy(self)
        starts = range(0, min(most, len(self)), CHUNK)
        found._chunks = [self._chunks[start // CHUNK][: most - start, places] for start in starts]
        return found

    def chunks(self, kind: type[np.floating]) -> Iterator[Weights]:
        """How often each sample is in each resample, some hundred resamples at a time; (resamples, samples).

        Args:
            kind: The type of the numbers.
        """
        for chunk in self._chunks:
            yield chunk.astype(kind)
