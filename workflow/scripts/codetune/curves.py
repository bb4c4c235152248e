"""The training curve: ROUGE-L of kept checkpoints on a fixed part of the validation samples."""

import random
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from codetune import records
from codetune.bootstrap import draw, interval
from codetune.files import write_json
from codetune.generation import Base, Prediction, generate, load_for_decoding, prompt_limit
from codetune.models import ADAPTER, load_adapter, replace_adapter, set_determinism
from codetune.rouge import rouge_l
from codetune.samples import read_samples
from codetune.tokens import load_tokenizer, read_tokens
from codetune.unfinished import unfinished_work

SUBSET_SEED = 0  # one subset, and the same resamples, for all models, checkpoints and seeds
RESAMPLES = 10_000


def measure_curve(
    samples: str,
    tokens: str,
    base: Base,
    checkpoints: str,
    settings: dict[str, Any],
    count: int,
    code: str,
    work: str,
    target: str,
) -> None:
    """Measures ROUGE-L of the untuned model (step 0) and of each kept checkpoint (the paper's Figure 2).

    The base is loaded once; the checkpoints' adapters take turns beside it. If an earlier attempt at the same was cut
    off, the batches that it finished are used.

    Args:
        samples: The validation samples, for the references.
        tokens: Token set of the validation samples.
        base: The base model.
        checkpoints: Folder with adapters named `step-<n>`.
        settings: The config's `generation`.
        count: Number of validation samples to use.
        code: Hash of the code: what other code left unfinished is not used.
        work: Folder of unfinished work, removed in the end.
        target: JSON to write: the samples' ids and one point a checkpoint.
    """
    set_determinism(0)
    ids = choose_subset([sample.id for sample in read_tokens(tokens)], count)
    references = {sample.id: sample.output for sample in read_samples(samples)}
    prompts = [sample for sample in read_tokens(tokens) if sample.id in ids]
    adapters = {int(path.name.removeprefix("step-")): path for path in sorted(Path(checkpoints).glob("step-*"))}
    identity = {
        "settings": {**settings, "samples": count},
        **base.identity(),
        "inputs": records.file_hashes(prompts=tokens, **{path.name: path / ADAPTER for path in adapters.values()}),
        "code": code,
        "packages": records.environment()["packages"],
    }
    with unfinished_work(work, identity) as folder:
        tokenizer, model, limit = (
            load_tokenizer(base.checkpoint),
            load_for_decoding(base, settings),
            prompt_limit(settings),
        )
        points: list[dict[str, Any]] = []
        for step, adapter in {0: None, **adapters}.items():
            if adapter is not None:
                model = replace_adapter(model, adapter) if len(points) > 1 else load_adapter(model, adapter)
            predictions = generate(model, tokenizer, prompts, settings, limit, folder / f"step-{step:06d}.jsonl")
            points.append(_point(step, predictions, references))
            print(f"step {step}: ROUGE-L {points[-1]['rouge_l']:.4f}", flush=True)
        write_json(target, {"samples": sorted(ids), "points": points})


def choose_subset(ids: list[int], count: int) -> set[int]:
    """A seeded choice of samples; all of them where there are fewer."""
    return set(random.Random(SUBSET_SEED).sample(sorted(ids), min(count, len(ids))))


def _point(step: int, predictions: list[Prediction], references: dict[int, str]) -> dict[str, Any]:
    """Mean ROUGE-L F1 with its bootstrap interval over these samples, and the share of predictions cut off."""
    scores = np.array([rouge_l(references[p.id], p.text).f1 for p in predictions])
    weights = draw(np.random.default_rng(SUBSET_SEED), len(scores), RESAMPLES)
    return {
        "step": step,
        "rouge_l": statistics.fmean(scores.tolist()),
        "interval": interval(weights @ scores / len(scores)),
        "truncated": sum(p.truncated for p in predictions) / len(predictions),
    }
