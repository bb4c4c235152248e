"""Works out the GPU memory of training and generation at full size, without a GPU and without weights.

Usage: python benchmarks/memory.py --out FILE.json

Each model is built at full size from tensors that have a shape, a type and a life, but no numbers, and the libraries'
own code runs a training step, a pass over prompts and a decoding step on it. What is alive at each moment is added up.
"""

import argparse
import json
import math
import re
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import trl.kernels.chunked_logprob
import trl.trainer.utils
import yaml
from bitsandbytes.functional import quantize_4bit
from bitsandbytes.nn import Linear4bit
from common import ROOT, Row, write_result
from peft import get_peft_model
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AttentionInterface, AutoConfig, AutoModelForCausalLM

from codetune.models.shapes import cache_bytes, parameters  # isort: skip  (common puts the library on the path)
from codetune.models.attention import Packed, attend_varlen  # isort: skip
from codetune.models.caches import growing_cache  # isort: skip
from codetune.generation.decoding import next_tokens, prefill  # isort: skip
from codetune.generation.generate import RESERVE  # isort: skip
from codetune.methods.adapters import lora_config  # isort: skip
from codetune.base.plain import from_plain  # isort: skip
from codetune.study.decoding import Decoding  # isort: skip
from codetune.study.method import Lora  # isort: skip

ARCHITECTURES = json.loads((ROOT / "benchmarks" / "architectures.json").read_text())
DEVICE = 24 * 2**30  # bytes that cards of "24 GB" have: most weights fit dequantised, which takes most memory
GOAL = 22.0  # GB, of 1e9 bytes
ALLOWED = 20.0  # GB that a proposed micro-batch takes at most
CONTEXT = 0.6e9  # bytes of CUDA, its libraries' code and their workspaces: assumed
SLACK = 0.10  # of what is not weights, lost between the blocks of torch's allocator: assumed
SHORT = 128  # tokens of most samples; CodeAlpaca-20k's have 98 on average
ON_GPU = "packed_on_gpu"
AttentionInterface.register(ON_GPU, attend_varlen)


class Live(TorchDispatchMode):  # type: ignore[misc]
    """Adds up the bytes of all tensors that are alive, whoever holds them.

    Attributes:
        now: Bytes alive.
        peak: The most that there were, with what kernels allocate inside.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.sizes: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self.add(tensor)
        self.peak = max(self.peak, self.now + inside(str(func), args))
        return result

    def add(self, tensor: torch.Tensor) -> None:
        """Counts a tensor's storage, if it is not counted yet, until it dies."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self.sizes:
            self.sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._remove, key)

    def _remove(self, key: int) -> None:
        self.now -= self.sizes.pop(key)


def inside(operation: str, args: tuple[Any, ...]) -> int:
    """Bytes that a kernel allocates for itself on a GPU, where they are many."""
    if operation.startswith("bitsandbytes.gemm_4bit"):  # many rows: the weight is made anew in the compute type
        return int(math.prod(args[2]) * args[0].element_size())
    if operation.startswith("torch_attn._varlen_attn_backward"):  # fp32 sums for queries; keys and values of each head
        query = args[1]
        return int(query.numel() * (4 + 2 * query.element_size()))
    return 0


class Saved:
    """Counts what autograd keeps for the backward pass: each storage once, parameters not at all.

    Attributes:
        by_place: Bytes by the module that was running, the tensor's shape and its type; all layers' together.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self.by_place: Counter[tuple[str, tuple[int, ...], str]] = Counter()
        self.seen = {p.untyped_storage()._cdata: p.untyped_storage() for p in model.parameters()}
        self.running = [""]
        for name, module in model.named_modules():
            module.register_forward_pre_hook(lambda _module, _args, name=name: self.running.append(name))
            module.register_forward_hook(self._left)

    def _left(self, *_: Any) -> None:
        self.running.pop()

    @property
    def total(self) -> int:
        """Bytes of all."""
        return sum(self.by_place.values())

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        """What autograd calls with each tensor that it saves."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self.seen:
            self.seen[storage._cdata] = storage  # held, so that no other storage gets its number
            where = re.sub(r".*\blayers\.\d+", "layer", self.running[-1])
            self.by_place[where, tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")] += storage.nbytes()
        return tensor

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Counts what is saved inside."""
        with torch.autograd.graph.saved_tensors_hooks(self.pack, lambda tensor: tensor):
            yield
        self.seen.clear()


@contextmanager
def as_on_gpu() -> Iterator[None]:
    """Replaces what takes other memory on a CPU than on a GPU by what takes the GPU's.

    Dropout keeps a mask of one byte a number there; PEFT asks for the GPU's autocast alone, without which adapters
    compute in fp32; the output layer's Triton kernels work in place. Where there are no numbers nobody knows which
    positions have labels, so all positions are scored: more than really are.
    """
    enabled = torch.is_autocast_enabled

    def dropout(values: torch.Tensor, p: float = 0.5, training: bool = True, *_: Any) -> torch.Tensor:
        result: torch.Tensor = torch.native_dropout(values, p, training)[0]
        return result

    def in_place(*_: Any, **__: Any) -> None:
        return None

    kernels = trl.kernels.chunked_logprob
    with (
        mock.patch.object(torch.nn.functional, "dropout", dropout),
        mock.patch.object(torch, "is_autocast_enabled", lambda kind="cpu": enabled(kind)),
        mock.patch.object(trl.trainer.utils, "_use_triton", lambda _device: False),
        mock.patch.multiple(kernels, _forward_tile=in_place, _backward_tile=in_place, _addmm_fp32=in_place),
    ):
        yield


def build(config: dict[str, Any], attention: str, lora: Lora | None, in_4_bits: bool) -> Any:
    """A model on the meta device, as codetune.training and codetune.generation leave it.

    Args:
        config: A config.json.
        attention: Name of the attention.
        lora: For an adapter in fp32; None for the untuned model.
        in_4_bits: Whether the layers' weights are in 4 bits, or in bf16.
    """
    # The library makes a table at the first call, which cannot be made without numbers.
    quantize_4bit(torch.zeros(64, 64), quant_type="nf4", compress_statistics=True)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(**config), dtype=torch.bfloat16, attn_implementation=attention
        )
        model.requires_grad_(False)
        if in_4_bits:
            quantize(model)
        trl.trainer.utils.add_fused_lm_head(model, outputs=("log_probs", "entropy", "is_top1"))
        if lora is None:
            return model
        model = get_peft_model(model, lora_config(lora), low_cpu_mem_usage=True)
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
    return model


def quantize(model: Any) -> None:
    """Puts the layers' weights into 4 bits, as bitsandbytes does on loading; the output layer stays."""
    for name, module in list(model.named_modules()):
        if not isinstance(module, torch.nn.Linear) or module is model.get_output_embeddings():
            continue
        linear = Linear4bit(module.in_features, module.out_features, compute_dtype=torch.bfloat16, quant_type="nf4")
        data, state = quantize_4bit(module.weight.data, quant_type="nf4", compress_statistics=True)
        linear.weight = torch.nn.Parameter(data, requires_grad=False)
        linear.weight.quant_state, linear.weight.quant_type = state, "nf4"
        linear.weight.compress_statistics = True
        linear.bias = module.bias
        model.set_submodule(name, linear)
    model.is_loaded_in_4bit = True


def without_numbers(model: torch.nn.Module, mode: FakeTensorMode, live: Live) -> None:
    """Turns a model on the meta device into one that a CPU seems to hold, and counts it."""
    done: dict[int, tuple[Any, Any]] = {}  # the old ones too, so that no other object gets their ids

    def convert(tensor: torch.Tensor) -> Any:
        if id(tensor) in done:
            return done[id(tensor)][1]
        fake: Any = FakeTensor(mode, torch.empty_like(tensor.detach(), device="meta"), torch.device("cpu"))
        live.add(fake)
        if isinstance(tensor, torch.nn.Parameter):
            fake = torch.nn.Parameter(fake, requires_grad=tensor.requires_grad)
            if state := getattr(tensor, "quant_state", None):
                fake.quant_state = state
                for part in (state, state.state2):
                    vars(part).update({k: convert(v) for k, v in vars(part).items() if isinstance(v, torch.Tensor)})
        done[id(tensor)] = (tensor, fake)
        return fake

    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            tensors.update({name: convert(tensor) for name, tensor in tensors.items() if tensor is not None})


@dataclass(frozen=True)
class Memory:
    """GPU memory of one job, in bytes.

    Attributes:
        weights: The model's, adapter included.
        kept: What training keeps for the backward pass; the keys and values in generation.
        rest: All else at the peak.
    """

    weights: int
    kept: int
    rest: int

    @property
    def sum(self) -> float:
        """With what cannot be counted here."""
        return self.weights + (1 + SLACK) * (self.kept + self.rest) + CONTEXT


def training(config: dict[str, Any], lora: Lora, lengths: list[int], attention: str = ON_GPU) -> tuple[Memory, Saved]:
    """Memory of the second and later micro-batches, when gradients and the optimizer's state are there.

    Args:
        config: A config.json.
        lora: The adapter.
        lengths: Tokens of the samples of a micro-batch.
        attention: Name of the attention.
    """
    model = build(config, attention, lora, in_4_bits=True).train()
    saved = Saved(model)
    with as_on_gpu(), FakeTensorMode(allow_non_fake_inputs=True) as mode, Live() as live:
        without_numbers(model, mode, live)
        saved.seen = {p.untyped_storage()._cdata: p.untyped_storage() for p in model.parameters()}
        weights = live.now
        trainable = [p for p in model.parameters() if p.requires_grad]
        # Adam's two means; the gradients; their copy, which ResumableTrainer.training_step keeps.
        held = [[torch.zeros_like(p) for p in trainable] for _ in range(3)]
        for parameter in trainable:
            parameter.grad = torch.zeros_like(parameter)
        live.peak = live.now
        step(model, lengths, saved)
        del held
    return Memory(weights, saved.total, live.peak - weights - saved.total), saved


def step(model: Any, lengths: list[int], saved: Saved) -> None:
    """One micro-batch, forward and backward."""
    ids = torch.zeros(1, sum(lengths), dtype=torch.long)
    positions = torch.cat([torch.arange(length) for length in lengths])[None]
    with saved.counting(), torch.autocast("cpu", torch.bfloat16):
        output = model(
            input_ids=ids,
            labels=ids,
            position_ids=positions,
            packed=Packed(lengths, "cpu"),
            use_cache=False,
            fused_lm_head=True,
        )
    output.loss.backward()


def generation(config: dict[str, Any], lora: Lora | None, decoding: Decoding, prompt: int) -> Memory:
    """Memory of decoding the largest batch of prompts of one length: of reading them or of the last step.

    Args:
        config: A config.json.
        lora: The adapter; None if only the untuned model is run.
        decoding: The settings.
        prompt: Tokens of a prompt.
    """
    room = int(decoding.cache_gb * 1e9)
    tokens = prompt + decoding.max_new_tokens
    rows = min(decoding.batch_size, room // cache_bytes(config, 2) // tokens)
    attention = "eager" if "attn_logit_softcapping" in config else "sdpa"
    model = build(config, attention, lora, in_4_bits=not fits_dequantised(config, room)).eval()
    for parameter in model.parameters():
        parameter.data = (
            parameter.data.to(torch.bfloat16) if parameter.requires_grad else parameter.data
        )  # load_adapter
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, Live() as live, torch.no_grad():
        without_numbers(model, mode, live)
        weights = live.now
        kept = read(model, rows, prompt, live)
        steps = [Memory(weights, kept, live.peak - weights - kept)]
        kept = last_step(model, rows, tokens, live)
        steps.append(Memory(weights, kept, live.peak - weights - kept))
    return max(steps, key=lambda memory: memory.sum)


def fits_dequantised(config: dict[str, Any], room: int) -> bool:
    """Whether codetune.generation.load_for_decoding turns the 4-bit weights into bf16 on an otherwise empty GPU."""
    count = parameters(config)
    free = DEVICE - CONTEXT - 0.52 * count["layers"] - 2 * count["embedding"]
    return 2 * count["layers"] <= free - room - RESERVE


def read(model: Any, rows: int, width: int, live: Live) -> int:
    """Reads prompts, as decoding begins, with the peak counted from here. Returns the bytes of keys and values."""
    before = live.peak = live.now
    _tokens, _mask, cache = prefill(model, [[0] * width] * rows, 0)
    del _tokens, _mask
    kept = live.now - before
    del cache
    return kept


def last_step(model: Any, rows: int, tokens: int, live: Live) -> int:
    """Adds the last of so many tokens to a cache that has no room left, with the peak counted from here.

    Returns:
        Bytes of keys and values.
    """
    before = live.peak = live.now
    config = model.config
    heads = config.num_key_value_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    cache = growing_cache(config.num_hidden_layers)
    for layer in cache.layers:
        layer._set_buffer(torch.zeros(2, rows, heads, tokens - 1, size, dtype=torch.bfloat16))
        layer._set_length(tokens - 1)
    mask = torch.ones(rows, tokens, dtype=torch.long)
    last = torch.zeros(rows, 1, dtype=torch.long)
    next_tokens(model, last, mask, last + tokens - 1, cache)
    return live.now - before


def samples_of(sequences: int, length: int) -> list[int]:
    """Tokens of the samples of packed sequences: one sequence is a single sample, the worst where scores are kept."""
    return [length] + [SHORT] * ((sequences - 1) * length // SHORT)


def largest(sums: dict[int, float], batch_size: int) -> int:
    """The largest micro-batch that divides the batch and is allowed, on the line through the sums of two others."""
    (few, small), (many, large) = sorted(sums.items())
    slope = (large - small) / (many - few)
    divisors = [n for n in range(1, batch_size + 1) if batch_size % n == 0]
    return max((n for n in divisors if small + (n - few) * slope <= ALLOWED * 1e9), default=1)


def adapter(study: dict[str, Any]) -> Lora:
    """The adapter of the study's method `qlora`."""
    return from_plain(study["methods"]["qlora"]["lora"], Lora, "config: methods.qlora.lora")


def training_table(study: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Training of each model that the study tunes, by name."""
    lora, length = adapter(study), study["tokenization"]["max_length"]
    table = {}
    for name, entry in study["models"].items():
        if "micro_batch" not in entry:
            continue
        config, chosen = ARCHITECTURES[name]["config"], entry["micro_batch"]
        memory, saved = training(config, lora, samples_of(chosen, length))
        sums = {0: memory.weights + CONTEXT, chosen: memory.sum}
        table[name] = {
            "micro_batch": chosen,
            **in_gb(memory),
            "largest_micro_batch": largest(sums, entry["batch_size"]),
            "kept_mb_a_token": memory.kept / chosen / length / 1e6,
            "kept_most": [
                {"where": where, "shape": shape, "type": kind, "share": size / saved.total}
                for (where, shape, kind), size in saved.by_place.most_common(12)
            ],
        }
        report(name, table[name])
    return table


def generation_table(study: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Generation of each model, by name: the worse of short prompts and long ones."""
    table = {}
    decoding = from_plain(study["generation"], Decoding, "config: generation")
    for name, entry in study["models"].items():
        lora = adapter(study) if "micro_batch" in entry else None
        prompts = (SHORT // 2, study["tokenization"]["max_length"])
        sizes = [generation(ARCHITECTURES[name]["config"], lora, decoding, prompt) for prompt in prompts]
        table[name] = in_gb(max(sizes, key=lambda memory: memory.sum))
        report(name, table[name])
    return table


def in_gb(memory: Memory) -> dict[str, float]:
    """GB of each part, and of all."""
    rest = memory.sum - memory.weights - memory.kept
    return {key: value / 1e9 for key, value in {**asdict(memory), "rest": rest, "sum": memory.sum}.items()}


def report(name: str, row: dict[str, Any]) -> None:
    """Prints a row of a table."""
    shown = (f"{key} {value:.2f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items())
    print(f"{name}: {', '.join(part for part in shown if not part.startswith('kept_most'))}", flush=True)


def row_of(part: str, table: dict[str, dict[str, Any]]) -> Row:
    """The largest of a table as a row of the results."""
    name = max(table, key=lambda key: table[key]["sum"])
    found = table[name]
    parts = ", ".join(f"{key} {found[key]:.1f}" for key in ("weights", "kept", "rest"))
    detail = f"{name}: {parts} GB; worked out on tensors without numbers, not measured on a GPU"
    return Row(f"memory, full size: {part}", "24 GB", f"< {GOAL:.0f} GB", found["sum"], detail)


def main() -> None:
    """Works out both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    study = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    tables = {"training": training_table(study), "generation": generation_table(study)}
    write_result(options.out, [row_of(part, table) for part, table in tables.items()], **tables)


if __name__ == "__main__":
    main()
