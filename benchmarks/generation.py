"""Greedy decoding against `model.generate`: tokens per second on the same 4-bit model, adapter, prompts and machine.

Usage: python benchmarks/generation.py --out FILE.json [--model small|NAME] [--architectures FILE] [--prompts N]
           [--rounds N]

The peer decodes batches of 8 in the order of the data, on the 4-bit model with the adapter beside it. Weights and
prompts are random. Models with random weights never end, so ends are drawn from a hash of each token and its position.
A completion has 60 tokens on average, the same in both ways, and its length cannot be foreseen. In fp32, on a CPU, the
benchmark ends with an error if one token differs.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any

from common import ARCHITECTURES, Row, in_turn_prepared, limit_gpu_memory, memory_rows, ratio, write_result
from subjects import LORA, build, draw_samples, make_tokenizer, quantization, sizes_of

# isort: split

from codetune.study.decoding import Decoding

MEAN, LIMIT = 60, 512  # tokens of a completion
END = 2
DECODING = Decoding(max_new_tokens=LIMIT, batch_size=256, cache_gb=8)


@dataclass(frozen=True)
class Task:
    """What both ways complete.

    Attributes:
        checkpoint: Folder of the model.
        prompts: Prompts as token ids; the workflow sorts by the completions in them.
        ends: Tokens that end a completion.
        decoding: How the workflow decodes; the limit of a completion's tokens is for both.
        adapter: Folder of an adapter; None without one.
        ending: Makes a model end its completions; None for one that does so itself.
    """

    checkpoint: Path
    prompts: list[Any]
    ends: list[int]
    decoding: Decoding = DECODING
    adapter: Path | None = None
    ending: Callable[[Any], Any] | None = None

    def finish(self, model: Any) -> Any:
        """The base model as loaded, with what else belongs to it."""
        from codetune.methods.adapters import load_adapter

        model = self.ending(model) if self.ending else model
        return load_adapter(model, self.adapter) if self.adapter else model


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="small")
    parser.add_argument("--architectures", type=Path, default=ARCHITECTURES)
    parser.add_argument("--prompts", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    limit_gpu_memory()
    import torch
    from codetune.models.device import device, set_determinism

    set_determinism(0)
    sizes = sizes_of(options.model, options.architectures)
    prompts = draw_samples(options.prompts, sizes["vocab_size"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(sizes, folder / "model")
        _write_adapter(folder)
        task = Task(folder / "model", prompts, [END], DECODING, folder / "adapter", with_ends)
        mine, peer = in_turn_prepared(options.rounds, partial(ours, task), partial(theirs, task))
    same = mine.result == peer.result
    assert same or device() != "cpu", "other tokens"
    tokens = [sum(map(len, way.result)) for way in (mine, peer)]
    rates = [count / min(way.seconds) for count, way in zip(tokens, (mine, peer), strict=True)]
    part = f"generation, {options.model}, {device()}"
    row = Row(
        part,
        "model.generate, unsorted batches of 8, 4 bits",
        ">= 2.5 x" if device() == "cpu" else ">= 6.0 x",
        ratio(mine.seconds, peer.seconds) * tokens[0] / tokens[1],
        f"{rates[0]:,.0f} and {rates[1]:,.0f} tokens/s, {len(prompts)} prompts, {torch.get_num_threads()} thread(s)"
        + ("; identical tokens" if same else ""),
    )
    seconds = {"ours": mine.seconds, "theirs": peer.seconds}
    write_result(options.out, [row, *memory_rows(part, mine.peak_gb)], seconds=seconds, tokens=tokens)


def _write_adapter(folder: Path) -> None:
    """Writes an adapter with random weights."""
    from codetune.methods.peft_config import peft_config
    from codetune.models.loading import load_base
    from peft import get_peft_model

    config = peft_config({**LORA.peft, "lora_dropout": 0.0, "init_lora_weights": False})
    get_peft_model(load_base(folder / "model", quantization()), config).save_pretrained(str(folder / "adapter"))


def ours(task: Task) -> Callable[[], list[list[int]]]:
    """As the workflow decodes: sorted, sized by memory, weights dequantised where they fit."""
    from codetune.generation.batches import make_batches
    from codetune.generation.decoding import decode, greedy_config
    from codetune.models.caches import cache_bytes

    model, prompts = load_ours(task), task.prompts
    options = greedy_config(model, task.decoding.max_new_tokens, task.ends)
    cache_tokens = int(task.decoding.cache_gb * 1e9) // cache_bytes(model.config, model.dtype.itemsize)
    batches = list(make_batches(prompts, task.decoding, cache_tokens))

    def run() -> list[list[int]]:
        found: dict[int, list[int]] = {}
        for batch in batches:
            rows = decode(model, [prompts[index].prompt for index in batch], options)
            found |= dict(zip(batch, rows, strict=True))
        return [found[index] for index in range(len(prompts))]

    return run


def load_ours(task: Task) -> Any:
    """The model as the workflow decodes with it."""
    from codetune.generation.loading import load_for_decoding
    from codetune.models.loading import Checkpoint

    return task.finish(load_for_decoding(Checkpoint(task.checkpoint, quantization()), task.decoding))


def theirs(task: Task) -> Callable[[], list[list[int]]]:
    """As a user decodes: `generate` on batches of 8 in their order, padded on the left."""
    from codetune.generation.decoding import greedy_config
    from codetune.models.device import device
    from codetune.models.loading import load_base

    model = task.finish(load_base(task.checkpoint, quantization()))
    tokenizer = make_tokenizer()
    options = greedy_config(model, task.decoding.max_new_tokens, task.ends)

    def run() -> list[list[int]]:
        found = []
        for start in range(0, len(task.prompts), 8):
            ids = {"input_ids": [prompt.prompt for prompt in task.prompts[start : start + 8]]}
            batch = tokenizer.pad(ids, padding_side="left", return_tensors="pt").to(device())
            output = model.generate(**batch, generation_config=options)[:, batch["input_ids"].shape[1] :]
            found += [up_to_end(row, task.ends) for row in output.tolist()]
        return found

    return run


def up_to_end(ids: list[int], ends: list[int]) -> list[int]:
    """A completion without what stands after its end token."""
    return ids[: next((place + 1 for place, token in enumerate(ids) if token in ends), len(ids))]


def with_ends(model: Any) -> Any:
    """Makes a model end its completions after 60 tokens on average, depending on each token and its position."""
    forward = model.forward

    @wraps(forward)
    def ending(**inputs: Any) -> Any:
        output = forward(**inputs)
        token, position = inputs["input_ids"][:, -1], inputs["position_ids"][:, -1]
        ends = (token * 7919 + position * 104729) % MEAN == 0
        output.logits[ends, -1, END] = output.logits.max() + 1
        return output

    model.forward = ending
    return model


if __name__ == "__main__":
    main()
