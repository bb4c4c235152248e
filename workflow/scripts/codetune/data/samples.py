"""Samples of an instruction data set."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from codetune.base.files import read_jsonl

PARTS = ("train", "validation", "test")
SUBSET_SEED = 0  # one subset for all models, checkpoints and seeds


@dataclass(frozen=True)
class Sample:
    """One instruction with its reference code.

    Attributes:
        id: 0-based number of the record in the data set as published.
        instruction: The task.
        input: What the task is applied to; often empty.
        output: The reference completion.
    """

    id: int
    instruction: str
    input: str
    output: str

    @property
    def request(self) -> str:
        """What the user asks: x in the paper's section 3.2."""
        return f"{self.instruction}\n{self.input}" if self.input else self.instruction


def by_request(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """Groups of samples that ask the same: their requests are equal up to case and white space."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(" ".join(sample.request.casefold().split()), []).append(sample)
    return groups


def read_samples(path: str | Path) -> list[Sample]:
    """Reads one part of a split."""
    return [Sample(**row) for row in read_jsonl(path)]


def choose_subset(ids: list[int], count: int) -> set[int]:
    """A seeded choice of samples; all of them where there are fewer."""
    return set(random.Random(SUBSET_SEED).sample(sorted(ids), min(count, len(ids))))
