"""Fine-tuning of SmolLM2-135M-Instruct on a CPU: against TRL's SFTTrainer, and as a share of what the machine can do.

Usage: python benchmarks/smollm2_training.py --out FILE.json [--data FOLDER] [--checkpoint FOLDER] [--samples N]
           [--rounds N]

The samples are real ones where FOLDER/codealpaca/code_alpaca_20k.json is, else the demo's, in the model's own chat
template. Peers are those of training.py, one with smaller batches. Each way trains in a new process, as a user has it.
What is timed is optimizer steps, since a whole training of this model takes too long here: loading, the trial step and
evaluations are left out. What the workflow does before the first step has a row of its own.

Operations are those that training beside frozen weights needs: four per token for each weight of a projection, four per
token of a completion for each weight of the output layer, six per token for each weight of the adapter. Attention is
left out. The rate of `torch.mm` is measured in the same process, by as many threads.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import training
from common import Row, ratio, write_result
from smollm2 import CHECKPOINT, MAX_LENGTH, Samples, draw, in_a_new_process, multiplication_rate, not_run, threads
from subjects import LORA, SETTINGS, quantization
from training import our_trainer, their_trainer

# isort: split

from codetune.study.model import Memory, Source
from codetune.study.training import TrainingPlan

# As in config/smollm2.yaml.
SEQUENCES = 4  # in an optimizer step
MICRO_BATCH = 1
RATE = 5e-4

SAMPLES = 24  # of a peer in an optimizer step: about as many tokens
OURS, DEFAULTS = "this workflow", "TRL's defaults"
# Those of training.py. But where activations are kept, batches of 8 take 18 GB of memory with this model.
GROUPED = "TRL, grouped by length, no checkpointing"
PEERS = training.PEERS | {GROUPED: training.PEERS[GROUPED] | {"per_device_train_batch_size": 4}}
PART = "fine-tuning, smollm2, cpu"
DEFAULTS_ROW = (PART, DEFAULTS, ">= 2.0 x")
FASTEST_ROW = (PART, "the fastest of TRL's other settings", ">= 1.0 x")
FIXED_ROW = ("what comes before the first step, smollm2, cpu", "optimizer steps of 4,096 tokens", "< 2 steps")
SHARE_ROW = (f"share of the machine's limit: {PART}", "torch.mm in fp32", ">= 55 %")


@dataclass(frozen=True)
class Measured:
    """What one way took to train an epoch.

    Attributes:
        seconds: Of the optimizer steps.
        before: Seconds from loading the model to the first step, evaluations left out.
        operations: That the steps needed.
        rate: Operations per second of torch.mm in the same process, the higher of before and after.
        threads: Of the process.
    """

    seconds: float
    before: float
    operations: float
    rate: float
    threads: int


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    if not options.checkpoint.exists():
        write_result(options.out, not_run(options.checkpoint, DEFAULTS_ROW, FASTEST_ROW, FIXED_ROW, SHARE_ROW))
        return
    drawn = draw(options.checkpoint, options.data, train=options.samples)
    found: dict[str, list[Measured]] = {way: [] for way in (OURS, *PEERS)}
    for _ in range(options.rounds):
        for way, measured in found.items():
            measured.append(in_a_new_process(measure, way, options.checkpoint, drawn.train))
    rows = compare(found, drawn) + limits(found[OURS], drawn.train)
    timed = {way: [vars(measured) for measured in rounds] for way, rounds in found.items()}
    write_result(options.out, rows, tokens=sum(map(len, drawn.train)), timed=timed)


def measure(way: str, checkpoint: Path, samples: list[Any]) -> Measured:
    """Trains an epoch in one of the ways, and measures its steps."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):  # type: ignore[misc]
        """Notes how long steps take, and when and after which evaluations the first begins."""

        def __init__(self) -> None:
            self.began = self.first = self.evaluated = self.seconds = 0.0

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.began = time.perf_counter()
            if not self.first:
                self.first = self.began
                self.evaluated = trainer.meter.spent().evaluation_seconds if way == OURS else 0.0

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.seconds += time.perf_counter() - self.began

    rate = multiplication_rate()
    with tempfile.TemporaryDirectory() as folder:
        start, clock = time.perf_counter(), Clock()
        trainer = make_trainer(way, checkpoint, Path(folder) / "work", samples)
        trainer.add_callback(clock)
        (trainer.run if way == OURS else trainer.train)()
    return Measured(
        seconds=clock.seconds,
        before=clock.first - start - clock.evaluated,
        operations=operations(trainer.model, samples),
        rate=max(rate, multiplication_rate()),
        threads=threads(),
    )


def make_trainer(way: str, checkpoint: Path, work: Path, samples: list[Any]) -> Any:
    """The trainer of one of the ways."""
    from codetune.models.cpu import prepare_cpu

    if way == OURS:
        prepare_cpu(quantization().compute_dtype)
        settings = replace(SETTINGS, batch_size=SEQUENCES, max_length=MAX_LENGTH, learning_rate=RATE)
        memory = Memory(micro_batch=MICRO_BATCH)
        plan = TrainingPlan(Source(path=str(checkpoint)), memory, LORA, quantization(), settings, seed=0)
        return our_trainer(checkpoint, work, plan, samples)
    peer = PEERS[way]
    per_step = SEQUENCES if peer.get("packing") else SAMPLES
    return their_trainer(checkpoint, work, peer, per_step, samples)


def operations(model: Any, samples: list[Any]) -> float:
    """How many additions and multiplications an epoch needs."""
    from codetune.models.quantization import linear_4bit

    tokens, learned = sum(map(len, samples)), sum(len(sample.completion) for sample in samples)
    adapter = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    projections = sum(layer.in_features * layer.out_features for layer in linear_4bit(model))
    output = model.get_output_embeddings().weight.numel()
    return float(tokens * (4 * projections + 6 * adapter) + 4 * learned * output)


def compare(found: dict[str, list[Measured]], drawn: Samples) -> list[Row]:
    """The rows against TRL."""
    tokens = sum(map(len, drawn.train))
    seconds = {way: [measured.seconds for measured in rounds] for way, rounds in found.items()}
    rates = {way: tokens / min(times) for way, times in seconds.items()}
    fastest = max((other for other in PEERS if other != DEFAULTS), key=lambda other: rates[other])
    details = {
        other: f"{rates[OURS]:,.0f} and {rates[other]:,.0f} useful tokens/s in optimizer steps; {tokens:,} tokens of "
        f"{drawn.origin}, {found[OURS][0].threads} thread(s)"
        for other in (DEFAULTS, fastest)
    }
    return [
        Row(PART, other, goal, ratio(seconds[OURS], seconds[other]), details[other])
        for other, (_, _, goal) in ((DEFAULTS, DEFAULTS_ROW), (fastest, FASTEST_ROW))
    ]


def limits(rounds: list[Measured], samples: list[Any]) -> list[Row]:
    """The rows on what comes before the first step, and on the share of the rate of torch.mm."""
    best = min(rounds, key=lambda measured: measured.seconds)
    step = best.seconds / sum(map(len, samples)) * SEQUENCES * MAX_LENGTH
    before = min(measured.before for measured in rounds)
    detail = f"{before:.1f} s to load, choose the attention and try a step; a step takes {step:.1f} s"
    reached = best.operations / best.seconds
    shares = f"{reached / 1e9:,.0f} of {best.rate / 1e9:,.0f} GFLOP/s; {best.threads} thread(s)"
    return [Row(*FIXED_ROW, before / step, detail), Row(*SHARE_ROW, 100 * reached / best.rate, shares)]


if __name__ == "__main__":
    main()
