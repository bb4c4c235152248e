"""The bootstrap: how a score varies over sets of samples like the one at hand."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
LEVEL = 0.95


def draw_resamples(generator: np.random.Generator, samples: int, resamples: int) -> Array:
    """How often each sample is in each resample of as many samples, drawn with replacement; (resamples, samples)."""
    return generator.multinomial(samples, np.full(samples, 1 / samples), size=resamples).astype(np.float64)


def percentile_interval(values: Array) -> list[float]:
    """The percentile interval at `LEVEL`; resamples in which a score is not defined do not count."""
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return [float(low), float(high)]
