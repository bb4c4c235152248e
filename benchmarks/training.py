"""Fine-tuning against TRL's SFTTrainer: useful tokens a second on the same model, samples, adapter and machine.

Usage: python benchmarks/training.py --out FILE.json [--model small|NAME] [--architectures FILE]

On a CPU a small model in fp32, on a GPU an architecture of the study at full size (`--model gemma-2-2b`) in bf16, both
in NF4, with no more than 24 GB of the GPU's memory. Weights and tokens are random: their values do not matter to the
time. A useful token is one of a sample, not padding. Peers get the same adapter, optimizer and effective batch, and
adapters in fp32 on a CPU, where bf16 would slow them down.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import Row, in_turn, limit_gpu_memory, peak_gb, ratio, write_result
from subjects import ARCHITECTURES, LORA, QUANTIZATION, build, draw_samples, make_tokenizer, sizes_of

LENGTH = 1024  # tokens of a packed sequence
SAMPLES = 192  # a round on a CPU; on a GPU as many as one optimizer step of the study takes
SEQUENCES = 6  # in an optimizer step on a CPU
SAMPLES_A_SEQUENCE = 10.4  # CodeAlpaca's, in a packed sequence
ROUNDS = 3
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
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    limit_gpu_memory()
    import torch
    from codetune.models import device

    sizes, entry = sizes_of(options.model, options.architectures), _entry(options.model)
    count = SAMPLES if options.model == "small" else round(SAMPLES_A_SEQUENCE * entry["batch_size"])
    samples = draw_samples(count, sizes["vocab_size"])
    tokens = sum(map(len, samples))
    with tempfile.TemporaryDirectory() as folder:
        build(sizes, Path(folder) / "model")
        ways = {"this workflow": ours(Path(folder), entry, samples)}
        for name, settings in PEERS.items():
            ways[name] = theirs(Path(folder), name, settings, entry["batch_size"], samples)
        for way in ways.values():
            way()  # warm
        seconds = dict(zip(ways, in_turn(options.rounds, *ways.values()), strict=True))
    rates = {name: round(tokens / min(times)) for name, times in seconds.items()}
    fastest = max(list(PEERS)[1:], key=lambda name: rates[name])
    where = f"{options.model}, {device()}, {torch.get_num_threads()} thread(s)"
    rows = [
        Row(
            f"fine-tuning, {where}",
            peer,
            goal,
            ratio(seconds["this workflow"], seconds[peer]),
            f"{rates['this workflow']:,} and {rates[peer]:,} useful tokens/s",
        )
        for peer, goal in (("TRL's defaults", ">= 2.0 x" if device() == "cpu" else ">= 3.0 x"), (fastest, ">= 1.0 x"))
    ]
    rows.append(_useful_share(samples))
    write_result(options.out, rows, tokens=tokens, seconds=seconds, useful_tokens_per_second=rates, peak_gb=peak_gb())


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
    from codetune.models import device

    return "float32" if device() == "cpu" else "bfloat16"


def ours(folder: Path, entry: dict[str, Any], samples: list[Any]) -> Callable[[], None]:
    """One epoch by this workflow's trainer, evaluations and saving included."""
    from codetune.files import remove
    from codetune.models import load_base, set_determinism
    from codetune.training import make_trainer

    set_determinism(0)
    quantization = {**QUANTIZATION, "compute_dtype": _compute()}
    training = {
        "learning_rate": 2e-4,
        "schedule": "cosine",
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "evaluations_per_epoch": 1,
        "patience": 5,
    }
    settings = {"lora": LORA, "quantization": quantization, "training": training, "max_length": LENGTH}
    parts = {"train": samples, "validation": sorted(samples, key=len)[:2]}
    work = folder / "work"
    trainer = make_trainer(
        load_base(folder / "model", quantization), make_tokenizer(), parts, 1000, work, entry, settings, seed=0
    )

    def epoch() -> None:
        remove(work)
        work.mkdir()
        trainer.run()

    return epoch


def theirs(folder: Path, name: str, settings: dict[str, Any], sequences: int, samples: list[Any]) -> Callable[[], None]:
    """One epoch by TRL's trainer as a user calls it, on samples that are tokenised already."""
    from codetune.models import device, load_base
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    quantization = {**QUANTIZATION, "compute_dtype": _compute()}
    in_a_step = sequences if settings.get("packing") else round(sequences * SAMPLES_A_SEQUENCE)
    arguments = SFTConfig(
        output_dir=str(folder / name.replace(" ", "-").replace(",", "")),
        gradient_accumulation_steps=in_a_step // settings["per_device_train_batch_size"],
        num_train_epochs=1,
        max_length=LENGTH,
        learning_rate=2e-4,
        lr_scheduler_type="cosine",
        bf16=_compute() == "bfloat16",
        use_cpu=device() == "cpu",
        save_strategy="no",
        disable_tqdm=True,
        report_to=[],
        seed=0,
        **settings,
    )
    rows = [
        {"input_ids": s.prompt + s.completion, "completion_mask": [0] * len(s.prompt) + [1] * len(s.completion)}
        for s in samples
    ]
    trainer = SFTTrainer(
        model=load_base(folder / "model", quantization),
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=make_tokenizer(),
        peft_config=LoraConfig(
            r=LORA["r"],
            lora_alpha=LORA["alpha"],
            lora_dropout=LORA["dropout"],
            target_modules=LORA["target_modules"],
            task_type="CAUSAL_LM",
        ),
    )
    if device() == "cpu":
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()

    def epoch() -> None:
        trainer.train()

    return epoch


def _tokens(samples: list[Any]) -> int:
    return sum(map(len, samples))


def _useful_share(samples: list[Any]) -> Row:
    """Tokens of samples among all that the model is fed."""
    from codetune.training import collate, pack_samples

    sequences = list(pack_samples(samples, LENGTH))
    fed = sum(collate(sequences[i : i + 4])["input_ids"].numel() for i in range(0, len(sequences), 4))
    fill = _tokens(samples) / (len(sequences) * LENGTH)
    detail = f"{_tokens(samples):,} of {fed:,} tokens fed; sequences of {LENGTH:,} are filled to {fill:.1%}"
    return Row("padding", "all tokens fed", ">= 98 %", 100 * _tokens(samples) / fed, detail)


if __name__ == "__main__":
    main()
