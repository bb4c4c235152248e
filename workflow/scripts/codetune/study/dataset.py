"""The noun Dataset: where training data come from and how they are split."""

from dataclasses import dataclass

from codetune.study.model import Source


@dataclass(frozen=True)
class Split:
    """How a data set is divided.

    Attributes:
        train: Share of the samples that are trained on; the three shares sum to 1.
        validation: Share for early stopping and the training curve.
        test: Share that is evaluated on.
        seed: Of the shuffle.
        near_duplicates: `together`: near-duplicates stay on one side; `anywhere`: they are only reported.
    """

    train: float
    validation: float
    test: float
    seed: int
    near_duplicates: str


@dataclass(frozen=True)
class Dataset:
    """An entry of the config's `datasets`.

    Attributes:
        name: Its name in the config and in paths.
        source: Where its file comes from.
        file: The file's name in the repository.
        records: Declared number of records; None where it is not checked.
        sha256: Declared hash of the canonical records; None where it is not checked.
        license: As its publisher names it.
        split: How it is divided.
    """

    name: str
    source: Source
    file: str | None
    records: int | None
    sha256: str | None
    license: str | None
    split: Split
