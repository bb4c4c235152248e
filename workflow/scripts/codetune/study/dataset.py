"""The noun Dataset: where data come from and how they are split."""

from dataclasses import dataclass
from pathlib import Path

from codetune.study.model import Source

PARTS = ("train", "validation", "test")
# Filters that a data set's entry names under `keep`: which records are kept. The first is applied when the records are
# read, since it also leaves out what is no record; the others by data/filters.py before the split.
ONE_TURN, NO_INPUT, PYTHON_PARSES = "one-turn", "no-input", "python-parses"
FILTERS = (ONE_TURN, NO_INPUT, PYTHON_PARSES)


@dataclass(frozen=True)
class Subset:
    """A part of a data set's records, drawn by seed; where files give the parts, a part of the training records.

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
        keep: Names of the filters that records have to pass, in the order in which they are applied; None without any.
        parts: The parts that files give; None if the records are split. If validation is not among them, its share
            is cut from the training part, where there is one; the other shares say nothing.
        language: The programming language of all samples; None if it is guessed of each.
    """

    train: float
    validation: float
    test: float
    seed: int
    near_duplicates: str
    sample: Subset | None = None
    keep: list[str] | None = None
    parts: list[str] | None = None
    language: str | None = None

    @property
    def shares(self) -> dict[str, float]:
        """The shares that decide which part a sample is in: of all samples, or of the training part that is cut."""
        if self.parts is None:
            return {"train": self.train, "validation": self.validation, "test": self.test}
        return {} if "validation" in self.parts or self.filled != PARTS else {"validation": self.validation}

    @property
    def filled(self) -> tuple[str, ...]:
        """The parts that have samples: all, but of a set that is only for tests."""
        return PARTS if self.parts is None or "train" in self.parts else ("test",)


@dataclass(frozen=True)
class Published:
    """A data set as published: all that its download depends on.

    Attributes:
        source: Where its files come from: a repository, a local file, or with `parts` a local folder. Of GitHub's
            repositories, the commit alone.
        file: Name of the file in the repository; None for a local file, or with `parts`.
        records: Declared number of records; None if it is not checked.
        sha256: Declared SHA-256 of these records; None if it is not checked.
        parts: Names of the files of each part, in the repository or the folder; None if one file holds all records.
        fields: For instruction, input and output, or for messages, the names of the records' fields in which they
            stand: the first that is not empty; None if that is found out.
        keep: The filter `one-turn` if the config names it, else None.
        instruction: The instruction of all records, which have none of their own; None if they have.
        github: The repository, if it is one of GitHub's and none of the hub's.
        unit_tests: In which form each record has unit tests for its answer; None if it has none.
    """

    source: Source
    file: str | None = None
    records: int | None = None
    sha256: str | None = None
    parts: dict[str, str] | None = None
    fields: dict[str, list[str]] | None = None
    keep: list[str] | None = None
    instruction: str | None = None
    github: str | None = None
    unit_tests: str | None = None

    @property
    def files(self) -> list[str]:
        """Names of its files in the repository or the folder, in the order of the parts."""
        return list(self.parts.values()) if self.parts else [self.file or ""]

    @property
    def local_files(self) -> list[Path]:
        """Its files, if they are local; none if they are the hub's."""
        if self.source.path is None:
            return []
        folder = Path(self.source.path)
        return [folder / name for name in self.parts.values()] if self.parts else [folder]


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
        drawn = self.split.sample is not None and self.split.sample.records != self.published.records
        return not drawn and not self.split.keep and not self.published.keep
