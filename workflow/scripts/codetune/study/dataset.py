"""The noun Dataset: where data come from and how they are split."""

from dataclasses import dataclass

from codetune.study.model import Source


@dataclass(frozen=True)
class Subset:
    """A part of a data set's records, drawn by seed.

    Attributes:
        records: How many are drawn.
        seed: Seed of the draw. A larger subset with the same seed holds the smaller one.
    """

    records: int
    seed: int


@dataclass(frozen=True)
class Split:
    """How a data set, or a sample of it, is split.

    Attributes:
        train: Share of the samples for training; the three shares sum to 1.
        validation: Share for early stopping and the training curve.
        test: Share for the evaluation.
        seed: Seed of the shuffle.
        near_duplicates: `together`: near-duplicates stay in one part; `anywhere`: they are only reported.
        sample: The part of the records that is split; None if all are.
    """

    train: float
    validation: float
    test: float
    seed: int
    near_duplicates: str
    sample: Subset | None = None


@dataclass(frozen=True)
class Published:
    """A data set as published: all that its download depends on.

    Attributes:
        source: Where its file comes from.
        file: Name of the file in the repository; None for a local file.
        records: Declared number of records; None if it is not checked.
        sha256: Declared SHA-256 of these records; None if it is not checked.
    """

    source: Source
    file: str | None = None
    records: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Dataset:
    """An entry of the config's `datasets`.

    Attributes:
        name: Its name in the config and in paths.
        published: The data set as published.
        split: How it is split.
    """

    name: str
    published: Published
    split: Split

    @property
    def is_whole(self) -> bool:
        """Whether all of its records are split, as far as the config tells: a sample may be as large as they are."""
        return self.split.sample is None or self.split.sample.records == self.published.records
