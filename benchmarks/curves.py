"""Loss curves of packed training, as the workflow does it, and padded training, over three seeds on the demo.

Usage: python benchmarks/curves.py --out FILE.json

The demo's smallest model, which `make demo` builds, is trained by this workflow's trainer on packed sequences and by
TRL's on padded batches of about as many samples, for as many epochs. Both adapters are measured on the same validation
samples. What is shown is the largest gap, over the epochs, between the mean losses of both, in standard errors of their
difference over the seeds.
"""

import argparse
import math
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from common import ROOT, Row, write_result
from subjects import LORA, SETTINGS, peer

# isort: split

from codetune.study.method import Quantization
from codetune.study.model import Memory, Source
from codetune.study.training import TrainingPlan

MODEL = "llama-3.2-1b"
SEEDS, EPOCHS = (0, 1, 2), 3
SEQUENCES = 8  # in an optimizer step
LENGTH = 256  # tokens of a packed sequence
QUANTIZATION = Quantization("nf4", double=True, compute_dtype="float32")
RATE = 2e-3


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    import torch  # noqa: F401  # a tokenizer that is loaded first hides it from transformers

    train, validation = _samples()
    curves = {
        name: [way(train, validation, seed) for seed in SEEDS] for name, way in (("packed", packed), ("padded", padded))
    }
    means = {name: [statistics.fmean(points) for points in zip(*runs, strict=True)] for name, runs in curves.items()}
    spread = [
        math.hypot(*(statistics.stdev(points) / math.sqrt(len(SEEDS)) for points in columns))
        for columns in zip(zip(*curves["packed"], strict=True), zip(*curves["padded"], strict=True), strict=True)
    ]
    gaps = [abs(a - b) for a, b in zip(means["packed"], means["padded"], strict=True)]
    worst = max(gap / noise for gap, noise in zip(gaps, spread, strict=True))
    shown = " and ".join(", ".join(f"{x:.3f}" for x in means[name]) for name in curves)
    detail = f"validation loss after each epoch, packed and padded: {shown} nats per token; {len(SEEDS)} seeds"
    row = Row("loss curves, packed and padded", "TRL, padded batches", "< 3 standard errors", worst, detail)
    write_result(options.out, [row], curves=curves, largest_gap=max(gaps))


def _samples() -> tuple[list[Any], list[Any]]:
    """Training and validation samples of the demo as tokens."""
    from codetune.data.samples import Sample
    from codetune.models.tokenizers import load_tokenizer
    from codetune.prompts.serialising import serialisation_of
    from codetune.prompts.tokenizing import encode
    from codetune.study.template import BUILT_IN
    from make_samples import make_records

    tokenizer = load_tokenizer(checkpoint())
    samples = [Sample(i, **record) for i, record in enumerate(make_records(420, seed=0)) if record["output"]]
    tokens = [
        sample
        for sample in encode(samples, tokenizer, serialisation_of(BUILT_IN["paper"], tokenizer))
        if len(sample) <= LENGTH
    ]
    return tokens[60:], tokens[:60]


def checkpoint() -> Path:
    """The demo's model."""
    return ROOT / "build" / "demo" / "models" / MODEL


def packed(train: list[Any], validation: list[Any], seed: int) -> list[float]:
    """Validation loss after each epoch of this workflow's trainer."""
    from codetune.models.device import set_determinism
    from codetune.models.loading import load_base
    from codetune.models.tokenizers import load_tokenizer
    from codetune.training.build import TrainingTokens, make_trainer

    set_determinism(seed)
    settings = replace(
        SETTINGS, learning_rate=RATE, patience=EPOCHS, batch_size=SEQUENCES, epochs=EPOCHS, max_length=LENGTH
    )
    plan = TrainingPlan(Source(path=str(checkpoint())), Memory(micro_batch=4), LORA, QUANTIZATION, settings, seed)
    tokens = TrainingTokens(train, validation, completion_bytes=1)
    with tempfile.TemporaryDirectory() as folder:
        base = load_base(checkpoint(), QUANTIZATION)
        trainer = make_trainer(base, load_tokenizer(checkpoint()), tokens, Path(folder), plan)
        trainer.run()
    return [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row][1:]


def padded(train: list[Any], validation: list[Any], seed: int) -> list[float]:
    """The same of TRL's trainer, which pads. The loss is measured one sample at a time."""
    from codetune.models.device import set_determinism
    from codetune.models.loading import load_base
    from codetune.models.tokenizers import load_tokenizer
    from codetune.prompts.packing import pack
    from transformers import TrainerCallback

    losses = []

    class AfterEachEpoch(TrainerCallback):  # type: ignore[misc]
        def on_epoch_end(self, *_: Any, model: Any, **__: Any) -> None:
            losses.append(loss(model, validation))

    set_determinism(seed)
    sequences = len(pack([len(sample) for sample in train], LENGTH))
    with tempfile.TemporaryDirectory() as folder:
        trainer = peer(
            load_base(checkpoint(), QUANTIZATION),
            load_tokenizer(checkpoint()),
            train,
            callbacks=[AfterEachEpoch()],
            output_dir=folder,
            per_device_train_batch_size=4,
            gradient_accumulation_steps=round(SEQUENCES * len(train) / sequences / 4),
            gradient_checkpointing=False,
            num_train_epochs=EPOCHS,
            learning_rate=RATE,
            bf16=False,
            seed=seed,
        )
        trainer.train()
    return losses


def loss(model: Any, samples: list[Any]) -> float:
    """Mean negative log-likelihood of the completions, in nats per token."""
    import torch

    training = model.training
    model.eval()
    total, tokens = 0.0, 0
    with torch.no_grad():
        for sample in samples:
            logits = model(input_ids=torch.tensor([sample.prompt + sample.completion]), use_cache=False).logits[0]
            wanted = torch.tensor(sample.completion)
            given = logits[len(sample.prompt) - 1 : -1].float()
            total += torch.nn.functional.cross_entropy(given, wanted, reduction="sum").item()
            tokens += len(sample.completion)
    model.train(training)
    return total / tokens


if __name__ == "__main__":
    main()
