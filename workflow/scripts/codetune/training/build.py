"""The trainer with the paper's settings."""

import math
from pathlib import Path
from typing import Any

from transformers import PrinterCallback
from trl import SFTConfig

from codetune.methods.adapters import lora_config
from codetune.models.device import device
from codetune.models.memory import RowLimit
from codetune.models.patches import compute_labelled_logits_only
from codetune.prompts.packing import steps_per_epoch
from codetune.prompts.tokensets import TokenSample
from codetune.training.attention import choose_attention
from codetune.training.batches import collate, pack_samples
from codetune.training.progress import Progress
from codetune.training.trainer import QLoraTrainer


def make_trainer(
    base: Any,
    tokenizer: Any,
    tokens: dict[str, list[TokenSample]],
    validation_bytes: int,
    work: Path,
    model: dict[str, Any],
    settings: dict[str, Any],
    seed: int,
) -> "QLoraTrainer":
    """TRL's trainer with the paper's settings, a fresh adapter in fp32, and the study's way of evaluating.

    Raises:
        StudyError: No attention keeps the packed samples apart.
    """
    compute_labelled_logits_only()
    choose_attention(base, tokens["train"])
    sets = {part: pack_samples(samples, settings["max_length"]) for part, samples in tokens.items()}
    epoch = steps_per_epoch(len(sets["train"]), model["batch_size"])
    training = settings["training"]
    arguments = SFTConfig(
        output_dir=str(work),
        num_train_epochs=model["epochs"],
        per_device_train_batch_size=model["micro_batch"],
        per_device_eval_batch_size=model["micro_batch"],
        gradient_accumulation_steps=model["batch_size"] // model["micro_batch"],
        gradient_checkpointing=model.get("gradient_checkpointing", False),  # TRL's default is True
        optim="adamw_torch",
        learning_rate=training["learning_rate"],
        lr_scheduler_type=training["schedule"],
        warmup_steps=training["warmup_steps"],
        weight_decay=training["weight_decay"],
        max_grad_norm=training["max_grad_norm"],
        bf16=settings["quantization"]["compute_dtype"] == "bfloat16",
        use_cpu=device() == "cpu",
        seed=seed,
        data_seed=seed,
        dataset_kwargs={"skip_prepare_dataset": True},
        dataloader_pin_memory=False,
        eval_strategy="no",  # QLoraTrainer.after_step evaluates and saves
        save_strategy="no",
        logging_nan_inf_filter=False,  # it would log a loss of 0 where there is none
        logging_steps=1,  # so that no running mean is lost with the process
        disable_tqdm=True,
        report_to=[],
    )
    trainer = QLoraTrainer(
        model=base,
        args=arguments,
        train_dataset=sets["train"],
        eval_dataset=sets["validation"],
        processing_class=tokenizer,
        data_collator=collate,
        peft_config=lora_config(settings["lora"]),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Progress(trainer))
    trainer.work = work
    trainer.interval = max(1, math.ceil(epoch / training["evaluations_per_epoch"]))
    trainer.patience = training["patience"]
    trainer.validation_bytes = validation_bytes
    trainer.limit = RowLimit(
        model["micro_batch"],
        "sequences",
        "Set 'gradient_checkpointing: true' for this model in the config, or a lower 'max_length' for all.",
    )
    # TRL casts the adapter to bf16, in which most updates of a cosine schedule's end are lost to rounding.
    for parameter in trainer.trainable():
        parameter.data = parameter.data.float()
    return trainer
