"""leaks/<dataset>/<test>.json: the test samples that some training data give away."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Leak:
    """A test sample that leaks.

    Attributes:
        id: Its id in the test set.
        part: Where it is found first, `train` or `validation`.
        like: Id of the first sample there that has the same request, or is a near-duplicate by a chain of such pairs.
    """

    id: int
    part: str
    like: int


@dataclass(frozen=True)
class LeakFacts:
    """leaks/<dataset>/<test>.json: what training data have of a test set.

    Attributes:
        dataset: Name of the training data.
        test: Name of the test set.
        threshold: Least Jaccard similarity of two near-duplicates.
        samples_sha256: SHA-256 of the samples of `train` and `validation`, and of the `test` samples.
        samples: Number of test samples.
        leaked: Those that leak, in the order of the test set.
    """

    dataset: str
    test: str
    threshold: float
    samples_sha256: dict[str, str]
    samples: int
    leaked: list[Leak]

    @property
    def ids(self) -> list[int]:
        """Ids of the test samples that leak."""
        return [one.id for one in self.leaked]
