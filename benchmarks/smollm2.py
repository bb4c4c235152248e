"""SmolLM2-135M-Instruct as a subject: its checkpoint, its tokens of real samples, and the limits of the machine."""

import multiprocessing
import random
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from common import ROOT, Row, records_of

CHECKPOINT = ROOT / "build" / "smollm2" / "model"
MAX_LENGTH = 1024  # tokens of a sample
SIDE = 2048  # of the square matrices whose product is timed
READ = 1 << 30  # bytes that are read at once, far more than any cache holds

T = TypeVar("T")


@dataclass(frozen=True)
class Samples:
    """Samples as the model sees them in its own chat template.

    Attributes:
        train: For training.
        prompts: Others, whose prompts are completed.
        references: The outputs that belong to `prompts`.
        ends: Tokens that end a completion.
        tokenizer: The model's.
        origin: What the samples are, for a row's detail.
    """

    train: list[Any]
    prompts: list[Any]
    references: list[str]
    ends: list[int]
    tokenizer: Any
    origin: str


def draw(checkpoint: Path, data: Path | None, train: int = 0, prompts: int = 0) -> Samples:
    """Draws samples by a fixed seed, of the real data set in `data` or else of the demo's."""
    import torch  # noqa: F401  # before any tokenizer: a process that first loads one without torch stays without it
    from codetune.data.cleaning import clean
    from codetune.models.tokenizers import load_tokenizer
    from codetune.prompts.serialising import serialisation_of
    from codetune.prompts.tokenizing import encode, truncate
    from codetune.study.template import BUILT_IN

    records, origin = records_of(data)
    samples = clean(dict(enumerate(records)))[0]
    chosen = random.Random(0).sample(samples, 2 * (train + prompts))
    tokenizer = load_tokenizer(checkpoint)
    template = serialisation_of(BUILT_IN["chat"], tokenizer)
    tokens, _ = truncate(encode(chosen, tokenizer, template), MAX_LENGTH)
    outputs = {sample.id: sample.output for sample in chosen}
    asked = tokens[train : train + prompts]
    references = [outputs[sample.id] for sample in asked]
    return Samples(tokens[:train], asked, references, template.ending.stops, tokenizer, origin)


def not_run(checkpoint: Path, *rows: tuple[str, str, str]) -> list[Row]:
    """Rows without a result, where the model is not there."""
    return [Row(*row, None, f"{checkpoint} is not there; demo/make_smollm2.py makes it") for row in rows]


def in_a_new_process(function: Callable[..., T], *arguments: Any) -> T:
    """Calls a function in a process of its own.

    What the workflow sets in its processes, where glibc keeps freed memory and TRL computes the loss in another way,
    would also make the peers faster.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def threads() -> int:
    """Threads of this process."""
    import torch

    count: int = torch.get_num_threads()
    return count


def multiplication_rate() -> float:
    """Operations per second of torch.mm in fp32, with this process's threads."""
    import torch

    left, right = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
    return 2 * SIDE**3 / _fastest(lambda: torch.mm(left, right))


def reading_rate() -> float:
    """Bytes per second that this process's threads read from memory."""
    import torch

    numbers = torch.ones(READ // 4)
    return READ / _fastest(numbers.sum)


def _fastest(way: Callable[[], Any], times: int = 8) -> float:
    """The least seconds of some runs."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        way()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
