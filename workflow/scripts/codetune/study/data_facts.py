"""Facts that jobs write about data sets: their import and their split."""

from dataclasses import dataclass

from codetune.study.dataset import Subset


@dataclass(frozen=True)
class ImportFacts:
    """The records of a data set as they were imported.

    Attributes:
        records: How many.
        sha256: SHA-256 of the records.
        parts: How many of them, one after the other, are of each part that a file gives; None if one file holds all.
        left_out: How many more the files hold that are not one request with its answer; None without any.
    """

    records: int
    sha256: str
    parts: dict[str, int] | None = None
    left_out: int | None = None


@dataclass(frozen=True)
class Touched:
    """Records of a data set that the cleaning changed or dropped for one reason.

    Attributes:
        count: How many.
        records: Their numbers in the data set as published, counted from 0.
    """

    count: int
    records: list[int]


@dataclass(frozen=True)
class DuplicateRequests:
    """Samples whose requests are equal up to case and white space.

    Attributes:
        samples: Number of samples that share their request with others.
        groups: Number of different requests among them.
        handling: What was done with them.
    """

    samples: int
    groups: int
    handling: str


@dataclass(frozen=True)
class NearDuplicates:
    """Samples that share most of their token triples.

    Attributes:
        threshold: Least Jaccard similarity of two near-duplicates.
        samples: Number of samples that have a near-duplicate.
        groups: Ids of the samples in each group.
        handling: `together` or `anywhere`, as the config says.
        leaked: Ids of the test samples with a near-duplicate in train or validation.
    """

    threshold: float
    samples: int
    groups: list[list[int]]
    handling: str
    leaked: list[int]


@dataclass(frozen=True)
class SplitFacts:
    """split.json: how a data set was cleaned and split.

    Attributes:
        dataset: Name of the data set.
        records: Number of records as published.
        records_sha256: SHA-256 of these records.
        touched: Records that the cleaning changed or dropped, by reason.
        duplicate_requests: Samples with the same request.
        near_duplicates: Samples that are nearly the same.
        shares: Share of each part, as the config says; where files give the parts, that of a validation part that was
            cut from the training part.
        seed: Seed of the shuffle.
        sha256: SHA-256 of the samples of each part.
        sample: The part of these records that was taken, by the config's `sample`; None if all were.
        parts: Number of records in the file of each part; None if one file holds all.
        kept: Number of records that were left after each filter of the config's `keep`, in their order; None without
            any.
    """

    dataset: str
    records: int
    records_sha256: str
    touched: dict[str, Touched]
    duplicate_requests: DuplicateRequests
    near_duplicates: NearDuplicates
    shares: dict[str, float]
    seed: int
    sha256: dict[str, str]
    sample: Subset | None = None
    parts: dict[str, int] | None = None
    kept: dict[str, int] | None = None
