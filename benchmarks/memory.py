"""Works out the GPU memory of training and generation at full size, without a GPU and without weights.

Usage: python benchmarks/memory.py --out FILE.json               the benchmark: the two jobs that take most
       python benchmarks/memory.py --table benchmarks/memory.json [--config OVERLAY.yaml ...]
                                                                what each model and method of a study takes

Each model is built at full size from tensors that have a shape, a type and a lifetime, but no numbers, and the
libraries' own code runs a training step, a pass over prompts and a decoding step on it. What is alive at each moment is
added up.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from common import CONTEXT, GOAL, SLACK, Row, full_study, read_architectures, write_result
from counting import Live, Saved
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers.optimization import Adafactor
from weightless import ON_GPU, as_on_gpu, build, without_numbers

# isort: split

from codetune.generation.decoding import next_logits, prefill
from codetune.generation.loading import RESERVE
from codetune.models.attention import Packed
from codetune.models.caches import cache_bytes, growing_cache
from codetune.models.shapes import parameters
from codetune.study.decoding import Decoding
from codetune.study.method import UNQUANTISED, TuningSettings
from codetune.study.study import Study
from codetune.study.training import TrainingPlan
from codetune.study.tunings import SOFT_PROMPTS, virtual_tokens_of
from codetune.training.rounding import StochasticRounding

ARCHITECTURES = read_architectures()
DEVICE = 24 * 2**30  # bytes that cards of "24 GB" have: most weights fit dequantised, which takes most memory
ALLOWED = 20.0  # GB that a proposed micro-batch takes at most
SMALL, BLOCK = 4096, 256  # bitsandbytes: numbers from which on a moment is in 8 bits, and those with one scale
SHORT = 128  # tokens of most samples; CodeAlpaca-20k's have 98 on average


@dataclass(frozen=True)
class JobMemory:
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


@dataclass(frozen=True)
class TrainingMemory(JobMemory):
    """GPU memory of a training, in bytes.

    Attributes:
        update: What the optimizer's step takes at most, gradients and state included, when nothing is kept.
        saved: What autograd keeps, by place.
    """

    update: int
    saved: Saved

    @property
    def of_update(self) -> float:
        """The optimizer's step, with what cannot be counted here."""
        return self.weights + (1 + SLACK) * self.update + CONTEXT


@dataclass(frozen=True)
class Held:
    """What a model and its training hold.

    Attributes:
        tuning: What is trained.
        weights: How the frozen weights of the layers are held: none (in bf16), int8, nf4 or fp4.
        precision: Type of what is trained.
        optimizer: As in the config.
        checkpointing: Whether each layer's activations are computed again in the backward pass.
    """

    tuning: TuningSettings
    weights: str = "nf4"
    precision: str = "float32"
    optimizer: str = "adamw"
    checkpointing: bool = False


def training(config: dict[str, Any], held: Held, lengths: list[int], attention: str = ON_GPU) -> TrainingMemory:
    """Memory of the second and later steps, when gradients and the optimizer's state are there.

    Args:
        config: A config.json.
        held: What is held.
        lengths: Tokens of the samples of a micro-batch, virtual ones included.
        attention: Name of the attention.
    """
    model = build(config, attention, held.tuning, held.weights, held.precision).train()
    if held.checkpointing:
        model.activation_checkpointing_enable()
    saved = Saved(model)
    with as_on_gpu(), FakeTensorMode(allow_non_fake_inputs=True) as mode, Live() as live:
        without_numbers(model, mode, live)
        saved.seen = {p.untyped_storage()._cdata: p.untyped_storage() for p in model.parameters()}
        weights = live.now
        trainable = [p for p in model.parameters() if p.requires_grad]
        for parameter in trainable:
            parameter.grad = torch.zeros_like(parameter)
        optimizer = make_optimizer(trainable, held)
        live.peak = live.now
        optimizer.step()
        update = live.peak - weights
        live.peak, live.places = live.now, len(lengths) * virtual_tokens_of(held.tuning)
        step(model, lengths, saved)
        del optimizer
    return TrainingMemory(weights, saved.total, live.peak - weights - saved.total, update, saved)


def make_optimizer(trainable: list[torch.nn.Parameter], held: Held) -> Any:
    """The optimizer of a training, as on a GPU."""
    if held.optimizer == "adamw_8bit":
        return In8Bits(trainable)
    optimizer: Any = torch.optim.AdamW(trainable, foreach=held.precision == "float32")
    if held.optimizer == "adafactor":
        optimizer = Adafactor(trainable, lr=1e-3, scale_parameter=False, relative_step=False)
    return optimizer if held.precision == "float32" else StochasticRounding(optimizer, seed=0)


class In8Bits:
    """The state of bitsandbytes' AdamW: two moments in a byte each, with a scale for each block; small ones in fp32."""

    def __init__(self, trainable: list[torch.nn.Parameter]) -> None:
        self.trainable, self.state = trainable, []  # type: ignore[var-annotated]

    def step(self) -> None:
        """Makes the state; the kernel needs nothing beside it."""
        for p in self.trainable * 2:
            small = p.numel() < SMALL
            self.state.append(torch.zeros(p.numel(), dtype=torch.float32 if small else torch.uint8))
            self.state.append(torch.zeros(0 if small else p.numel() // BLOCK))


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


def generation(
    config: dict[str, Any], tuning: TuningSettings | None, decoding: Decoding, prompt: int, weights: str = "nf4"
) -> JobMemory:
    """Memory of decoding the largest batch of prompts of one length: of reading them or of the last step.

    Args:
        config: A config.json.
        tuning: The adapter; None if only the untuned model is run.
        decoding: The settings.
        prompt: Tokens of a prompt.
        weights: How the frozen weights of the layers are held.
    """
    if tuning is not None and (tuning.kind == "full" or tuning.type in SOFT_PROMPTS):
        prompt, tuning = prompt + virtual_tokens_of(tuning), None  # nothing else is added to the model
    room = int(decoding.cache_gb * 1e9)
    tokens = prompt + decoding.max_new_tokens
    shape = SimpleNamespace(**{"is_encoder_decoder": False} | config)
    rows = min(decoding.batch_size, room // cache_bytes(shape, 2) // tokens)
    attention = "eager" if "attn_logit_softcapping" in config else "sdpa"
    if weights in ("nf4", "fp4") and fits_dequantised(config, room):
        weights = UNQUANTISED
    model = build(config, attention, tuning, weights).eval()
    for parameter in model.parameters():
        parameter.data = (
            parameter.data.to(torch.bfloat16) if parameter.requires_grad else parameter.data
        )  # load_adapter
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, Live() as live, torch.no_grad():
        without_numbers(model, mode, live)
        size = live.now
        kept = read(model, rows, prompt, live)
        steps = [JobMemory(size, kept, live.peak - size - kept)]
        kept = last_step(model, rows, tokens, live)
        steps.append(JobMemory(size, kept, live.peak - size - kept))
    return max(steps, key=lambda memory: memory.sum)


def fits_dequantised(config: dict[str, Any], room: int) -> bool:
    """Whether codetune.generation.load_for_decoding turns the 4-bit weights into bf16 on an otherwise empty GPU."""
    count = parameters(config)
    free = DEVICE - CONTEXT - 0.52 * count["layers"] - 2 * count["embedding"]
    return 2 * count["layers"] <= free - room - RESERVE


def read(model: Any, rows: int, width: int, live: Live) -> int:
    """Reads prompts, as decoding begins, with the peak counted from here. Returns the bytes of keys and values."""
    before = live.peak = live.now
    _tokens, _mask, cache = prefill(model, [[0] * width] * rows)
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
    next_logits(model, last, mask, last + tokens - 1, cache).argmax(-1)
    return live.now - before


def held(plan: TrainingPlan) -> Held:
    """What a training holds, by its plan."""
    settings = plan.settings
    return Held(
        tuning=plan.tuning,
        weights=plan.quantization.type,
        precision=settings.precision,
        optimizer=settings.optimizer,
        checkpointing=plan.memory.gradient_checkpointing,
    )


def samples_of(sequences: int, length: int) -> list[int]:
    """Tokens of the samples of packed sequences: one sequence is a single sample, the worst where scores are kept."""
    return [length] + [SHORT] * ((sequences - 1) * length // SHORT)


def largest(sums: dict[int, float], batch_size: int) -> int:
    """The largest micro-batch that divides the batch and is allowed, on the line through the sums of two others."""
    (few, small), (many, large) = sorted(sums.items())
    slope = (large - small) / (many - few)
    divisors = [n for n in range(1, batch_size + 1) if batch_size % n == 0]
    return max((n for n in divisors if small + (n - few) * slope <= ALLOWED * 1e9), default=1)


def training_table(study: Study) -> dict[str, dict[str, Any]]:
    """Training of each model that the study tunes, by name."""
    table = {}
    for run in study.training_runs:
        plan = study.for_training(run)
        chosen, length = plan.memory.micro_batch, plan.settings.max_length
        memory = training(ARCHITECTURES[run.model]["config"], held(plan), samples_of(chosen, length))
        sums = {0: memory.weights + CONTEXT, chosen: memory.sum}
        table[run.model] = {
            "micro_batch": chosen,
            **in_gb(memory),
            "largest_micro_batch": largest(sums, plan.settings.batch_size),
            "kept_mb_per_token": memory.kept / chosen / length / 1e6,
            "kept_most": [
                {"where": where, "shape": shape, "type": kind, "share": size / memory.kept}
                for (where, shape, kind), size in memory.saved.by_place.most_common(12)
            ],
        }
        report(run.model, table[run.model])
    return table


def generation_table(study: Study) -> dict[str, dict[str, Any]]:
    """Generation of each model, by name: the worse of short prompts and long ones."""
    adapters = {run.model: study.for_training(run).tuning for run in study.training_runs}
    table = {}
    for name in study.models:
        config, tuning = ARCHITECTURES[name]["config"], adapters.get(name)
        prompts = (SHORT // 2, study.training["max_length"])
        sizes = [generation(config, tuning, study.decoding, prompt) for prompt in prompts]
        table[name] = in_gb(max(sizes, key=lambda memory: memory.sum))
        report(name, table[name])
    return table


def in_gb(memory: JobMemory) -> dict[str, float]:
    """GB of each part, and of all."""
    rest = memory.sum - memory.weights - memory.kept
    parts = {"weights": memory.weights, "kept": memory.kept, "rest": rest, "sum": memory.sum}
    return {key: value / 1e9 for key, value in parts.items()}


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


def benchmark(out: Path) -> None:
    """Works out both tables of the study."""
    study = full_study()
    tables = {"training": training_table(study), "generation": generation_table(study)}
    write_result(out, [row_of(part, table) for part, table in tables.items()], **tables)


def main() -> None:
    """Works out what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="result of the benchmark")
    parser.add_argument("--table", type=Path, help="file of what trainings need, which is added to")
    parser.add_argument("--config", type=Path, nargs="+", action="append", help="overlays of one study; of more, again")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.out:
        benchmark(options.out)
    if options.table:
        from memory_table import write_table

        write_table(options.table, options.config or [[]])


if __name__ == "__main__":
    main()
