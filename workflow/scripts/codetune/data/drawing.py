"""A part of a data set: records that are drawn by seed."""

import random
from collections.abc import Mapping

from codetune.base.errors import StudyError
from codetune.base.files import Row
from codetune.study.dataset import Subset


def draw(records: Mapping[int, Row], sample: Subset | None, name: str) -> dict[int, Row]:
    """Draws some of a data set's records, without replacement.

    All numbers are shuffled, and the first ones taken. So a larger draw with the same seed holds the smaller one.

    Args:
        records: The records as published, by their numbers, in the order of these.
        sample: How many are drawn, and the seed; None to take all.
        name: Name of the data set.

    Returns:
        The records that were drawn, by their numbers as published, in the order of these.

    Raises:
        StudyError: There are fewer records than are to be drawn.
    """
    if sample is None:
        return dict(records)
    if sample.records > len(records):
        raise StudyError(
            f"{name}: the config's 'sample' draws {sample.records} records, but the data set has {len(records)}. "
            "Draw fewer, or leave 'sample' out to take all."
        )
    numbers = list(records)
    random.Random(sample.seed).shuffle(numbers)
    return {number: records[number] for number in sorted(numbers[: sample.records])}
