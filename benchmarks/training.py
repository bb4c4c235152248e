"""Fine-tuning against TRL's SFTTrainer: useful tokens a second on the same model, samples, adapter and machine.

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
from functools import partial
from pathlib import Path
from typing import Any

from common import Row, in_turn_prepared, limit_gpu_memory, memory_rows, ratio, write_result
from subjects import ARCHITECTURES, LORA, QUANTIZATION, TRAINING, build, draw_samples, make_tokenizer, peer, sizes_of

LENGTH = 1024  # tokens of a packed sequence
SEQUENCES = 18  # in an optimizer step on a CPU
SAMPLES_A_SEQUENCE = 10.4  # CodeAlpaca's, in a packed sequence
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
    parser.add_argument("--samples", type=int, help="a round; by default what one optimizer step of the study takes")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    limit_gpu_memory()
    import torch
    from codetune.models.device import device

    sizes, entry = sizes_of(options.model, options.architectures), _entry(options.model)
    samples = draw_samples(options.samples or round(SAMPLES_A_SEQUENCE * entry["batch_size"]), sizes["vocab_size"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(sizes, folder / "model")
        ways = {"this workflow": partial(ours, folder, entry, samples)}
        for other, settings in PEERS.items():
            ways[other] = partial(theirs, folder, settings, entry["batch_size"], samples)
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


def _entry(model: str) -> dict[str, Any]:
    """What the study trains the model with; for a small one, what suits a CPU."""
    if model == "small":
        return {"batch_size": SEQUENCES, "micro_batch": 1, "epochs": 1}
    import yaml
    from common import ROOT

    entry: dict[str, Any] = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))["models"][
        model
    ]
    return {**entry, "epochs": 1}


def _compute() -> str:
    from codetune.models.device import device

    return "float32" if device() == "cpu" else "bfloat16"


def ours(folder: Path, entry: dict[str, Any], samples: list[Any]) -> Callable[[], Any]:
    """One epoch by this workflow's trainer, evaluations and saving included."""
    from codetune.base.files import remove
    from codetune.models.device import set_determinism
    from codetune.models.loading import load_base
    from codetune.training.build import make_trainer

    set_determinism(0)
    quantization = {**QUANTIZATION, "compute_dtype": _compute()}
    settings = {"lora": LORA, "quantization": quantization, "training": TRAINING, "max_length": LENGTH}
    parts = {"train": samples, "validation": sorted(samples, key=len)[:2]}
    work = folder / "work"
    remove(work)
    work.mkdir()
    trainer = make_trainer(
        load_base(folder / "model", quantization), make_tokenizer(), parts, 1000, work, entry, settings, seed=0
    )

    return trainer.run


def theirs(folder: Path, settings: dict[str, Any], sequences: int, samples: list[Any]) -> Callable[[], Any]:
    """One epoch by TRL's trainer as a user calls it, on samples that are tokenised already."""
    from codetune.models.loading import load_base

    quantization = {**QUANTIZATION, "compute_dtype": _compute()}
    in_a_step = sequences if settings.get("packing") else round(sequences * SAMPLES_A_SEQUENCE)
    trainer = peer(
        load_base(folder / "model", quantization),
        make_tokenizer(),
        samples,
        output_dir=str(folder / "theirs"),
        gradient_accumulation_steps=in_a_step // settings["per_device_train_batch_size"],
        num_train_epochs=1,
        max_length=LENGTH,
        learning_rate=TRAINING["learning_rate"],
        bf16=_compute() == "bfloat16",
        seed=0,
        **settings,
    )
    train: Callable[[], Any] = trainer.train
    return train


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
