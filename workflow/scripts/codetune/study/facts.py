"""Facts that computing jobs write beside their results, and that the record of a run gathers."""

from dataclasses import dataclass, field
from typing import Any

from codetune.base.identity import CheckpointIdentity
from codetune.base.machine import Environment, PeakMemory
from codetune.base.plain import declared, to_plain
from codetune.study.decoding import Decoding
from codetune.study.method import Quantization
from codetune.study.training import TrainingPlan

# How `GenerationFacts.weights` says that weights were held quantised while decoding.
FOUR_BITS, EIGHT_BITS = "4 bits", "8 bits"


@dataclass(frozen=True)
class PackedData:
    """The training data after packing.

    Attributes:
        packed_sequences: Number of training sequences.
        tokens: Number of tokens in them.
        packing_fill: Share of the sequences' capacity that holds tokens.
        truncated: Number of samples that were truncated to make room for virtual tokens.
        dropped: Number of samples that were dropped because virtual tokens leave them no room.
    """

    packed_sequences: int
    tokens: int
    packing_fill: float
    truncated: int = 0
    dropped: int = 0


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended.

    Attributes:
        steps: Number of optimizer steps that were done.
        planned_steps: Number of optimizer steps in all epochs.
        best_step: Step with the lowest validation loss, whose checkpoint is the result.
        best_validation_loss: Validation loss at that step, in nats per token.
        stopped_early: Whether early stopping ended the training.
        checkpoints: Steps after which a checkpoint was kept.
        untrained_validation_loss: Validation loss before the first step; None if it is no finite number.
        problem: Why the result may be worth nothing, in words: the best validation loss is not below the untrained
            model's, or a loss or gradient norm of the training is no finite number. None if there is nothing to say.
        best_learning_rate: Learning rate of the best step; None in files of earlier versions.
    """

    steps: int
    planned_steps: int
    best_step: int
    best_validation_loss: float
    stopped_early: bool
    checkpoints: list[int]
    untrained_validation_loss: float | None = None
    problem: str | None = None
    best_learning_rate: float | None = None


@dataclass(frozen=True)
class TrainingCost:
    """What a training cost, over all attempts.

    Attributes:
        seconds: Duration, with evaluations.
        evaluation_seconds: Duration of the evaluations alone.
        tokens_per_second: Throughput without evaluations.
        micro_batch: Packed sequences per forward pass at the end, after any reduction for lack of memory, from which
            on the masks of dropout are others than they would have been.
        peak_memory: The most memory in use.
        energy_joules: Energy that the GPU used; None if it was not measured.
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
        checkpoint: The base model's checkpoint.
        inputs_sha256: SHA-256 of each token set, and of the samples that each was made from.
        tuned_sha256: SHA-256 of the trained weights of the best step.
        trainable_parameters: Number of trainable parameters.
        attention: Name of the attention kernel.
        deterministic: Whether the first micro-batch, computed twice before the first step of each attempt, gave the
            same bytes of loss and gradients, and torch knows a deterministic version of each of its own kernels there.
            The clipping and the optimizer are not tried.
        data: The packed training data.
        result: How the training ended.
        cost: What the training cost.
        environment: Machine and versions.
        adapted: Number of layers in which something is trained, by name of the module.
        synthetic: Whether nothing was trained: a rehearsal made all of this up.
    """

    plan: TrainingPlan
    checkpoint: CheckpointIdentity
    inputs_sha256: dict[str, str]
    tuned_sha256: str
    trainable_parameters: int
    attention: str
    deterministic: bool
    data: PackedData
    result: TrainingResult
    cost: TrainingCost
    environment: Environment
    adapted: dict[str, int] = field(default_factory=dict)
    synthetic: bool = False


@dataclass(frozen=True)
class GenerationFacts:
    """generation.json: what predictions were computed from and with.

    Attributes:
        decoding: Settings of the decoding.
        quantization: Quantisation of the frozen weights.
        checkpoint: The base model's checkpoint.
        inputs_sha256: SHA-256 of the prompts, of the samples that they were made from, and of the trained weights if
            there are any.
        predictions_sha256: SHA-256 of the predictions.
        prompts: Number of prompts.
        tokens: Number of generated tokens.
        attention: Name of the attention kernel.
        weights: How weights were held while decoding: in `4 bits`, in `8 bits`, or in a type such as bfloat16.
        truncated: Number of completions that reached the limit on new tokens or the end of the context.
        most_prompts_at_once: Most prompts per batch at the end, after any reduction for lack of memory.
        seconds: Duration of decoding, over all attempts.
        peak_memory: The most memory in use.
        environment: Machine and versions.
        context: Most tokens of a prompt with its completion, of an encoder-decoder of each; None if the model sets no
            limit.
        cut_by_context: Number of the truncated completions that reached the end of the context.
        prompts_without_room: Number of prompts that fill the context alone; their completions are empty.
        ignored_settings: What else the checkpoint's generation_config.json asks for, such as sampling and penalties.
            Decoding follows none of it.
        synthetic: Whether no model wrote the predictions: a rehearsal made them up.
    """

    decoding: Decoding
    quantization: Quantization
    checkpoint: CheckpointIdentity
    inputs_sha256: dict[str, str]
    predictions_sha256: str
    prompts: int
    tokens: int
    attention: str
    weights: str
    truncated: int
    most_prompts_at_once: int
    seconds: float
    peak_memory: PeakMemory
    environment: Environment
    context: int | None = None
    cut_by_context: int = 0
    prompts_without_room: int = 0
    ignored_settings: dict[str, Any] = field(default_factory=dict)
    synthetic: bool = False

    def to_document(self) -> dict[str, Any]:
        """Returns the JSON document, with what is set of the decoding."""
        return to_plain(self) | {"decoding": declared(self.decoding)}


@dataclass(frozen=True)
class ScoredPart:
    """Scores of some of the test samples.

    Attributes:
        samples: Number of samples.
        scores: Score by each metric; None where the metric applies to none of the samples.
    """

    samples: int
    scores: dict[str, float | None]


@dataclass(frozen=True)
class Summary:
    """summary.json: the scores of one run on one test set.

    Attributes:
        samples: Number of test samples.
        scores_sha256: SHA-256 of the file with the scores of each sample.
        scores: Score by each metric; None where the metric applies to no sample.
        signatures: Signature of each metric: all that is needed, beside its name, to compute the same numbers.
        truncated: Share of the predictions that reached the limit on new tokens or the end of the context.
        empty: Share of the predictions without text.
        length_ratio: Characters of all predictions over characters of all references.
        extracted: Share of the predictions that are not all code: what metrics on code measure is less than the text.
        extracted_by: Number of these predictions by what their code was found by: `fence`, `turn` or `lead-in`.
        length_ratio_on_code: Characters of the code in all predictions over characters of all references.
        by_language: Scores by programming language.
        by_length: Scores by length of the reference.
        unmeasured: Number of samples that a metric applies to but could not measure, because a text is too long or
            the time to measure it has no end; only metrics with such samples.
        without_data_flow: Number of samples whose reference has no data flow, so that their CodeBLEU is the mean of its
            other parts.
        codebleu_of_package: CodeBLEU of all Python samples as the package codebleu totals it, which papers report: a
            data flow of which nothing matches counts as 1, so that empty predictions have 0.25. None without samples.
    """

    samples: int
    scores_sha256: str
    scores: dict[str, float | None]
    signatures: dict[str, str]
    truncated: float
    empty: float
    length_ratio: float
    extracted: float
    extracted_by: dict[str, int]
    length_ratio_on_code: float
    by_language: dict[str, ScoredPart]
    by_length: dict[str, ScoredPart]
    unmeasured: dict[str, int] = field(default_factory=dict)
    without_data_flow: int = 0
    codebleu_of_package: float | None = None
