"""Rule curve: predictions of the kept checkpoints on a fixed subset of the validation samples."""

from pathlib import Path
from typing import Any

from codetune.base.files import write_json
from codetune.base.identity import file_hashes
from codetune.base.machine import environment
from codetune.base.unfinished import unfinished_work
from codetune.data.samples import choose_subset, read_samples
from codetune.evaluation.curve import curve_point
from codetune.generation.batches import generate
from codetune.generation.generate import load_for_decoding, prompt_limit
from codetune.methods.adapters import ADAPTER, load_adapter, replace_adapter
from codetune.models.device import set_determinism
from codetune.models.loading import Checkpoint
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.tokensets import read_tokens


def measure_curve(
    samples: str,
    tokens: str,
    base: Checkpoint,
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
        "inputs": file_hashes(prompts=tokens, **{path.name: path / ADAPTER for path in adapters.values()}),
        "code": code,
        "packages": environment()["packages"],
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
            points.append(curve_point(step, predictions, references))
            print(f"step {step}: ROUGE-L {points[-1]['rouge_l']:.4f}", flush=True)
        write_json(target, {"samples": sorted(ids), "points": points})
