"""curve.json: the scores of a training's checkpoints."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CurveScore:
    """A checkpoint's score by one metric.

    Attributes:
        score: Over all samples of the curve; None where the metric applies to none of them.
        interval: The score's bootstrap interval, from its lower to its upper end; None where the metric applies to
            fewer than six of the samples.
        gain: Its score less that of step 0; None where one of them has none, and in files of earlier versions.
        gain_interval: The gain's bootstrap interval, which is paired: each resample of the samples gives both scores.
    """

    score: float | None
    interval: list[float] | None
    gain: float | None = None
    gain_interval: list[float] | None = None


@dataclass(frozen=True)
class CurvePoint:
    """One checkpoint.

    Attributes:
        step: Optimizer steps; 0 for the untuned model.
        truncated: Share of its predictions that the limit on new tokens cut off.
        scores: Its scores by the metrics' names.
    """

    step: int
    truncated: float
    scores: dict[str, CurveScore]


@dataclass(frozen=True)
class Curve:
    """A training's curve.

    Attributes:
        samples: Ids of the validation samples, in ascending order; the same for all models, methods and seeds.
        points: The checkpoints in the order of their steps.
    """

    samples: list[int]
    points: list[CurvePoint]
