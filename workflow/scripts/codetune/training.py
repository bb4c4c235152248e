"""QLoRA fine-tuning with TRL's SFTTrainer on packed, isolated samples."""

import json
import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from codetune import records
from codetune.architectures import steps_per_epoch
from codetune.cards import model_card
from codetune.errors import StudyError
from codetune.files import atomic, read_json, remove, write_json, write_text
from codetune.models import device, load_base, set_determinism
from codetune.tokens import TokenSample, load_tokenizer, pack, read_tokens

IGNORED = -100  # label of a token that does not count in the loss
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


@dataclass(frozen=True)
class FinetuneInputs:
    """What a fine-tuning reads.

    Attributes:
        train: Token set.
        validation: Token set, for early stopping only.
        stats: The statistics that came with the token sets.
        checkpoint: Folder of the base model.
    """

    train: str
    validation: str
    stats: str
    checkpoint: str


@dataclass(frozen=True)
class FinetuneOutputs:
    """What a fine-tuning writes.

    Attributes:
        adapter: Folder of the best adapter, as PEFT and the hub take it.
        checkpoints: Folder with the adapter of each evaluation, `step-<n>`.
        log: Training log, JSON lines.
        record: Record of the run, JSON.
        work: The trainer's own folder, removed in the end.
    """

    adapter: str
    checkpoints: str
    log: str
    record: str
    work: str


def finetune(
    inputs: FinetuneInputs, outputs: FinetuneOutputs, model: dict[str, Any], settings: dict[str, Any], seed: int
) -> None:
    """Fine-tunes one model and writes its best adapter, all kept checkpoints, the log and a record.

    Args:
        inputs: Paths to read.
        outputs: Paths to write.
        model: The config's entry of the model.
        settings: `lora`, `quantization` and `training` of the config, and `max_length` in tokens.
        seed: Of the adapter's initial weights, dropout and the order of the samples.

    Raises:
        StudyError: The checkpoint cannot be loaded, or its attention lets packed samples see one another.
    """
    set_determinism(seed)
    remove(Path(outputs.work))  # what an attempt that was cut off may have left
    print(f"trainer's folder: {outputs.work}", flush=True)
    base = load_base(inputs.checkpoint, settings["quantization"], model["attention"])
    train = read_tokens(inputs.train)
    check_isolation(base, train)
    trainer = make_trainer(
        base,
        load_tokenizer(inputs.checkpoint),
        {"train": train, "validation": read_tokens(inputs.validation)},
        read_json(inputs.stats)["parts"]["validation"]["bytes_of_completions"],
        outputs,
        model,
        settings,
        seed,
    )
    start = time.monotonic()
    trainer.train()
    seconds = time.monotonic() - start
    best = trainer.state.best_global_step
    name_base_model(trainer.model, model)
    _write_results(trainer, inputs, outputs, model, settings, seed, seconds)
    remove(Path(outputs.work))
    print(f"best validation loss {trainer.state.best_metric:.4f} at step {best} of {trainer.state.global_step}")


def make_trainer(
    base: Any,
    tokenizer: Any,
    tokens: dict[str, list[TokenSample]],
    validation_bytes: int,
    outputs: FinetuneOutputs,
    model: dict[str, Any],
    settings: dict[str, Any],
    seed: int,
) -> "QLoraTrainer":
    """TRL's trainer with the paper's settings, a fresh adapter in fp32, and the study's way of evaluating."""
    sets = {part: pack_samples(samples, settings["max_length"]) for part, samples in tokens.items()}
    epoch = steps_per_epoch(len(sets["train"]), model["batch_size"])
    training, lora = settings["training"], settings["lora"]
    interval = max(1, math.ceil(epoch / training["evaluations_per_epoch"]))
    arguments = SFTConfig(
        output_dir=outputs.work,
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
        eval_strategy="steps",
        eval_steps=interval,
        eval_on_start=True,
        save_strategy="steps",
        save_steps=interval,
        save_only_model=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_steps=training["log_every"],
        disable_tqdm=True,
        report_to=[],
    )
    trainer = QLoraTrainer(
        model=base,
        args=arguments,
        train_dataset=sets["train"],
        eval_dataset=sets["validation"],
        processing_class=tokenizer,
        data_collator=PackedCollator(tokenizer.pad_token_id or 0),
        peft_config=LoraConfig(
            r=lora["r"],
            lora_alpha=lora["alpha"],
            lora_dropout=lora["dropout"],
            target_modules=lora["target_modules"],
            task_type="CAUSAL_LM",
        ),
        callbacks=[EarlyStoppingCallback(training["patience"]), TrainingLog(outputs.log)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.validation_bytes = validation_bytes
    # TRL casts the adapter to bf16, in which most updates of a cosine schedule's end are lost to rounding.
    for parameter in trainer.model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return trainer


def pack_samples(samples: list[TokenSample], capacity: int) -> Dataset:
    """Packs samples into training sequences of at most `capacity` tokens.

    Returns:
        One row a sequence: `input_ids`; `labels`, which count completions only; `seq_lengths`, the samples' lengths.
    """
    rows: dict[str, list[list[int]]] = {"input_ids": [], "labels": [], "seq_lengths": []}
    for members in pack([len(sample) for sample in samples], capacity):
        chosen = [samples[index] for index in members]
        rows["input_ids"].append([token for s in chosen for token in s.prompt + s.completion])
        rows["labels"].append([label for s in chosen for label in [IGNORED] * len(s.prompt) + s.completion])
        rows["seq_lengths"].append([len(sample) for sample in chosen])
    return Dataset.from_dict(rows)


@dataclass(frozen=True)
class PackedCollator:
    """Stacks packed sequences as rows of one batch.

    Positions restart with each sample and no attention mask is given: from that, transformers builds a mask that keeps
    the samples of a row apart. Padding behind a row counts as samples of one token each.
    """

    pad_token_id: int

    def __call__(self, examples: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        """Returns `input_ids`, `labels` and `position_ids`, each of shape (rows, longest row)."""
        shape = (len(examples), max(len(example["input_ids"]) for example in examples))
        ids = torch.full(shape, self.pad_token_id)
        labels = torch.full(shape, IGNORED)
        positions = torch.zeros(shape, dtype=torch.long)
        for row, example in enumerate(examples):
            length = len(example["input_ids"])
            ids[row, :length] = torch.tensor(example["input_ids"])
            labels[row, :length] = torch.tensor(example["labels"])
            positions[row, :length] = torch.cat([torch.arange(n) for n in example["seq_lengths"]])
        return {"input_ids": ids, "labels": labels, "position_ids": positions}


class QLoraTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer whose validation loss is per token.

    The trainer's own averages over batches, so that it depends on how samples are packed and batched.
    """

    control: Any
    validation_bytes: int = 0
    evaluation_seconds: float = 0.0

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Mean negative log-likelihood of the validation completions, in nats a token and bits a byte."""
        start = time.monotonic()
        loss = torch.zeros((), dtype=torch.float64, device=device())
        tokens = torch.zeros((), dtype=torch.int64, device=device())
        training = self.model.training
        self.model.eval()
        with torch.no_grad(), self.compute_loss_context_manager():
            for batch in self.get_eval_dataloader():
                inputs = self._prepare_inputs(batch)
                outputs = self.model(**inputs, use_cache=False, fused_lm_head=True)
                loss -= outputs.log_probs.sum(dtype=torch.float64)
                tokens += outputs.label_mask.sum()
        self.model.train(training)
        metrics = {
            "eval_loss": (loss / tokens).item(),
            "eval_bits_per_byte": loss.item() / math.log(2) / self.validation_bytes,
        }
        self.evaluation_seconds += time.monotonic() - start
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class TrainingLog(TrainerCallback):  # type: ignore[misc]
    """Writes the training log as JSON lines, and a line for people to the job's log."""

    KEPT = ("loss", "grad_norm", "learning_rate", "mean_token_accuracy", "eval_loss", "eval_bits_per_byte")

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("")
        self.start = time.monotonic()

    def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, float], **_: Any) -> None:
        """Appends what the trainer logs, less what depends on the clock."""
        row = {key: logs[key] for key in self.KEPT if key in logs}
        if not row:
            return
        row = {"step": state.global_step, "epoch": round(state.epoch or 0.0, 4), **row}
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        elapsed = time.monotonic() - self.start
        left = elapsed / state.global_step * (state.max_steps - state.global_step) if state.global_step else math.nan
        shown = ", ".join(f"{key} {value:.4g}" for key, value in row.items() if key != "step")
        print(
            f"step {state.global_step}/{state.max_steps}: {shown} "
            f"[{elapsed / 60:.1f} min, at most {left / 60:.1f} min left]",
            flush=True,
        )


def check_isolation(model: Any, samples: list[TokenSample]) -> None:
    """Checks on the model and device at hand that packed samples do not see one another.

    The logits of a sample must not change at all when its neighbour in the row does, and must be those of the sample
    alone up to the rounding of the compute type (relative errors below 0.02 in bf16).

    Raises:
        StudyError: They do see one another.
    """
    first, second = sorted(samples, key=len)[:2]
    other = TokenSample(first.id, first.prompt[::-1], first.completion[::-1])
    with _evaluating(model), torch.no_grad():
        logits = [_logits_of_last(model, row) for row in ([first, second], [other, second], [second])]
    leak, error = (((logits[0] - logits[i]).norm() / logits[i].norm()).item() for i in (1, 2))
    print(f"isolation of packed samples: {leak:.1e} with another neighbour, {error:.1e} alone (relative)", flush=True)
    if not (leak < 1e-4 and error < 0.05):
        raise StudyError(
            f"packed samples see one another (relative change of the logits: {leak:.1e} with another neighbour, "
            f"{error:.1e} alone). Choose another 'attention' for this model in the config: eager is right for all."
        )


def _logits_of_last(model: Any, samples: list[TokenSample]) -> torch.Tensor:
    """Logits of the last of some samples packed into one row, in their order; shape (tokens, vocabulary)."""
    ids = [token for sample in samples for token in sample.prompt + sample.completion]
    positions = [position for sample in samples for position in range(len(sample))]
    logits = model(
        input_ids=torch.tensor([ids], device=device()),
        position_ids=torch.tensor([positions], device=device()),
        use_cache=False,
    ).logits[0]
    return logits[-len(samples[-1]) :].float()


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def name_base_model(model: Any, entry: dict[str, Any]) -> None:
    """Writes into the adapter's configuration which checkpoint it belongs to, by its public name and commit."""
    config = model.peft_config["default"]
    config.base_model_name_or_path = entry["path"] if "path" in entry else entry["repo"]
    config.revision = entry.get("revision")


def _write_results(
    trainer: QLoraTrainer,
    inputs: FinetuneInputs,
    outputs: FinetuneOutputs,
    model: dict[str, Any],
    settings: dict[str, Any],
    seed: int,
    seconds: float,
) -> None:
    """Moves the adapters of all evaluations into place, and copies the best as the result."""
    state = trainer.state
    with atomic(outputs.checkpoints) as folder:
        for checkpoint in Path(outputs.work).glob("checkpoint-*"):
            step = folder / f"step-{int(checkpoint.name.split('-')[1]):06d}"
            step.mkdir(parents=True)
            shutil.copy(checkpoint / "adapter_model.safetensors", step)
            trainer.model.peft_config["default"].save_pretrained(str(step))
    record = _record(trainer, inputs, model, settings, seed, seconds)
    with atomic(outputs.adapter) as folder:
        folder.mkdir()
        for name in ADAPTER_FILES:
            shutil.copy(Path(outputs.checkpoints) / f"step-{state.best_global_step:06d}" / name, folder)
        write_text(folder / "README.md", model_card(model, settings, record))
    write_json(outputs.record, record)


def _record(
    trainer: QLoraTrainer,
    inputs: FinetuneInputs,
    model: dict[str, Any],
    settings: dict[str, Any],
    seed: int,
    seconds: float,
) -> dict[str, Any]:
    state = trainer.state
    tokens = sum(map(len, trainer.train_dataset["input_ids"]))
    training_seconds = seconds - trainer.evaluation_seconds
    return {
        "model": model,
        "settings": settings,
        "seed": seed,
        "checkpoint": records.checkpoint_identity(inputs.checkpoint),
        "inputs_sha256": records.file_hashes(train=inputs.train, validation=inputs.validation),
        "parameters": {
            "trainable": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
            "dtype": "float32",
        },
        "data": {
            "packed_sequences": len(trainer.train_dataset),
            "tokens": tokens,
            "packing_fill": round(tokens / (len(trainer.train_dataset) * settings["max_length"]), 4),
        },
        "result": {
            "steps": state.global_step,
            "planned_steps": state.max_steps,
            "best_step": state.best_global_step,
            "best_validation_loss": state.best_metric,
            "stopped_early": state.global_step < state.max_steps,
            "checkpoints": sorted(
                int(path.name.split("-")[1]) for path in Path(trainer.args.output_dir).glob("checkpoint-*")
            ),
        },
        "cost": {
            "seconds": round(seconds, 1),
            "evaluation_seconds": round(trainer.evaluation_seconds, 1),
            "tokens_per_second": round((state.epoch or 0.0) * tokens / training_seconds, 1),
            "peak_memory": records.peak_memory(),
        },
        "environment": records.environment(),
    }
