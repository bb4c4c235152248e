"""Part 2: the six architectures with their own heads, in small: packed samples, and decoding with growing caches."""

import io
import math
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from common import read_architectures
from generation import up_to_end
from gpu.findings import Finding, Look, tried
from subjects import TINY, build, draw_samples

# isort: split

from codetune.generation.decoding import decode, greedy_config
from codetune.generation.loading import load_for_decoding
from codetune.generation.trial import try_decoding
from codetune.models.attention import packed_kernels
from codetune.models.device import device, set_determinism
from codetune.models.loading import Checkpoint, load_base
from codetune.prompts.tokensets import TokenSample
from codetune.study.decoding import Decoding
from codetune.study.method import Quantization
from codetune.training.attention import choose_attention
from codetune.training.batches import collate, select_sequences

BF16 = Quantization("nf4", double=True, compute_dtype="bfloat16")
FP32 = replace(BF16, compute_dtype="float32")
# Sizes that make no other kernel run: heads, their sizes and caps are the models' own, and so are windows, which are
# longer than the samples here. Two models are tried with a shorter one, too.
SHRUNK = {"num_hidden_layers": 2, "intermediate_size": 1024, "vocab_size": 2048, "tie_word_embeddings": False}
WINDOW = 48
SHARPNESS = 1.5  # spread of queries and keys: with less, attention is the mean of all tokens and hides what is wrong
LONGEST = {False: 1024, True: 160}  # tokens of a sample
PROMPTS, NEW, STOPS = 12, 24, list(range(3, 60))  # so many prompts; most new tokens of each; tokens that end it
LEAK, GRADIENT_ROUNDING, ALONE = 1e-4, 1e-2, 0.1  # as in training/attention.py; gradients are summed in any order
# Most that a token may lack to the likeliest one where two ways to decode part, in units of the logits' spread.
TIE = {"bfloat16": 0.2, "float32": 1e-3}


def check(small: bool) -> Iterator[Finding]:
    """Builds each model with random weights, loads it as the study does, and looks at it."""
    set_determinism(0)
    for name, sizes in subjects(small).items():
        with tempfile.TemporaryDirectory() as folder:
            build(sizes, Path(folder))
            (Path(folder) / "generation_config.json").unlink()  # msgspec reads it, which may be missing here
            samples = [s for s in draw_samples(60, sizes["vocab_size"]) if len(s) <= LONGEST[small]][:PROMPTS]
            yield from check_model(name, Path(folder), samples)


def subjects(small: bool) -> dict[str, dict[str, Any]]:
    """The sizes of each model that is tried, by its name."""
    found = {}
    for name, facts in read_architectures().items():
        sizes: dict[str, Any] = facts["config"] | SHRUNK | (TINY if small else {})
        if sizes["model_type"] == "phi3":  # heads of hidden_size / heads
            sizes.pop("head_dim", None)
            sizes["num_key_value_heads"] = sizes["num_attention_heads"]
        if "query_pre_attn_scalar" in sizes:
            sizes["query_pre_attn_scalar"] = sizes["head_dim"]
        sizes["initializer_range"] = SHARPNESS / math.sqrt(sizes["hidden_size"])
        found[name] = sizes
    windows = {name: sizes | {"sliding_window": WINDOW} for name, sizes in found.items() if "sliding_window" in sizes}
    return found | {f"{name}, window of {WINDOW}": sizes for name, sizes in windows.items()}


def check_model(name: str, folder: Path, samples: list[TokenSample]) -> Iterator[Finding]:
    """Looks at one model.

    Args:
        name: Its name, for the findings.
        folder: Its checkpoint.
        samples: Its samples.
    """
    yield from _check_packing(name, folder, samples)
    for plan in (BF16, FP32):
        limit = f"tokens of generate, else a tie within {TIE[plan.compute_dtype]}"
        what = f"{name}: decoding in {plan.compute_dtype}"
        yield tried(what, limit, lambda p=plan: _decoding(folder, p, samples))


def _check_packing(name: str, folder: Path, samples: list[TokenSample]) -> Iterator[Finding]:
    model = load_base(folder, BF16)
    own, expected = model.config._attn_implementation, next(packed_kernels(model.dtype, device()))
    yield tried(f"{name}: attention", expected, lambda: _attention(model, samples, expected))
    limits = f"gradients outside are 0, changes < {LEAK} and {GRADIENT_ROUNDING}, alone < {ALONE}"
    yield tried(f"{name}: packed samples apart", limits, lambda: _apart(model, own, samples))


def _attention(model: Any, samples: list[TokenSample], expected: str) -> Look:
    """Which attention the study chooses for packed samples, and what it says of those that it tried."""
    said = io.StringIO()
    try:
        with redirect_stdout(said):
            choose_attention(model, samples)
    finally:
        print(said.getvalue(), end="", flush=True)
    chosen = model.config._attn_implementation
    return "; ".join(said.getvalue().replace("attention ", "").splitlines()), chosen == expected


def _apart(model: Any, own: str, samples: list[TokenSample]) -> Look:
    """What a sample's logits and gradients have to do with its neighbours in a row."""
    ordered = sorted(samples, key=len)
    first, last = ordered[len(samples) // 3], ordered[len(samples) // 2]
    middle = ordered[-1]  # windows show in the longest
    one = _logits_and_gradients(model, [first, middle, last], 1)
    other = _logits_and_gradients(model, [_reversed(first), middle, _reversed(last)], 1)
    packed = model.config._attn_implementation
    model.set_attn_implementation(own)
    alone = _logits_and_gradients(model, [middle], None)
    model.set_attn_implementation(packed)
    outside = int(one[2].count_nonzero())
    changes = [_relative(x, y) for x, y in zip(other, one[:2], strict=False)]
    rounding = [_relative(x, y) for x, y in zip(alone, one[:2], strict=False)]
    found = f"{outside} gradients outside; with other neighbours logits change by {changes[0]:.1e}, gradients by "
    found += f"{changes[1]:.1e}; from alone they differ by {rounding[0]:.1e} and {rounding[1]:.1e}"
    apart = outside == 0 and changes[0] < LEAK and changes[1] < GRADIENT_ROUNDING
    return found, apart and max(rounding) < ALONE and bool(one[1].count_nonzero())


def _reversed(sample: TokenSample) -> TokenSample:
    return TokenSample(sample.id, sample.prompt[::-1], sample.completion[::-1])


def _logits_and_gradients(
    model: Any, samples: list[TokenSample], chosen: int | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One sample's logits, the gradients that they give to its embeddings, and to those of its neighbours.

    Args:
        model: The model.
        samples: Samples of one row.
        chosen: Which of them; None for a row of one sample, which is put to the model as any text.
    """
    ids = [token for sample in samples for token in sample.prompt + sample.completion]
    row = collate([{"input_ids": ids, "labels": ids, "seq_lengths": [len(sample) for sample in samples]}])
    row |= {name: value.to(device()) for name, value in row.items() if isinstance(value, torch.Tensor)}
    batch = select_sequences(row, slice(0, None))
    packed = batch["packed"]
    span = packed.spans[chosen or 0]
    embedded = model.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_()
    options = {} if chosen is None else {"packed": packed}
    model.train()
    output = model(inputs_embeds=embedded, position_ids=batch["position_ids"], use_cache=False, **options)
    logits = output.logits[0, span]
    generator = torch.Generator(device()).manual_seed(0)
    direction = torch.randn(logits.shape, generator=generator, device=device())
    (gradient,) = torch.autograd.grad((logits.float() * direction).sum(), embedded)
    outside = torch.ones(len(ids), dtype=torch.bool, device=device())
    outside[span] = False
    return logits.detach().float(), gradient[0, span].float(), gradient[0, outside]


def _relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


def _decoding(folder: Path, plan: Quantization, samples: list[TokenSample]) -> Look:
    """Whether our decoding writes what `model.generate` writes, and where they part whether it is at a tie."""
    model = load_for_decoding(Checkpoint(folder, plan), Decoding(NEW, batch_size=PROMPTS, cache_gb=1))
    prompts = [sample.prompt for sample in samples]
    try_decoding(model, samples, NEW)
    options = greedy_config(model, NEW, STOPS)
    ours, theirs = decode(model, prompts, options), generated(model, prompts, options)
    tokens = sum(map(len, theirs))
    parted = [_shortfall(model, *each) for each in zip(prompts, ours, theirs, strict=True) if each[1] != each[2]]
    if not parted:
        return f"{tokens} tokens of {len(prompts)} prompts, identical", True
    found = f"{len(parted)} of {len(prompts)} prompts part, at a token that lacks at most {max(parted):.1e}"
    return found, max(parted) < TIE[plan.compute_dtype]


def generated(model: Any, prompts: list[list[int]], options: Any) -> list[list[int]]:
    """What transformers itself writes, all prompts in one batch, padded on the left."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts], device=device())
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device())
    rows = model.generate(input_ids=ids, attention_mask=mask, generation_config=options)[:, width:].tolist()
    return [up_to_end(row, STOPS) for row in rows]


def _shortfall(model: Any, prompt: list[int], one: list[int], other: list[int]) -> float:
    """What the less likely of two tokens lacks to the likeliest, where two texts part; in the logits' spread."""
    place = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if place is None:  # one ends where the other goes on, after the same token
        return math.inf
    with torch.inference_mode():
        row = torch.tensor([prompt + one[:place]], device=device())
        logits = model(row, use_cache=False).logits[0, -1].float()
    least = torch.minimum(logits[one[place]], logits[other[place]])
    return ((logits.max() - least) / logits.std()).item()
