"""Part 4: the two highest peaks of memory that were worked out, at full size, on random weights.

The study's own trainer takes two steps, and its own decoding completes one full batch. Lengths of prompts and samples
are the worst that `benchmarks/memory.py` assumes, and each must take what was worked out there.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from common import CONTEXT, GOAL, RESULTS, SLACK, limit_gpu_memory
from gpu.findings import Finding, tried

TRAINED, DECODED = "qwen2.5-1.5b", "phi-3-mini"
STEPS, MICRO_BATCHES = 2, 2  # in the second step the optimizer's state is there, in a second micro-batch gradients
SHORT = 128  # tokens of most samples
CLOSE = 0.10  # share by which what is allocated may differ from what was worked out


@dataclass(frozen=True)
class WorkedOut:
    """What a job takes by `benchmarks/memory.py`, in GB.

    Attributes:
        allocated: All tensors at the peak.
        reserved: With what is lost between the blocks of torch's allocator.
        all: With CUDA and its libraries.
    """

    allocated: float
    reserved: float
    all: float


@dataclass(frozen=True)
class Sizes:
    """How much is done.

    Attributes:
        length: Tokens of a packed sequence, and of a long prompt.
        short: Tokens of most samples.
        new: Most new tokens of a completion.
        cache_gb: Most gigabytes for keys and values.
    """

    length: int
    short: int
    new: int
    cache_gb: float


FULL = Sizes(length=1024, short=SHORT, new=512, cache_gb=8)
IN_SMALL = Sizes(length=64, short=8, new=8, cache_gb=0.0003)


def check(small: bool) -> Iterator[Finding]:
    """Trains and decodes, and compares what was allocated and reserved with what was worked out."""
    limit_gpu_memory()
    sizes = IN_SMALL if small else FULL
    for kind, name, run in (("training", TRAINED, train), ("generation", DECODED, decode)):
        title = f"{kind}, {name}{', in small' if small else ''}"
        yield from measure(title, worked_out(kind, name), partial(run, name, sizes, small))


def worked_out(kind: str, name: str, results: Path = RESULTS) -> WorkedOut:
    """What the table of `benchmarks/memory.py` says of a model.

    Args:
        kind: `training` or `generation`.
        name: Of the model.
        results: File with the results of `make bench`.
    """
    found = json.loads(results.read_text(encoding="utf-8"))["parts"]["memory"][kind][name]
    others = (found["sum"] - CONTEXT / 1e9 - found["weights"]) / (1 + SLACK)
    return WorkedOut(found["weights"] + others, found["sum"] - CONTEXT / 1e9, found["sum"])


def measure(title: str, expected: WorkedOut, run: Callable[[], str]) -> Iterator[Finding]:
    """Runs a job and yields its peaks; what it returns is what it did, in words."""
    import torch

    began, aim = time.monotonic(), f"fits into 24 GB; {expected.all:.1f} GB are worked out"
    whole = tried(title, aim, lambda: (f"{run()}; {time.monotonic() - began:.0f} s with loading", True))
    yield whole
    if not whole.ok:
        return
    if not torch.cuda.is_available():
        yield Finding(f"{title}: memory", aim, "not measured: there is no GPU", ok=None)
        return
    allocated, reserved = torch.cuda.max_memory_allocated() / 1e9, torch.cuda.max_memory_reserved() / 1e9
    yield from peaks(title, expected, allocated, reserved, _taken())


def peaks(title: str, expected: WorkedOut, allocated: float, reserved: float, taken: float) -> Iterator[Finding]:
    """Compares peaks with what was worked out, all in GB; `taken` is what all processes take of the GPU."""
    difference = allocated / expected.allocated - 1
    yield Finding(
        f"{title}: allocated",
        f"{expected.allocated:.1f} GB, within {CLOSE:.0%}",
        f"{allocated:.2f} GB ({difference:+.1%})",
        abs(difference) <= CLOSE,
    )
    lost = reserved / allocated - 1
    yield Finding(
        f"{title}: reserved",
        f"at most {expected.reserved:.1f} GB",
        f"{reserved:.2f} GB, {lost:.1%} more than allocated",
        reserved <= expected.reserved,
    )
    yield Finding(
        f"{title}: reserved, and {CONTEXT / 1e9:.1f} GB for CUDA",
        f"less than {GOAL:.0f} GB",
        f"{reserved + CONTEXT / 1e9:.2f} GB; now {taken:.2f} GB are taken of the GPU beside what torch has reserved",
        reserved + CONTEXT / 1e9 < GOAL,
    )


def _taken() -> float:
    """GB of the GPU that are taken and not reserved by torch here: CUDA, its libraries, and other processes."""
    import torch

    free, whole = torch.cuda.mem_get_info()
    return (whole - free - torch.cuda.memory_reserved()) / 1e9


def train(name: str, sizes: Sizes, small: bool) -> str:
    """Trains a model for two steps with the study's trainer; the peaks are counted from when the trainer is there.

    Raises:
        RuntimeError: A micro-batch had to be divided.
    """
    import torch
    from codetune.models.device import set_determinism
    from codetune.training.build import TrainingTokens, make_trainer
    from gpu.weights import checkpoint, shape_of
    from subjects import make_tokenizer

    plan, shape = plan_of(name, sizes), shape_of(name, small)
    rows = plan.memory.micro_batch
    samples = samples_of(rows * MICRO_BATCHES * STEPS, sizes, shape["vocab_size"])
    set_determinism(plan.seed)
    with tempfile.TemporaryDirectory() as folder:
        base = checkpoint(shape, plan.quantization).load()
        tokens = TrainingTokens(samples, samples[-1:], completion_bytes=1000)
        trainer = make_trainer(base, make_tokenizer(), tokens, Path(folder), plan)
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()  # of the reserved bytes it leaves what is there
        trainer.run()
    if trainer.limit.rows < rows:
        raise RuntimeError(f"out of memory with {rows} sequences at once: {trainer.limit.rows} fitted")
    done = trainer.state.global_step
    return f"{done} steps of {MICRO_BATCHES} micro-batches of {rows} x {sizes.length:,} tokens"


def plan_of(name: str, sizes: Sizes) -> Any:
    """How the study trains a model, but for as many steps as are needed here."""
    from codetune.study.model import Memory, Source
    from codetune.study.training import TrainingPlan
    from subjects import LORA, SETTINGS, quantization

    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["parts"]["memory"]["training"][name]["micro_batch"]
    settings = replace(SETTINGS, batch_size=rows * MICRO_BATCHES, max_length=sizes.length)
    return TrainingPlan(Source(path=name), Memory(rows), LORA, quantization(), settings, seed=0)


def samples_of(sequences: int, sizes: Sizes, vocabulary: int) -> list[Any]:
    """Random samples that fill so many packed sequences: every fourth with one long sample, the others with short ones.

    Their prompts have one token each, so that the output layer computes almost all positions, as was worked out.
    """
    import random

    from codetune.prompts.tokensets import TokenSample

    rng = random.Random(0)
    longs = -(-sequences // 4)
    shorts = (sequences - longs) * (sizes.length // sizes.short)
    lengths = [sizes.length] * longs + [sizes.short] * shorts
    drawn = [[rng.randrange(3, vocabulary) for _ in range(length)] for length in lengths]
    return [TokenSample(number, ids[:1], ids[1:]) for number, ids in enumerate(drawn)]


def decode(name: str, sizes: Sizes, small: bool) -> str:
    """Decodes the largest batch of the longest prompts with the study's decoding; the peaks are counted from there."""
    import random

    from codetune.generation.batches import make_batches
    from codetune.generation.decoding import decode as complete
    from codetune.generation.decoding import greedy_config
    from codetune.generation.loading import load_for_decoding
    from codetune.models.caches import cache_bytes
    from codetune.models.device import set_determinism
    from codetune.models.quantization import linear_4bit
    from codetune.prompts.tokensets import TokenSample
    from codetune.study.decoding import Decoding
    from gpu.weights import checkpoint, free, shape_of
    from subjects import quantization

    decoding = Decoding(sizes.new, batch_size=256, cache_gb=sizes.cache_gb)
    shape, rng = shape_of(name, small), random.Random(0)
    set_determinism(0)
    model = load_for_decoding(checkpoint(shape, quantization()), decoding)
    free()
    room = int(decoding.cache_gb * 1e9) // cache_bytes(model.config, model.dtype.itemsize)
    count = room // (sizes.length + sizes.new) + 1  # one more than fit
    drawn = [[rng.randrange(3, shape["vocab_size"]) for _ in range(sizes.length)] for _ in range(count)]
    prompts = [TokenSample(number, ids, []) for number, ids in enumerate(drawn)]
    batch = next(make_batches(prompts, decoding, room))
    began = time.monotonic()
    completed = complete(model, [drawn[index] for index in batch], greedy_config(model, sizes.new, stops=[]))
    new, seconds = sum(map(len, completed)), time.monotonic() - began
    weights = "in 4 bits" if linear_4bit(model) else f"in {model.dtype}"
    tokens = f"{len(batch)} x ({sizes.length:,} + {sizes.new:,}) tokens"
    return f"{tokens}, {new / seconds:.0f} new ones/s, weights {weights}"
