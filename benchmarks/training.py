"""Fine-tuning against TRL's SFTTrainer: useful tokens per second on the same model, samples, adapter and machine.

Usage: python benchmarks/training.py --out FILE.json [--model small|NAME] [--architectures FILE] [--samples N]
           [--rounds N]

On a CPU a small model in fp32, on a GPU an architecture of the study at full size (`--model gemma-2-2b`) in bf16, both
in NF4, with no more than 24 GB of the GPU's memory. Weights and tokens are random: their values do not matter to the
time. A useful token is one of a sample, not padding. Peers get the same adapter, optimizer and effective batch, and
adapters in fp32 on a CPU, where bf16 would slow them down.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from common import ARCHITECTURES, Row, full_study, in_turn_prepared, limit_gpu_memory, memory_rows, ratio, write_result
from subjects import (
    LORA,
    SETTINGS,
    build,
    draw_samples,
    make_tokenizer,
    peer,
    quantization,
    sizes_of,
)

# isort: split

from codetune.study.model import Memory, Source
from codetune.study.training import TrainingPlan

LENGTH = SETTINGS.max_length  # tokens of a packed sequence
SAMPLES_PER_SEQUENCE = 10.4  # CodeAlpaca's, in a packed sequence
# TRL's settings, each beside the defaults of TRL 1.16. Padding and checkpointing of activations are its defaults.
PEERS: dict[str, dict[str, Any]] = {
    "TRL's defaults": {"per_device_train_batch_size": 8},
    "TRL, grouped by length, no checkpointing": {
        "per_device_train_batch_size": 8,
        "train_sampling_strategy": "group_by_length",
        "gradient_checkpointing": False,
    },
    "TRL, packed, no checkpointing": {
        "per_device_train_batch_size": 1,
        "packing": True,
        "gradient_checkpointing": False,
    },
}


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="small")
    parser.add_argument("--architectures", type=Path, default=ARCHITECTURES)
    parser.add_argument("--samples", type=int, help="per round; by default those of one optimizer step of the study")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    limit_gpu_memory()
    import torch
    from codetune.models.device import device

    sizes, plan = sizes_of(options.model, options.architectures), _plan(options.model)
    sequences = plan.settings.batch_size
    samples = draw_samples(options.samples or round(SAMPLES_PER_SEQUENCE * sequences), sizes["vocab_size"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(sizes, folder / "model")
        ways = {"this workflow": partial(ours, folder, plan, samples)}
        for other, settings in PEERS.items():
            ways[other] = partial(theirs, folder, settings, sequences, samples)
        timed = dict(zip(ways, in_turn_prepared(options.rounds, *ways.values()), strict=True))
    tokens = sum(map(len, samples))
    rates = {way: round(tokens / min(times.seconds)) for way, times in timed.items()}
    fastest = max(list(PEERS)[1:], key=lambda other: rates[other])
    part = f"fine-tuning, {options.model}, {device()}"
    goals = {"TRL's defaults": ">= 2.0 x" if device() == "cpu" else ">= 3.0 x", fastest: ">= 1.0 x"}
    rows = [
        Row(
            part,
            other,
            goal,
            ratio(timed["this workflow"].seconds, timed[other].seconds),
            f"{rates['this workflow']:,} and {rates[other]:,} useful tokens/s, {torch.get_num_threads()} thread(s)",
        )
        for other, goal in goals.items()
    ]
    rows += [_useful_share(samples), *memory_rows(part, timed["this workflow"].peak_gb)]
    write_result(options.out, rows, tokens=tokens, timed={way: vars(times) for way, times in timed.items()})


def _plan(model: str) -> TrainingPlan:
    """One epoch of what the study trains the model with; for the small model, settings that suit a CPU."""
    if model == "small":
        return TrainingPlan(Source(path=model), Memory(micro_batch=1), LORA, quantization(), SETTINGS, seed=0)
    study = full_study()
    plan = next(study.for_training(run) for run in study.training_runs if run.model == model)
    return replace(plan, quantization=quantization(), settings=replace(plan.settings, epochs=1))


def ours(folder: Path, plan: TrainingPlan, samples: list[Any]) -> Callable[[], Any]:
    """One epoch by this workflow's trainer, evaluations and saving included."""
    run: Callable[[], Any] = our_trainer(folder / "model", folder / "work", plan, samples).run
    return run


def our_trainer(checkpoint: Path, work: Path, plan: TrainingPlan, samples: list[Any]) -> Any:
    """This workflow's trainer on a checkpoint; two of the samples are its validation set."""
    from codetune.base.files import remove
    from codetune.models.device import set_determinism
    from codetune.models.loading import load_base
    from codetune.training.build import TrainingTokens, make_trainer

    set_determinism(plan.seed)
    tokens = TrainingTokens(samples, sorted(samples, key=len)[:2], completion_bytes=1000)
    remove(work)
    work.mkdir()
    return make_trainer(load_base(checkpoint, plan.quantization), make_tokenizer(), tokens, work, plan)


def theirs(folder: Path, settings: dict[str, Any], sequences: int, samples: list[Any]) -> Callable[[], Any]:
    """One epoch by TRL's trainer as a user calls it, on samples as token ids."""
    per_step = sequences if settings.get("packing") else round(sequences * SAMPLES_PER_SEQUENCE)
    train: Callable[[], Any] = their_trainer(folder / "model", folder / "theirs", settings, per_step, samples).train
    return train


def their_trainer(checkpoint: Path, work: Path, settings: dict[str, Any], per_step: int, samples: list[Any]) -> Any:
    """TRL's trainer on a checkpoint.

    Args:
        checkpoint: Folder of the model.
        work: Folder for what it writes.
        settings: Beside TRL's defaults.
        per_step: Samples per optimizer step; packed, sequences.
        samples: What to train on, as token ids.
    """
    from codetune.models.loading import load_base

    return peer(
        load_base(checkpoint, quantization()),
        make_tokenizer(),
        samples,
        output_dir=str(work),
        gradient_accumulation_steps=per_step // settings["per_device_train_batch_size"],
        num_train_epochs=1,
        max_length=LENGTH,
        learning_rate=SETTINGS.learning_rate,
        bf16=quantization().compute_dtype == "bfloat16",
        seed=0,
        **settings,
    )


def _tokens(samples: list[Any]) -> int:
    return sum(map(len, samples))


def _useful_share(samples: list[Any]) -> Row:
    """Tokens of samples among all that the model is fed."""
    from codetune.training.batches import collate, pack_samples

    sequences = list(pack_samples(samples, LENGTH))
    fed = sum(collate(sequences[i : i + 4])["input_ids"].numel() for i in range(0, len(sequences), 4))
    fill = _tokens(samples) / (len(sequences) * LENGTH)
    detail = f"{_tokens(samples):,} of {fed:,} tokens fed; sequences of {LENGTH:,} are filled to {fill:.1%}"
    return Row("padding", "all tokens fed", ">= 98 %", 100 * _tokens(samples) / fed, detail)


if __name__ == "__main__":
    main()
