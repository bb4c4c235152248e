"""The facts of a choice of examples."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExampleFacts:
    """data/{data}/examples/{test}/{prompt}/seed{seed}.json: which training samples stand in the prompts of a test set.

    Attributes:
        inputs_sha256: SHA-256 of the training samples, `train_samples`, and of the test samples, `test_samples`.
        signature: Signature of the choice: all that is needed to make it again.
        left_out: Number of training samples that are near-duplicates of a test sample; none is its example.
        tests: Ids of the test samples, in their order.
        examples: For each of them the ids of its examples; the first ones stay where not all fit into a context.
    """

    inputs_sha256: dict[str, str]
    signature: str
    left_out: int
    tests: list[int]
    examples: list[list[int]]
