"""What rule finetune leaves, made up: log, facts and checkpoints of the real size and shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codetune.base.files import Row, read_json, write_json, write_jsonl
from codetune.base.identity import checkpoint_identity
from codetune.base.machine import PeakMemory
from codetune.base.manifests import checked_folder
from codetune.base.plain import read_as, to_plain
from codetune.prompts.packing import steps_per_epoch
from codetune.prompts.sequences import sequences_and_tokens
from codetune.prompts.tokensets import check_tokens
from codetune.rehearsal.histories import made_up_history
from codetune.rehearsal.machines import made_up_environment, memory_of, speed_of
from codetune.rehearsal.weights import Weights, shapes_of
from codetune.study.facts import PackedData, TrainingCost, TrainingFacts, TrainingResult
from codetune.study.model import CONFIG, Model
from codetune.study.runs import Run
from codetune.study.sizes import SizeFacts
from codetune.study.training import TrainingPlan
from codetune.study.tunings import virtual_tokens_of
from codetune.training.history import evaluated_steps
from codetune.training.outcome import learning_rate_of, problem_of, untrained_loss
from codetune.training.thinning import thinned

FOR_EVALUATIONS = 0.04  # share of the time of training steps that evaluations take beside them
WATTS = 230.0  # of a GPU at work


@dataclass(frozen=True)
class TrainingInputs:
    """What a made-up training reads.

    Attributes:
        train: Token set.
        validation: Token set.
        stats: The statistics that came with the token sets.
        checkpoint: Manifest of the folder with the base model's configuration.
        sizes: How many parameters each method trains of the model.
    """

    train: str
    validation: str
    stats: str
    checkpoint: str
    sizes: str


@dataclass(frozen=True)
class TrainingOutputs:
    """What it writes, as rule finetune does.

    Attributes:
        tuned: Manifest of the folder of the best checkpoint.
        checkpoints: Manifest of the folder with the checkpoints that are kept.
        log: Training log, JSON lines.
        facts: Facts of the training, JSON.
    """

    tuned: str
    checkpoints: str
    log: str
    facts: str


def rehearse_training(
    run: Run, model: Model, plan: TrainingPlan, inputs: TrainingInputs, outputs: TrainingOutputs, budget: float
) -> None:
    """Writes what a training would leave.

    Args:
        run: The run, or trial of a search.
        model: The model.
        plan: The settings.
        inputs: Paths to read.
        outputs: Paths to write.
        budget: Most bytes of all checkpoints that are kept.

    Raises:
        StudyError: An input is not what its name says.
    """
    hashes = check_tokens(inputs.stats, train=inputs.train, validation=inputs.validation)
    folder = checked_folder(inputs.checkpoint)
    size = read_as(inputs.sizes, SizeFacts).size_of(plan.tuning)
    packed, tokens, cut = sequences_and_tokens(plan, inputs.stats)
    capacity = plan.settings.max_length * (2 if model.is_encoder_decoder else 1)
    per_epoch = steps_per_epoch(packed, plan.settings.batch_size)
    history = made_up_history(run, model, plan, per_epoch)
    modules, layers = _adapted(plan, read_json(folder / CONFIG))
    weights = Weights(run, plan, shapes_of(size.trainable, layers, modules, virtual_tokens_of(plan.tuning)))
    result = _result(history, plan.settings.epochs * per_epoch, max(2, budget // weights.bytes))
    facts = TrainingFacts(
        plan=plan,
        checkpoint=checkpoint_identity(folder),
        inputs_sha256=hashes,
        tuned_sha256=weights.write_all(outputs.tuned, outputs.checkpoints, result.checkpoints),
        trainable_parameters=size.trainable,
        adapted=dict.fromkeys(modules, layers),
        attention="none",
        deterministic=True,
        data=PackedData(packed, tokens, round(tokens / (packed * capacity), 4), **cut),
        result=result,
        cost=_cost(model, plan, history[-1]["epoch"] * tokens),
        environment=made_up_environment(),
        synthetic=True,
    )
    write_jsonl(outputs.log, history)
    write_json(outputs.facts, to_plain(facts))


def _result(history: Sequence[Row], planned: int, room: float) -> TrainingResult:
    """How a training ended, by its log.

    Args:
        history: The rows of the log.
        planned: Optimizer steps in all epochs.
        room: Most checkpoints that are kept.
    """
    losses = {row["step"]: row["eval_loss"] for row in history if "eval_loss" in row and row["step"] > 0}
    best, last = min(losses, key=losses.__getitem__), history[-1]["step"]
    evaluated = [step for step in evaluated_steps([*history]) if step > 0]
    return TrainingResult(
        steps=last,
        planned_steps=planned,
        best_step=best,
        best_validation_loss=losses[best],
        stopped_early=last < planned,
        checkpoints=sorted(thinned(evaluated, best, room)),
        untrained_validation_loss=untrained_loss(history),
        problem=problem_of(history, losses[best]),
        best_learning_rate=learning_rate_of(history, best),
    )


def _cost(model: Model, plan: TrainingPlan, tokens: float) -> TrainingCost:
    """What a training over some tokens would have cost."""
    speed, memory = speed_of(model, plan), memory_of(model, plan)
    seconds = tokens / speed
    return TrainingCost(
        seconds=round((1 + FOR_EVALUATIONS) * seconds, 1),
        evaluation_seconds=round(FOR_EVALUATIONS * seconds, 1),
        tokens_per_second=round(speed, 1),
        micro_batch=plan.memory.micro_batch,
        peak_memory=PeakMemory("GPU", memory, int(0.9 * memory)),
        energy_joules=round(WATTS * seconds, 1),
    )


def _adapted(plan: TrainingPlan, config: Mapping[str, Any]) -> tuple[list[str], int]:
    """The modules in which something is trained, as far as the settings name them, and the model's layers."""
    modules = plan.tuning.peft.get("target_modules")
    layers = config.get("num_hidden_layers")
    return (sorted(modules), layers) if isinstance(modules, list) and isinstance(layers, int) else ([], 0)
