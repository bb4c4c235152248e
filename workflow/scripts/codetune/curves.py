"""The training curve: ROUGE-L of kept checkpoints on a fixed part of the validation samples."""

import random
import statistics
from pathlib import Path
from typing import Any

from codetune.files import write_json
from codetune.generation import Prediction, generate
from codetune.metrics import rouge_l
from codetune.models import load_adapter, load_base, replace_adapter, set_determinism
from codetune.samples import read_samples
from codetune.tokens import load_tokenizer, read_tokens

SUBSET_SEED = 0  # one subset for all models, checkpoints and seeds


def measure_curve(
    samples: str,
    tokens: str,
    checkpoint: str,
    checkpoints: str,
    attention: str,
    quantization: dict[str, Any],
    settings: dict[str, Any],
    count: int,
    target: str,
) -> None:
    """Measures ROUGE-L of the untuned model (step 0) and of each kept checkpoint (the paper's Figure 2).

    The base is loaded once; the checkpoints' adapters take turns beside it.

    Args:
        samples: The validation samples, for the references.
        tokens: Token set of the validation samples.
        checkpoint: Folder of the base model.
        checkpoints: Folder with adapters named `step-<n>`.
        attention: `sdpa` or `eager`.
        quantization: The config's `quantization`.
        settings: The config's `generation`.
        count: Number of validation samples to use.
        target: JSON to write: the samples' ids and one point a checkpoint.
    """
    set_determinism(0)
    ids = choose_subset([sample.id for sample in read_tokens(tokens)], count)
    references = {sample.id: sample.output for sample in read_samples(samples)}
    prompts = [sample for sample in read_tokens(tokens) if sample.id in ids]
    tokenizer = load_tokenizer(checkpoint)
    model: Any = load_base(checkpoint, quantization, attention)
    points = [_point(0, generate(model, tokenizer, prompts, settings), references)]
    for folder in sorted(Path(checkpoints).glob("step-*")):
        model = load_adapter(model, folder) if len(points) == 1 else replace_adapter(model, folder)
        step = int(folder.name.removeprefix("step-"))
        points.append(_point(step, generate(model, tokenizer, prompts, settings), references))
        print(f"step {step}: ROUGE-L {points[-1]['rouge_l']:.4f}", flush=True)
    write_json(target, {"samples": sorted(ids), "points": points})


def choose_subset(ids: list[int], count: int) -> set[int]:
    """A seeded choice of samples; all of them where there are fewer."""
    return set(random.Random(SUBSET_SEED).sample(sorted(ids), min(count, len(ids))))


def _point(step: int, predictions: list[Prediction], references: dict[int, str]) -> dict[str, float]:
    return {
        "step": step,
        "rouge_l": statistics.fmean(rouge_l(references[p.id], p.text).f1 for p in predictions),
        "truncated": sum(p.truncated for p in predictions) / len(predictions),
    }
