"""Rule finetune: one model's training, its outputs, and the facts of it."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune.base.files import atomic, link_or_copy, read_json, write_json, write_jsonl, write_text
from codetune.base.identity import checkpoint_identity, file_hashes
from codetune.base.machine import environment, peak_memory
from codetune.base.unfinished import unfinished_work
from codetune.methods.adapters import ADAPTER, ADAPTER_FILES, name_base_model
from codetune.models.device import set_determinism
from codetune.models.loading import load_base
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.tokensets import read_tokens
from codetune.report.model_card import model_card
from codetune.training.build import make_trainer
from codetune.training.history import evaluated_steps, log_row
from codetune.training.trainer import QLoraTrainer


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
        work: Folder of unfinished work, removed in the end.
    """

    adapter: str
    checkpoints: str
    log: str
    record: str
    work: str


def finetune(
    inputs: FinetuneInputs,
    outputs: FinetuneOutputs,
    model: dict[str, Any],
    settings: dict[str, Any],
    seed: int,
    code: str,
) -> None:
    """Fine-tunes one model and writes its best adapter, all kept checkpoints, the log and a record.

    If an earlier attempt at the same was cut off, training goes on from what it saved last, and ends with the same
    bytes as if it had not been cut off.

    Args:
        inputs: Paths to read.
        outputs: Paths to write.
        model: The config's entry of the model.
        settings: `lora`, `quantization` and `training` of the config, and `max_length` in tokens.
        seed: Of the adapter's initial weights, dropout and the order of the samples.
        code: Hash of the code: what other code left unfinished is not used.

    Raises:
        StudyError: The checkpoint cannot be loaded, no attention keeps packed samples apart, one sequence does not fit
            into memory, or the training diverged.
        Stopped: The process was asked to end; the training done so far is saved.
    """
    set_determinism(seed)
    identity = {
        "model": model,
        "settings": settings,
        "seed": seed,
        "data": file_hashes(train=inputs.train, validation=inputs.validation),
        "checkpoint": checkpoint_identity(inputs.checkpoint),
        "code": code,
        "packages": environment()["packages"],
    }
    with unfinished_work(outputs.work, identity) as work:
        base = load_base(inputs.checkpoint, settings["quantization"])
        trainer = make_trainer(
            base,
            load_tokenizer(inputs.checkpoint),
            {"train": read_tokens(inputs.train), "validation": read_tokens(inputs.validation)},
            read_json(inputs.stats)["parts"]["validation"]["bytes_of_completions"],
            work,
            model,
            settings,
            seed,
        )
        trainer.run()
        name_base_model(trainer.model, model)
        _write_results(trainer, identity, outputs)
    best = trainer.state.best_global_step
    print(f"best validation loss {trainer.state.best_metric:.4f} at step {best} of {trainer.state.global_step}")


def _write_results(trainer: QLoraTrainer, identity: dict[str, Any], outputs: FinetuneOutputs) -> None:
    """Puts the adapters of all evaluations into place, the best of them as the result, the log and the record."""
    state = trainer.state
    names = [f"step-{step:06d}" for step in evaluated_steps(state.log_history) if step > 0]
    with atomic(outputs.checkpoints) as folder:
        for name in names:
            (folder / name).mkdir(parents=True)
            link_or_copy(trainer.work / name / ADAPTER, folder / name)
            trainer.model.peft_config["default"].save_pretrained(str(folder / name))
    record = _training_facts(trainer, identity)
    with atomic(outputs.adapter) as folder:
        folder.mkdir()
        for name in ADAPTER_FILES:
            shutil.copy(Path(outputs.checkpoints) / f"step-{state.best_global_step:06d}" / name, folder)
        write_text(folder / "README.md", model_card(identity["model"], identity["settings"], record))
    write_jsonl(outputs.log, (row for row in map(log_row, state.log_history) if len(row) > 2))
    write_json(outputs.record, record)


def _training_facts(trainer: QLoraTrainer, identity: dict[str, Any]) -> dict[str, Any]:
    state, spent = trainer.state, trainer.spent()
    tokens = sum(map(len, trainer.train_dataset["input_ids"]))
    return {
        "model": identity["model"],
        "settings": identity["settings"],
        "seed": identity["seed"],
        "checkpoint": identity["checkpoint"],
        "inputs_sha256": identity["data"],
        "parameters": {
            "trainable": sum(parameter.numel() for parameter in trainer.trainable()),
            "dtype": "float32",
        },
        "attention": trainer.model.config._attn_implementation,
        "deterministic": trainer.deterministic,
        "data": {
            "packed_sequences": len(trainer.train_dataset),
            "tokens": tokens,
            "packing_fill": round(tokens / (len(trainer.train_dataset) * identity["settings"]["max_length"]), 4),
        },
        "result": {
            "steps": state.global_step,
            "planned_steps": state.max_steps,
            "best_step": state.best_global_step,
            "best_validation_loss": state.best_metric,
            "stopped_early": state.global_step < state.max_steps,
            "checkpoints": [step for step in evaluated_steps(state.log_history) if step > 0],
        },
        "cost": {
            "seconds": spent["seconds"],
            "evaluation_seconds": spent["evaluation_seconds"],
            **({"energy_joules": spent["joules"]} if spent["joules"] else {}),
            "tokens_per_second": round(
                (state.epoch or 0.0) * tokens / max(spent["seconds"] - spent["evaluation_seconds"], 0.1), 1
            ),
            "micro_batch": trainer.limit.rows,
            "peak_memory": peak_memory(),
        },
        "environment": environment(),
    }
