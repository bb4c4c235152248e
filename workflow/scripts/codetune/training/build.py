"""The trainer of a training plan."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import set_seed
from trl import SFTConfig

from codetune.base.errors import StudyError
from codetune.base.progress import doing
from codetune.methods.trained import trained_parameters
from codetune.methods.tuning import make_tuning
from codetune.models.architecture import read_kind
from codetune.models.context import context_of
from codetune.models.device import device
from codetune.models.memory import RowLimit
from codetune.models.patches import compute_labelled_logits_only
from codetune.prompts.packing import steps_between_evaluations, steps_per_epoch
from codetune.prompts.text_bytes import bytes_of_text
from codetune.prompts.tokensets import TokenSample, with_room
from codetune.study.soft_prompts import PREFIXES
from codetune.study.training import TrainingPlan, TrainingSettings
from codetune.training.attention import choose_attention
from codetune.training.batches import collate, collate_apart, lay_apart, pack_samples
from codetune.training.cost import CostMeter
from codetune.training.loss import use_rowwise_loss
from codetune.training.seq2seq import score_targets
from codetune.training.states import States
from codetune.training.tracking import NO_TRACKING, Tracking
from codetune.training.trainer import ResumableTrainer
from codetune.training.trial import try_loss
from codetune.training.validation import Validation

# The optimizers by the names that transformers has for them. Its Adafactor takes the learning rate as it is
# (scale_parameter, relative_step and warmup_init off) and has no first moment; its 8-bit AdamW is bitsandbytes', with
# the moments of embeddings, and of parameters of fewer than 4,096 numbers, in fp32.
OPTIMIZERS = {"adamw": "adamw_torch", "adafactor": "adafactor", "adamw_8bit": "adamw_8bit"}


@dataclass(frozen=True)
class TrainingTokens:
    """The data of a training.

    Attributes:
        train: Samples to train on.
        validation: Samples of the validation loss.
        completion_bytes: Bytes of the text of all validation completions, as far as they were kept.
        cut: How many samples to train on were truncated and how many dropped to make room for virtual tokens.
    """

    train: list[TokenSample]
    validation: list[TokenSample]
    completion_bytes: int
    cut: Mapping[str, int] = field(default_factory=dict)

    def behind(self, virtual_tokens: int, most: int, tokenizer: Any) -> "TrainingTokens":
        """The data with virtual tokens before each sample, all as they are if there are none.

        Args:
            virtual_tokens: Their number.
            most: Most tokens of a sample, virtual ones included. Samples are truncated or dropped as they were when
                they were tokenised.
            tokenizer: The model's tokenizer.

        Raises:
            StudyError: No sample of a part is left.
        """
        if not virtual_tokens:
            return self
        (train, cut), (validation, _) = (
            with_room(part, virtual_tokens, most) for part in (self.train, self.validation)
        )
        if not train or not validation:
            raise StudyError(
                f"{virtual_tokens} virtual tokens leave no room for a sample in {most} tokens. Lower the method's "
                "'num_virtual_tokens', or raise 'tokenization.max_length' in the config."
            )
        return TrainingTokens(train, validation, bytes_of_text([one.completion for one in validation], tokenizer), cut)


def make_trainer(
    base: Any,
    tokenizer: Any,
    tokens: TrainingTokens,
    work: Path,
    plan: TrainingPlan,
    budget: float = math.inf,
    tracking: Tracking = NO_TRACKING,
) -> ResumableTrainer:
    """Makes trainable what the plan's tuning trains of a base model, and makes the trainer that trains it.

    Args:
        base: The base model as the tuning loads it; it gets an attention for packed samples.
        tokenizer: Its tokenizer.
        tokens: The data.
        work: Folder of unfinished work.
        plan: The settings.
        budget: Most bytes of the checkpoints that are kept.
        tracking: What the training reports to.

    Raises:
        StudyError: The model lacks what is to be trained, or a trial shows that it would not be trained as it should.
    """
    tuning, settings = make_tuning(plan.tuning), plan.settings
    dtype = getattr(torch, plan.quantization.compute_dtype)
    _prepare(base, tokens.train, dtype)
    tokens = tokens.behind(tuning.virtual_tokens(base), _longest(base, settings.max_length), tokenizer)
    train, validation = (_sequences(part, base, settings) for part in (tokens.train, tokens.validation))
    epoch = steps_per_epoch(len(train), settings.batch_size)
    set_seed(plan.seed)  # first values follow from it alone, whatever was drawn before
    model = tuning.attach(base, plan.source, epoch * settings.epochs)
    values = {name: one.data for name, one in trained_parameters(model).items()}
    trainer = ResumableTrainer(
        States(work, budget),
        tuning,
        _validation(tokens.completion_bytes, epoch, settings),
        CostMeter(),
        RowLimit(plan.memory.micro_batch, "sequences", remedy_of(plan), _effect_of_dividing(tuning.uses_dropout)),
        model=model,
        args=_arguments(plan, work, tracking),
        train_dataset=train,
        eval_dataset=validation,
        processing_class=tokenizer,
        data_collator=collate_apart if base.config.is_encoder_decoder else collate,
    )
    trainer.cut = tokens.cut
    _restore(trainer, values, settings.precision)
    _score(trainer, base, tokens.train, dtype)
    return trainer


def _score(trainer: ResumableTrainer, base: Any, train: list[TokenSample], dtype: torch.dtype) -> None:
    """Sees to it that the loss is the model's: an encoder-decoder's by its own logits, and others' by a trial."""
    if base.config.is_encoder_decoder:
        score_targets(base)
        return
    with doing("trial of the loss"):
        try_loss(trainer.model, train, dtype)


def _sequences(samples: list[TokenSample], base: Any, settings: TrainingSettings) -> Dataset:
    """The samples as training sequences of a model."""
    if not base.config.is_encoder_decoder:
        return pack_samples(samples, settings.capacity)
    if settings.packing:
        kind = read_kind(base.config.name_or_path)
        raise StudyError(
            f"{base.config.name_or_path}: the inputs of this {kind} cannot be packed. Add 'kind: {kind}' to its entry "
            "in the config, and 'packing: false' to its 'training'."
        )
    return lay_apart(samples)


def _prepare(base: Any, train: list[TokenSample], dtype: torch.dtype) -> None:
    """Makes the libraries compute what a training needs, and gives a model of packed samples an attention for them."""
    if base.config.is_encoder_decoder:
        return
    compute_labelled_logits_only()
    if device() == "cpu":
        use_rowwise_loss()
    with doing("choice of the attention"):
        choose_attention(base, train, dtype)


def _validation(completion_bytes: int, epoch: int, settings: TrainingSettings) -> Validation:
    """When the validation loss is measured, in epochs of so many steps."""
    interval = steps_between_evaluations(epoch, settings.evaluations_per_epoch)
    return Validation(completion_bytes, interval, settings.patience)


def _longest(model: Any, max_length: int) -> int:
    """Most tokens of a sample."""
    context = context_of(model.config)
    return max_length if context is None else min(max_length, context)


def _restore(trainer: ResumableTrainer, values: Mapping[str, torch.Tensor], precision: str) -> None:
    """Puts the trained parameters back into the precision of the training.

    TRL casts those beside quantised weights to bf16, where rounding would lose most updates at the end of a cosine
    schedule. What it made of LoRA's first values stays, which are random. All others get theirs back: a copy of a whole
    layer or a rotation has to begin with what the model computes without it.

    Args:
        trainer: As it was made.
        values: The parameters' values before that, by name.
        precision: Type of the trained parameters.
    """
    for name, parameter in trained_parameters(trainer.model).items():
        value = parameter.data if "lora_" in name else values[name]
        parameter.data = value.to(getattr(torch, precision))


def remedy_of(plan: TrainingPlan) -> str:
    """What to change where one sequence does not fit into memory."""
    if plan.memory.gradient_checkpointing or plan.tuning.type in PREFIXES:  # which cannot be trained with it
        return "Set a lower 'max_length' for all models in the config, or take a larger GPU."
    return "Set 'gradient_checkpointing: true' for this model in the config, or a lower 'max_length' for all."


def _effect_of_dividing(dropout: bool) -> str:
    """What a training's log says when micro-batches become smaller."""
    if not dropout:
        return "From here on sums are rounded in another order"
    return "From here on dropout draws other masks, so the result differs from that of a run with enough memory"


def _schedule(settings: TrainingSettings) -> str:
    """The schedule by the library's name; its constant one has no warm-up."""
    return "constant_with_warmup" if settings.schedule == "constant" and settings.warmup_steps else settings.schedule


def _arguments(plan: TrainingPlan, work: Path, tracking: Tracking) -> SFTConfig:
    """The plan in the library's words. The trainer itself evaluates and saves."""
    settings, memory = plan.settings, plan.memory
    return SFTConfig(
        output_dir=str(work),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=memory.micro_batch,
        per_device_eval_batch_size=memory.micro_batch,
        gradient_accumulation_steps=settings.batch_size // memory.micro_batch,
        gradient_checkpointing=memory.gradient_checkpointing,  # TRL's default is True
        optim=OPTIMIZERS[settings.optimizer],
        learning_rate=settings.learning_rate,
        lr_scheduler_type=_schedule(settings),
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        bf16=plan.quantization.compute_dtype == "bfloat16",
        use_cpu=device() == "cpu",
        seed=plan.seed,
        data_seed=plan.seed,
        dataset_kwargs={"skip_prepare_dataset": True},
        dataloader_pin_memory=False,
        eval_strategy="no",
        save_strategy="no",
        logging_nan_inf_filter=False,  # it would log a loss of 0 where there is none
        logging_steps=1,  # a running mean over several steps would be lost with the process
        disable_tqdm=True,
        report_to=tracking.report_to,
        run_name=tracking.name,
    )
