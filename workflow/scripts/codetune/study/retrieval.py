"""retrieval.json: facts of predictions that no model made."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RetrievalFacts:
    """retrieval.json: what predictions that are outputs of training samples were found in, and how.

    Attributes:
        inputs_sha256: SHA-256 of the training samples and of the test samples.
        predictions_sha256: SHA-256 of the predictions.
        training_samples: Number of samples that were searched.
        predictions: Number of predictions.
        signature: Signature of the search: all that is needed to find the same samples.
        found: Ids of the training samples that were found, in the order of the predictions.
    """

    inputs_sha256: dict[str, str]
    predictions_sha256: str
    training_samples: int
    predictions: int
    signature: str
    found: list[int]
