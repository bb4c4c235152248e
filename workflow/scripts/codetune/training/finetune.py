"""Rule finetune: one model's training, its outputs, and the facts of it."""

import math
from dataclasses import dataclass
from pathlib import Path

from codetune.base.files import atomic, link_or_copy, read_json, reading, write_json, write_jsonl
from codetune.base.identity import CheckpointIdentity, checkpoint_identity
from codetune.base.machine import environment, peak_memory
from codetune.base.manifests import checked_folder, write_manifest
from codetune.base.plain import to_plain
from codetune.base.unfinished import content_of, unfinished_work
from codetune.methods.tuning import make_tuning
from codetune.models.architecture import check_decoder_is_trained
from codetune.models.cpu import prepare_cpu
from codetune.models.device import set_determinism
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.tokensets import check_tokens, check_vocabulary, read_tokens
from codetune.study.facts import PackedData, TrainingCost, TrainingFacts, TrainingResult
from codetune.study.search import DivergedFacts
from codetune.study.training import TrainingPlan
from codetune.study.tunings import implementation_of
from codetune.training.batches import count_tokens
from codetune.training.build import TrainingTokens, make_trainer
from codetune.training.history import log_rows
from codetune.training.outcome import Diverged, learning_rate_of, problem_of, untrained_loss
from codetune.training.progress import expected_time
from codetune.training.states import has_state
from codetune.training.tracking import NO_TRACKING, Tracking
from codetune.training.trainer import ResumableTrainer


@dataclass(frozen=True)
class FinetuneInputs:
    """What a fine-tuning reads.

    Attributes:
        train: Token set.
        validation: Token set, for early stopping only.
        stats: The statistics that came with the token sets.
        checkpoint: Manifest of the base model's folder.
    """

    train: str
    validation: str
    stats: str
    checkpoint: str


@dataclass(frozen=True)
class FinetuneOutputs:
    """What a fine-tuning writes.

    Attributes:
        tuned: Manifest of the folder of the best checkpoint: an adapter, or a whole model.
        checkpoints: Manifest of the folder with the checkpoints that are kept of the evaluations', `step-<n>`.
        log: Training log, JSON lines.
        facts: What the training was computed from and with, and how it ended, JSON.
        work: Folder of unfinished work, removed in the end.
        checkpoints_gb: Most GB of the checkpoints that are kept.
        tracking: What the training reports to while it runs.
    """

    tuned: str
    checkpoints: str
    log: str
    facts: str
    work: str
    checkpoints_gb: float = math.inf
    tracking: Tracking = NO_TRACKING


def finetune(
    inputs: FinetuneInputs, outputs: FinetuneOutputs, plan: TrainingPlan, code: str, is_trial: bool = False
) -> None:
    """Fine-tunes one model and writes its best checkpoint, those of all evaluations, the log and the facts.

    If an earlier attempt at the same training was killed, this one resumes from what it saved last, and ends with the
    same bytes as a training that was not disturbed.

    Args:
        inputs: Paths to read.
        outputs: Paths to write.
        plan: The settings.
        code: Hash of the code; what other code left unfinished is not used.
        is_trial: Whether others are trained beside this one, and the best is chosen: that it diverged is then noted.

    Raises:
        StudyError: The checkpoint cannot be loaded or lacks what is to be trained, no attention keeps packed samples
            apart, or one sequence does not fit into memory.
        Diverged: The training diverged, and is no trial.
        Stopped: The process was asked to end; the training done so far is saved.
    """
    set_determinism(plan.seed)
    rate = prepare_cpu(plan.quantization.compute_dtype)
    hashes = check_tokens(inputs.stats, train=inputs.train, validation=inputs.validation)
    checkpoint = checked_folder(inputs.checkpoint)
    origin = checkpoint_identity(checkpoint)
    identity = {"plan": to_plain(plan), "data": hashes, "checkpoint": to_plain(origin), "code": code}
    identity["packages"] = environment().packages
    with unfinished_work(outputs.work, identity) as work:
        outputs.tracking.prepare(resumes=has_state(work))
        parts = read_tokens(inputs.train), read_tokens(inputs.validation)
        tokens = TrainingTokens(*parts, _completion_bytes(inputs.stats))
        check_decoder_is_trained(checkpoint, plan.tuning)
        base = make_tuning(plan.tuning).load_base(checkpoint, plan.quantization, plan.settings.precision)
        check_vocabulary(tokens.train, base, inputs.train)
        check_vocabulary(tokens.validation, base, inputs.validation)
        budget, tracking = outputs.checkpoints_gb * 1e9, outputs.tracking
        trainer = make_trainer(base, load_tokenizer(checkpoint), tokens, work, plan, budget, tracking)
        if rate:
            _print_expected_time(trainer, base.num_parameters(), plan, rate)
        if diverged := _train(trainer, is_trial):
            _write_diverged(trainer, outputs, plan, hashes, diverged)
            return
        tuned = _write_checkpoints(trainer, outputs, implementation_of(plan.tuning).weights)
        write_jsonl(outputs.log, log_rows(trainer.state.log_history))
        facts = _facts(trainer, plan, origin, hashes, tuned)
        write_json(outputs.facts, to_plain(facts))
    _print_result(facts.result)


def _train(trainer: ResumableTrainer, is_trial: bool) -> str | None:
    """Trains to the end. Of a trial, says in words that it diverged, which ends any other training."""
    try:
        trainer.run()
    except Diverged as error:
        if not is_trial:
            raise
        print("this trial of the search diverged: no validation loss is a number", flush=True)
        return str(error)
    return None


def _write_diverged(
    trainer: ResumableTrainer, outputs: FinetuneOutputs, plan: TrainingPlan, hashes: dict[str, str], diverged: str
) -> None:
    """Writes what there is of a trial that diverged: log and facts, beside folders in which nothing is."""
    for manifest in (outputs.checkpoints, outputs.tuned):
        with atomic(Path(manifest).parent) as folder:
            folder.mkdir()
            write_manifest(folder)
    write_jsonl(outputs.log, log_rows(trainer.state.log_history))
    spent = trainer.meter.spent().seconds
    facts = DivergedFacts(plan, hashes, diverged, steps=trainer.state.global_step, seconds=spent)
    write_json(outputs.facts, to_plain(facts))


def _print_expected_time(trainer: ResumableTrainer, parameters: int, plan: TrainingPlan, rate: float) -> None:
    tokens = plan.settings.epochs * count_tokens(trainer.train_dataset)
    trained = sum(parameter.numel() for parameter in trainer.trainable())
    print(expected_time(parameters, tokens, rate, plan.memory.gradient_checkpointing, trained), flush=True)


def _print_result(result: TrainingResult) -> None:
    before = "not finite" if result.untrained_validation_loss is None else f"{result.untrained_validation_loss:.4f}"
    best = f"best validation loss {result.best_validation_loss:.4f} at step {result.best_step} of {result.steps}"
    print(f"{best}, untrained {before}")
    if result.problem:
        print(
            f"warning: this training diverged, or did not lower the validation loss ({result.problem}). Its result is "
            "kept, and its scores are marked. Change 'training.learning_rate' in the config."
        )


def _completion_bytes(stats: str) -> int:
    """Bytes of the text of all validation completions, as far as they were kept."""
    with reading(stats):
        return int(read_json(stats)["parts"]["validation"]["bytes_of_completions"])


def _write_checkpoints(trainer: ResumableTrainer, outputs: FinetuneOutputs, weights: str) -> str:
    """Puts the checkpoints that are kept into place, and the best of them, without a second copy, as the result.

    Returns:
        SHA-256 of the weights of the best.
    """
    checkpoints = Path(outputs.checkpoints).parent
    with atomic(checkpoints) as folder:
        for step in trainer.states.kept:
            kept = trainer.states.checkpoint(step)
            (folder / kept.name).mkdir(parents=True)
            for file in content_of(kept):
                link_or_copy(file, folder / kept.name / file.name)
        write_manifest(folder)
    best = trainer.states.checkpoint(trainer.state.best_global_step).name
    with atomic(Path(outputs.tuned).parent) as folder:
        folder.mkdir()
        for file in (checkpoints / best).iterdir():
            link_or_copy(file, folder / file.name)
        return write_manifest(folder).files[weights].sha256


def _facts(
    trainer: ResumableTrainer, plan: TrainingPlan, origin: CheckpointIdentity, hashes: dict[str, str], tuned: str
) -> TrainingFacts:
    state, sequences = trainer.state, len(trainer.train_dataset)
    tokens = count_tokens(trainer.train_dataset)
    capacity = sequences * plan.settings.max_length * (2 if trainer.model.config.is_encoder_decoder else 1)
    return TrainingFacts(
        plan=plan,
        checkpoint=origin,
        inputs_sha256=hashes,
        tuned_sha256=tuned,
        trainable_parameters=sum(parameter.numel() for parameter in trainer.trainable()),
        adapted=trainer.tuning.layers(trainer.model),
        attention=trainer.model.config._attn_implementation,
        deterministic=trainer.deterministic,
        data=PackedData(sequences, tokens, round(tokens / capacity, 4), **trainer.cut),
        result=TrainingResult(
            steps=state.global_step,
            planned_steps=state.max_steps,
            best_step=state.best_global_step,
            best_validation_loss=state.best_metric,
            stopped_early=state.global_step < state.max_steps,
            checkpoints=trainer.states.kept,
            untrained_validation_loss=untrained_loss(state.log_history),
            problem=problem_of(state.log_history, state.best_metric),
            best_learning_rate=learning_rate_of(state.log_history, state.best_global_step),
        ),
        cost=_cost(trainer, tokens),
        environment=environment(),
    )


def _cost(trainer: ResumableTrainer, tokens: int) -> TrainingCost:
    spent = trainer.meter.spent()
    seconds = max(spent.seconds - spent.evaluation_seconds, 0.1)  # rounded, a short training's are 0
    return TrainingCost(
        seconds=spent.seconds,
        evaluation_seconds=spent.evaluation_seconds,
        tokens_per_second=round((trainer.state.epoch or 0.0) * tokens / seconds, 1),
        micro_batch=trainer.limit.rows,
        peak_memory=peak_memory(),
        energy_joules=spent.joules or None,
    )
