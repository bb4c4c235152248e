"""The samples of an instruction data set."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from codetune.base.files import Row, reading, sha256_of_list
from codetune.base.identity import check_recorded
from codetune.base.plain import declared, iterate_lines_as, read_as, read_lines_as
from codetune.study.data_facts import ImportFacts, SplitFacts
from codetune.study.problem import Problem

FIELDS = ("instruction", "input", "output")  # of a record as published
SUBSET_SEED = 0  # fixed, so that all models, checkpoints and training seeds are measured on the same subset


@dataclass(frozen=True)
class PublishedRecord:
    """A record as published.

    Attributes:
        instruction: The task.
        input: What the task is applied to.
        output: The reference completion.
        earlier: The turns before, in a conversation of several: pairs of a request and its answer; None in others.
        problem: The unit tests for its answer; None without any.
    """

    instruction: str
    input: str
    output: str
    earlier: list[list[str]] | None = None
    problem: Problem | None = None


@dataclass(frozen=True)
class Sample:
    """One instruction with its reference code.

    Attributes:
        id: Number of its record in the data set as published, counted from 0; where files give the parts, they are
            counted one after the other.
        instruction: The task.
        input: What the task is applied to; often empty.
        output: The reference completion.
        earlier: The turns before, in a conversation of several: pairs of a request and its answer; None in others.
        problem: The unit tests for its answer; None without any.
        language: Its programming language as the config declares it; None if that is guessed.
    """

    id: int
    instruction: str
    input: str
    output: str
    earlier: list[list[str]] | None = None
    problem: Problem | None = None
    language: str | None = None

    @property
    def task(self) -> str:
        """The instruction, below the turns before it, if any."""
        return "\n".join([*chain(*self.earlier or ()), self.instruction])

    @property
    def request(self) -> str:
        """The task and the input, if any, on a line of its own: x in the paper's section 3.2."""
        return f"{self.task}\n{self.input}" if self.input else self.task


def by_request(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """Groups samples whose requests are equal up to case and white space.

    Returns:
        The samples of each group, by their request in lower case with single spaces.
    """
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(" ".join(sample.request.casefold().split()), []).append(sample)
    return groups


def read_samples(path: str | Path) -> list[Sample]:
    """Reads samples in their order.

    Raises:
        StudyError: The file does not hold samples.
    """
    samples = read_lines_as(path, Sample)
    with reading(path):
        for sample in samples:
            f"{sample.request}{sample.output}".encode()  # half a surrogate pair is no text; the split drops it
    return samples


def read_part(path: str, split: str) -> list[Sample]:
    """Reads the samples of one part of a split, in their order.

    Args:
        path: The part's file, which has the part's name.
        split: The facts of the split, split.json.

    Raises:
        StudyError: The samples are not those that the split wrote.
    """
    samples = read_samples(path)
    part = Path(path).stem
    recorded = read_as(split, SplitFacts).sha256
    check_recorded({part: sha256_of_samples(samples)}, recorded, {part: path}, split)
    return samples


def rows_of(samples: Iterable[Sample]) -> Iterator[Row]:
    """Returns samples as rows of a file; those of one turn, or without unit tests, have no field for more."""
    for sample in samples:
        yield _row_of(sample)


def _row_of(one: Sample | PublishedRecord) -> Row:
    row = {key: value for key, value in vars(one).items() if value is not None}
    return row | {"problem": declared(one.problem)} if one.problem else row


def sha256_of_samples(samples: Iterable[Sample]) -> str:
    """Returns the SHA-256 of samples, which does not depend on the file's layout."""
    return sha256_of_list(rows_of(samples))


def choose_subset(ids: list[int], count: int) -> set[int]:
    """Chooses `count` samples at random with a fixed seed; all if there are fewer.

    Args:
        ids: Ids of all samples.
        count: Size of the subset.

    Returns:
        The ids of the chosen samples.
    """
    return set(random.Random(SUBSET_SEED).sample(sorted(ids), min(count, len(ids))))


def sha256_of_records(records: Iterable[Row]) -> str:
    """Returns the SHA-256 of the records' fields in their order, which does not depend on the file's layout."""
    return sha256_of_list(
        [*(record[field] for field in FIELDS), *(record[more] for more in ("earlier", "problem") if record.get(more))]
        for record in records
    )


def check_imported(records: str, facts: str) -> ImportFacts:
    """Checks that records are still those that were imported.

    Args:
        records: Path of the records, as JSON lines.
        facts: Path of the facts of their import.

    Returns:
        These facts.

    Raises:
        StudyError: The records have changed since.
    """
    digest = sha256_of_records(map(_row_of, iterate_lines_as(records, PublishedRecord)))
    imported = read_as(facts, ImportFacts)
    check_recorded({"records": digest}, {"records": imported.sha256}, {"records": records}, facts)
    return imported
