"""Part 5: speed on two models of the study at full size, against TRL, `model.generate` and the card's own limits."""

import json
import os
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from common import ROOT, limit_gpu_memory, read_architectures
from gpu.findings import LIMIT, Finding, Look, tried

# isort: split

from codetune.models.shapes import parameters

PEFT_RUNS, ANCHOR = ROOT / "benchmarks" / "peft_runs.json", "lora--llama-3.2-3B-rank32"
L40S = 362e12  # operations per second in bf16, dense, by NVIDIA's data sheet
MODELS = ("llama-3.2-1b", "qwen2.5-3b")
NEEDED = 45.0  # seconds that must be left where training or decoding of a model begins
DEFAULTS = "TRL's defaults"
TRAINING_GOAL, BEST_GOAL, DECODING_GOAL = 3.0, 1.0, 6.0  # times as fast
SHARE_GOAL = 0.5  # of the rate of torch.mm
ROWS = (1, 64)  # sequences in a batch whose decoding step is timed


def check(small: bool) -> Iterator[Finding]:
    """Measures the limits, then training and decoding of each model."""
    limit_gpu_memory()
    end = time.monotonic() + float(os.environ.get(LIMIT, "inf"))
    rates: dict[str, float] = {}
    yield tried("limits of the card", "-", lambda: (_limits(rates, small), None))
    if not rates:
        return
    for name in MODELS[:1] if small else MODELS:
        for measure in (training, decoding):
            if end - time.monotonic() < NEEDED:
                yield Finding(f"{measure.__name__}, {name}", "is measured", "not run: no time is left", ok=None)
            else:
                yield from measure(name, rates, small)
    yield anchor()


def anchor() -> Finding:
    """What others reached: PEFT's comparison of methods with LoRA, on the one card that it ran on."""
    run = next(run for run in json.loads(PEFT_RUNS.read_text(encoding="utf-8"))["runs"] if run["name"] == ANCHOR)
    count = parameters(read_architectures()["llama-3.2-3b"]["config"])
    # As in Trainings.operations_per_token, but that all tokens are scored.
    operations = 4 * (count["layers"] + count["embedding"]) + 6 * run["trainable"]
    reached = run["tokens_per_s"] * operations
    share = f"{reached / L40S:.0%} of {L40S / 1e12:.0f} TFLOP/s"
    found = f"{share}: {run['tokens_per_s']:,.0f} tokens/s, {reached / 1e12:.3g} TFLOP/s"
    return Finding("training, for comparison: PEFT's LoRA r = 32, llama-3.2-3b, on an L40S", "-", found, ok=None)


def _limits(rates: dict[str, float], small: bool) -> str:
    """Measures the card's limits, into `rates`."""
    import torch
    from gpu.limits import copy_rate, multiplication_rate
    from gpu.weights import free
    from subjects import quantization

    dtype = quantization().compute_dtype
    multiplied, copied = multiplication_rate(getattr(torch, dtype), small), copy_rate(small)
    rates.update(multiplied=multiplied, copied=copied)
    free()
    return f"torch.mm {multiplied / 1e12:.3g} TFLOP/s in {dtype}, memory {copied / 1e9:.3g} GB/s"


def training(name: str, limits: dict[str, float], small: bool) -> Iterator[Finding]:
    """Compares the study's trainer with the card's limit, with TRL's defaults, and with the best of TRL's settings."""
    from training import PEERS

    trainings: Any = None
    rates: dict[str, float] = {}

    def ours() -> Look:
        from gpu.training_speed import Trainings

        nonlocal trainings
        trainings = Trainings(name, small)
        rates["ours"] = trainings.rate_of_ours()
        reached = rates["ours"] * trainings.operations_per_token()
        share = reached / limits["multiplied"]
        found = f"{share:.0%}: {rates['ours']:,.0f} useful tokens/s, {reached / 1e12:.3g} TFLOP/s"
        return found, verdict(share >= SHARE_GOAL, small)

    yield tried(f"training, {name}: share of torch.mm's rate", f"at least {SHARE_GOAL:.0%}", ours)
    if not rates:
        return
    title, aim = f"training, {name}: against {DEFAULTS}", f"at least {TRAINING_GOAL:.1f} x"
    yield tried(title, aim, _against(trainings.rate_of_trl, [DEFAULTS], PEERS, rates["ours"], TRAINING_GOAL, small))
    title, aim = f"training, {name}: against TRL's best settings", f"at least {BEST_GOAL:.1f} x"
    others = [way for way in PEERS if way != DEFAULTS]
    yield tried(title, aim, _against(trainings.rate_of_trl, others, PEERS, rates["ours"], BEST_GOAL, small))


def _against(
    rate_of: Callable[[dict[str, object]], float],
    ways: list[str],
    settings: dict[str, dict[str, object]],
    ours: float,
    goal: float,
    small: bool,
) -> Callable[[], Look]:
    """A look at how many times faster our rate is than that of the fastest of some ways; those that fail are named."""

    def look() -> Look:
        rates: dict[str, float] = {}
        notes = []
        for way in ways:
            try:
                rates[way] = rate_of(settings[way])
            except Exception as error:  # another way may do; the error itself would keep a model in memory
                traceback.print_exc()
                notes.append(f"{way} failed: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}")
        if not rates:
            return "; ".join(notes), False
        best = max(rates, key=lambda way: rates[way])
        found = f"{ours / rates[best]:.2f} x: {ours:,.0f} and {rates[best]:,.0f} useful tokens/s ({best})"
        return "; ".join([found, *notes]), verdict(ours / rates[best] >= goal, small)

    return look


def decoding(name: str, limits: dict[str, float], small: bool) -> Iterator[Finding]:
    """Compares the study's decoding with `model.generate`, and its steps with the card's limit."""
    from gpu.decoding_speed import PEER_BATCH, Decodings

    decodings = Decodings(name, small)
    model = None

    def against() -> Look:
        nonlocal model
        theirs = decodings.by_generate()
        model = decodings.load()
        ours = decodings.by_the_study(model)
        same = sum(ours.completions[number] == theirs.completions[number] for number in theirs.completions)
        times, prompts = ours.rate / theirs.rate, f"{len(ours.completions)} and {len(theirs.completions)} prompts"
        found = (
            f"{times:.2f} x: {ours.rate:,.0f} and {theirs.rate:,.0f} tokens/s on {prompts}, {same} with the same tokens"
        )
        return found, verdict(times >= DECODING_GOAL, small)

    batches = f"model.generate in 4 bits, batches of {PEER_BATCH}"
    yield tried(f"decoding, {name}: against {batches}", f"at least {DECODING_GOAL:.1f} x", against)
    for rows in ROWS:
        if model is None:
            return

        def share(rows: int = rows) -> Look:
            step = decodings.step(model, rows)
            read = step.bytes / step.seconds
            found = f"{read / limits['copied']:.0%}: {rows / step.seconds:,.0f} tokens/s, {read / 1e9:.3g} GB/s"
            return found, None

        yield tried(f"decoding, {name}, {rows} at once: share of the memory's bandwidth", "-", share)


def verdict(reached: bool, small: bool) -> bool | None:
    """Whether a goal is reached; in small nothing is said."""
    return None if small else reached
