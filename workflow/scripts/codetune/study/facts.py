"""What the jobs that compute write beside their results; the record of a run gathers it."""

from dataclasses import dataclass

from codetune.base.identity import CheckpointIdentity
from codetune.base.machine import Environment, PeakMemory
from codetune.study.decoding import Decoding
from codetune.study.method import Quantization
from codetune.study.training import TrainingPlan


@dataclass(frozen=True)
class Touched:
    """Records that the cleaning dropped or changed for one reason: how many, and their numbers."""

    count: int
    records: list[int]


@dataclass(frozen=True)
class DuplicateRequests:
    """Samples that ask the same: how many, in how many groups, and what was done with them."""

    samples: int
    groups: int
    handling: str


@dataclass(frozen=True)
class NearDuplicates:
    """Samples that share most of their tokens.

    Attributes:
        threshold: Jaccard similarity from which two samples are near-duplicates.
        samples: How many samples have one.
        groups: Their ids, group by group.
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
    """split.json: how a data set was cleaned and divided.

    Attributes:
        dataset: Its name.
        records: Number of records as published.
        records_sha256: Hash of the canonical records.
        touched: What the cleaning dropped or changed, by reason.
        duplicate_requests: Samples that ask the same.
        near_duplicates: Samples that are nearly the same.
        shares: Share of each part, as the config says.
        seed: Of the shuffle.
        sha256: Hash of the samples of each part.
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


@dataclass(frozen=True)
class PackedData:
    """The training data as packed: sequences, tokens, and the share of the sequences' room that holds tokens."""

    packed_sequences: int
    tokens: int
    packing_fill: float


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended.

    Attributes:
        steps: Optimizer steps that were done.
        planned_steps: Steps of all epochs.
        best_step: The step whose checkpoint is kept.
        best_validation_loss: There, in nats per token.
        stopped_early: Whether the patience ended it.
        checkpoints: The steps after which a checkpoint was kept.
    """

    steps: int
    planned_steps: int
    best_step: int
    best_validation_loss: float
    stopped_early: bool
    checkpoints: list[int]


@dataclass(frozen=True)
class TrainingCost:
    """What a training used, over all attempts.

    Attributes:
        seconds: Evaluations included.
        evaluation_seconds: Evaluations alone.
        tokens_per_second: While training.
        micro_batch: Packed sequences that were computed at once in the end.
        peak_memory: The most memory in use.
        energy_joules: Of the GPU; None where it is not measured.
    """

    seconds: float
    evaluation_seconds: float
    tokens_per_second: float
    micro_batch: int
    peak_memory: PeakMemory
    energy_joules: float | None = None


@dataclass(frozen=True)
class TrainingFacts:
    """training.json: what a training was computed from and with, how it ended, and what it cost.

    Attributes:
        plan: All settings.
        checkpoint: The base model.
        inputs_sha256: Hashes of the token sets.
        trainable_parameters: Their number; they are held in float32.
        attention: Name of the attention kernel.
        deterministic: Whether every kernel of a step is.
        data: The packed training data.
        result: How it ended.
        cost: What it used.
        environment: Machine and versions.
    """

    plan: TrainingPlan
    checkpoint: CheckpointIdentity
    inputs_sha256: dict[str, str]
    trainable_parameters: int
    attention: str
    deterministic: bool
    data: PackedData
    result: TrainingResult
    cost: TrainingCost
    environment: Environment


@dataclass(frozen=True)
class GenerationFacts:
    """generation.json: what predictions were computed from and with.

    Attributes:
        decoding: Settings of the decoding.
        quantization: Of the frozen weights.
        checkpoint: The base model.
        inputs_sha256: Hashes of the prompts and of the adapter.
        prompts: How many.
        tokens: Tokens generated.
        attention: Name of the attention kernel.
        weights: In what the weights were held while decoding.
        truncated: Number of completions that the limit on new tokens cut off.
        most_prompts_at_once: How many prompts were decoded at once in the end.
        seconds: Time of decoding, over all attempts.
        peak_memory: The most memory in use.
        environment: Machine and versions.
    """

    decoding: Decoding
    quantization: Quantization
    checkpoint: CheckpointIdentity
    inputs_sha256: dict[str, str]
    prompts: int
    tokens: int
    attention: str
    weights: str
    truncated: int
    most_prompts_at_once: int
    seconds: float
    peak_memory: PeakMemory
    environment: Environment


@dataclass(frozen=True)
class ScoredPart:
    """Some of the test samples: how many, and their score by each metric, None where it applies to none of them."""

    samples: int
    scores: dict[str, float | None]


@dataclass(frozen=True)
class Summary:
    """summary.json: the scores of one run on one test set.

    Attributes:
        samples: Number of test samples.
        scores: By each metric, None where it applies to no sample.
        signatures: Of each metric: what else a reader has to know to get the same numbers.
        truncated: Share of the predictions that the limit on new tokens cut off.
        empty: Share of the predictions without text.
        length_ratio: Characters of all predictions over those of all references.
        leaked: Test samples with a near-duplicate in train or validation.
        scores_without_leaked: Scores of all other samples; None where there are no others.
        by_language: The same by language.
        by_length: The same by length of the reference.
    """

    samples: int
    scores: dict[str, float | None]
    signatures: dict[str, str]
    truncated: float
    empty: float
    length_ratio: float
    leaked: int
    scores_without_leaked: dict[str, float | None] | None
    by_language: dict[str, ScoredPart]
    by_length: dict[str, ScoredPart]
