"""The runs of a study."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """One run of the study; the untuned model is the method without an adapter."""

    dataset: str
    model: str
    method: str
    seed: int
    tuned: bool
