"""The samples whose requests are most similar to others, by the cosine of their vectors. Needs no torch."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codetune.base.errors import StudyError
from codetune.base.files import MADE_AGAIN, reading, sha256_of_file
from codetune.base.identity import check_recorded
from codetune.base.plain import read_as
from codetune.data.samples import Sample, sha256_of_samples
from codetune.study.examples import EmbeddingFacts

BLOCK = 256  # test samples whose similarities are in memory together: 16 MB for 16,000 training samples
DECIMALS = 6  # of a similarity; what is beyond is rounding, by which equal requests may differ
Vectors = NDArray[np.float32]


def read_vectors(vectors: str, facts: str, samples: Sequence[Sample]) -> tuple[Vectors, EmbeddingFacts]:
    """Reads the vectors of samples, and how they were made.

    Args:
        vectors: Path of the vectors.
        facts: Path of their facts.
        samples: The samples that they have to be of, in this order.

    Raises:
        StudyError: The files are damaged, do not belong together, or are of other samples.
    """
    known = read_as(facts, EmbeddingFacts)
    check_recorded(
        {Path(vectors).name: sha256_of_file(vectors)},
        {Path(vectors).name: known.vectors_sha256},
        {Path(vectors).name: vectors},
        facts,
    )
    with reading(vectors):
        found = np.load(vectors, allow_pickle=False)
    if known.inputs_sha256.get("samples") != sha256_of_samples(samples):
        raise StudyError(f"{facts}: the vectors are of other samples. {MADE_AGAIN}")
    if found.dtype != np.float32 or found.shape != (len(samples), known.dimension):
        raise StudyError(
            f"{vectors}: {found.dtype} {found.shape}, not float32 {(len(samples), known.dimension)}, as {facts} says. "
            f"{MADE_AGAIN}"
        )
    return found, known


def dense_signature(train: EmbeddingFacts, test: EmbeddingFacts, origin: str) -> str:
    """Returns all that is needed to find the same samples, as one line.

    Args:
        train: Facts of the vectors of training samples.
        test: Facts of those of test samples.
        origin: Path of the latter, for the message.

    Raises:
        StudyError: The two were made in different ways, so that they cannot be compared.
    """
    if test.signature != train.signature:
        raise StudyError(
            f"{origin}: made by {test.signature}, but the training samples' vectors by {train.signature}. Delete both "
            "and run again."
        )
    return f"cosine|decimals:{DECIMALS}|ties:first|{train.signature}"


def rank_by_vectors(train: Vectors, test: Vectors) -> Iterator[list[int]]:
    """Yields for each test sample the places of all training samples, the most similar first.

    Args:
        train: Vectors of the training samples, of length 1.
        test: Vectors of the test samples.
    """
    for start in range(0, len(test), BLOCK):
        similar = np.round(test[start : start + BLOCK] @ train.T, DECIMALS)
        for row in similar:
            yield np.argsort(-row, kind="stable").tolist()
