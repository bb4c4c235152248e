"""The facts of a choice of examples, of the vectors that it may be made by, and of their number."""

from dataclasses import dataclass

from codetune.base.identity import CheckpointIdentity


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


@dataclass(frozen=True)
class EmbeddingFacts:
    """data/{dataset}/embeddings/{encoder}/{part}.json: how the vectors beside it were made.

    Attributes:
        encoder: Name of the encoder in the config.
        checkpoint: The encoder's files as they were used.
        inputs_sha256: SHA-256 of the samples, `samples`.
        vectors_sha256: SHA-256 of the file of vectors.
        signature: Signature of the vectors: all that is needed to make them again, but the requests.
        samples: Number of samples; each has a vector, in their order.
        dimension: Numbers per vector.
        truncated: Number of samples whose request is longer than the encoder reads, so that its end does not count.
    """

    encoder: str
    checkpoint: CheckpointIdentity
    inputs_sha256: dict[str, str]
    vectors_sha256: str
    signature: str
    samples: int
    dimension: int
    truncated: int


@dataclass(frozen=True)
class CountTrial:
    """One number of examples, tried on the validation part.

    Attributes:
        method: Name of the trial, `<method>@<count>`, under which its files lie.
        count: The number.
        score: Score of its predictions; None where the metric applies to no sample.
        summary_sha256: SHA-256 of its summary.json.
    """

    method: str
    count: int
    score: float | None
    summary_sha256: str


@dataclass(frozen=True)
class CountFacts:
    """count.json: the numbers of examples that were tried on the validation part, and which of them a run has.

    Attributes:
        metric: Name of the metric.
        signature: Its signature.
        samples: Number of validation samples.
        trials: The trials, the one with the fewest examples first.
        chosen: The number with the best score, the smallest of them if several have it.
    """

    metric: str
    signature: str
    samples: int
    trials: list[CountTrial]
    chosen: int
