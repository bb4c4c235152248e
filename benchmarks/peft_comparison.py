"""Holds counts and the memory model against what PEFT's own comparison of methods measured on a GPU.

Usage: python benchmarks/peft_comparison.py --out FILE.md [--runs FILE.json]

Each published run is set up as that comparison's `run.py` does it, on tensors without numbers (see memory.py): bfloat16
weights, PEFT's own choice of the adapter's type, no autocast, padded batches, scores of all tokens in fp32, and the
optimizer's own step. What is alive at the fullest moment is held against the most that torch had reserved.
"""

import argparse
import dataclasses
import json
import statistics
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import peft
import torch
from common import ROOT, read_architectures
from counting import Live
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from peft.optimizers import create_lorafa_optimizer, create_loraplus_optimizer, create_riemannian_optimizer
from torch._subclasses.fake_tensor import FakeTensorMode
from weightless import without_numbers

# isort: split

from codetune.methods.counting import model_on_meta
from codetune.methods.on_meta import attach_on_meta, with_scikit_learn

RUNS = ROOT / "benchmarks" / "peft_runs.json"
BATCH, LENGTH = 4, 768  # samples of a batch; most tokens of one, which the longest are taken to have
PROMPTS, CACHED, NEW = 50, 800, 300  # of their evaluation: prompts at once, most tokens of one, new ones among them
WITHIN = 0.15
OPTIMIZERS = {
    "lora-fa": create_lorafa_optimizer,
    "lora+": create_loraplus_optimizer,
    "riemannian": create_riemannian_optimizer,
}


@dataclass(frozen=True)
class WorkedOut:
    """What is worked out of a run.

    Attributes:
        trainable: Parameters that are trained, when the optimizer is there.
        total: All parameters.
        training: Most bytes alive in a step of the longest batch.
        evaluation: Most bytes alive while the largest batch of prompts is completed.
        between: Bytes alive between two steps, with gradients and without scores.
    """

    trainable: int
    total: int
    training: int
    evaluation: int
    between: int

    @property
    def peak(self) -> int:
        """Most bytes alive at all."""
        return max(self.training, self.evaluation)


class UnknownError(Exception):
    """The installed PEFT lacks what a run uses."""


def work_out(run: dict[str, Any], config: dict[str, Any]) -> WorkedOut:
    """Sets up a published run, trains two steps and reads prompts, all on tensors without numbers.

    Args:
        run: As in peft_runs.json.
        config: The model's config.json.

    Raises:
        UnknownError: The installed PEFT lacks the type or one of its settings.
    """
    trainable, total = count(run, config)
    model, settings = make_model(run, config), run["train_config"]
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, Live() as live:
        without_numbers(model, mode, live)
        optimizer = make_optimizer(model, settings)
        evaluation = evaluate(model, live)
        step(model, optimizer, 8)  # the optimizer's state is made
        live.peak = live.now
        step(model, optimizer, LENGTH)
        training = live.peak
    return WorkedOut(trainable, total, training, evaluation, live.now)


def count(run: dict[str, Any], config: dict[str, Any]) -> tuple[int, int]:
    """Counts the trainable parameters of a published run, and all of them, once its optimizer is made.

    Raises:
        UnknownError: The installed PEFT lacks the type or one of its settings.
    """
    model = make_model(run, config)
    make_optimizer(model, run["train_config"])
    parameters = list(model.parameters())
    return sum(p.numel() for p in parameters if p.requires_grad), sum(p.numel() for p in parameters)


def make_model(run: dict[str, Any], config: dict[str, Any]) -> Any:
    """The model of a published run, on the meta device."""
    model = model_on_meta(config, attn_implementation="sdpa")
    if run["peft_config"] is None:
        return model
    cast = run["train_config"]["autocast_adapter_dtype"]
    return attach_on_meta(model, peft_config(run["peft_config"]), autocast_adapter_dtype=cast)


def peft_config(published: dict[str, Any]) -> Any:
    """A published configuration in the installed PEFT, without settings that are off and that it does not know."""
    kind = published["peft_type"]
    if kind not in PEFT_TYPE_TO_CONFIG_MAPPING:
        raise UnknownError(f"no type {kind} in PEFT {peft.__version__}")
    made = PEFT_TYPE_TO_CONFIG_MAPPING[kind]
    known = {field.name for field in dataclasses.fields(made) if field.init}
    keys = {key: value for key, value in published.items() if key in known}
    more = [key for key, value in published.items() if key not in known and value and key != "peft_type"]
    if more:
        raise UnknownError(f"no setting {more[0]} of {kind} in PEFT {peft.__version__}")
    if kind == "ADALORA":
        keys.pop("rank_pattern", None)  # what was left at the end
    with with_scikit_learn():
        return made(**keys | {"task_type": "CAUSAL_LM", "inference_mode": False})


def make_optimizer(model: Any, settings: dict[str, Any]) -> torch.optim.Optimizer:
    """The optimizer of a run, as on a GPU, where torch takes all parameters at once."""
    kind, options = settings["optimizer_type"], settings["optimizer_kwargs"]
    if kind in OPTIMIZERS:
        more = {"optimizer_cls": torch.optim.AdamW} if kind != "lora-fa" else {}
        return OPTIMIZERS[kind](model, **more, **options)
    return getattr(torch.optim, kind)(model.parameters(), foreach=True, **options)


def step(model: Any, optimizer: torch.optim.Optimizer, length: int) -> None:
    """A step of the training: gradients are dropped at its beginning, clipped, and there still at its end."""
    model.train()
    ids = torch.zeros(BATCH, length, dtype=torch.long)
    optimizer.zero_grad()
    output = model(
        input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids.clone(), num_items_in_batch=BATCH * length
    )
    output.loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
    optimizer.step()
    if hasattr(model.base_model, "update_and_allocate"):  # AdaLoRA
        model.base_model.update_and_allocate(1)


def evaluate(model: Any, live: Live) -> int:
    """Most bytes alive while prompts are read, and while the last token is added to keys and values of that length."""
    model.eval()
    live.peak = live.now
    ids = torch.zeros(PROMPTS, CACHED - NEW, dtype=torch.long)
    with torch.no_grad():
        output = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=True, logits_to_keep=1)
        cache = sum(x.nbytes for layer in output.past_key_values.layers for x in (layer.keys, layer.values))
        # A token more means new keys and values of one layer beside the old ones.
        grown = cache * CACHED // ids.shape[1]
        layers = len(output.past_key_values.layers)
        last = live.now - cache + grown + grown // layers
    return max(live.peak, last)


def row(run: dict[str, Any], config: dict[str, Any]) -> WorkedOut | str:
    """What is worked out of a run, or why nothing is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return work_out(run, config)
    except UnknownError as reason:
        return str(reason)


def markdown(runs: list[dict[str, Any]], found: list[WorkedOut | str], source: str) -> str:
    """The table of all runs, below what it says."""
    known = [(run, one) for run, one in zip(runs, found, strict=True) if isinstance(one, WorkedOut)]
    ratios = {run["name"]: one.peak / run["memory_max"] for run, one in known}
    near = [name for name, ratio in ratios.items() if abs(ratio - 1) <= WITHIN]
    counts = sum((one.trainable, one.total) == (run["trainable"], run["total"]) for run, one in known)
    scores = statistics.median(run["allocated_avg"] - one.between for run, one in known)
    lines = [
        TEXT.format(
            source=source,
            versions=", ".join(f"{name} {version(name)}" for name in ("peft", "torch", "transformers")),
            counts=f"{counts} of {len(known)}",
            near=f"{len(near)} of {len(known)}",
            middle=f"{statistics.median(ratios.values()):.3f}",
            lowest=f"{min(ratios.values()):.2f}",
            highest=f"{max(ratios.values()):.2f}",
            evaluation=f"{max(one.evaluation for _, one in known) / 1e9:.1f}",
            scores=f"{scores / 1e9:.2f}",
        )
    ]
    for run, one in zip(runs, found, strict=True):
        if isinstance(one, str):
            lines.append(f"| {run['name']} | {run['trainable']:,} | {one} | | | | |")
            continue
        equal = "equal" if (one.trainable, one.total) == (run["trainable"], run["total"]) else f"{one.trainable:,}"
        more = (run["allocated_avg"] - one.between) / 1e9
        lines.append(
            f"| {run['name']} | {run['trainable']:,} | {equal} | {run['memory_max'] / 1e9:.2f} | {one.peak / 1e9:.2f} "
            f"| {ratios[run['name']]:.3f} | {more:.3f} |"
        )
    return "\n".join(lines) + "\n"


TEXT = """# Counts and memory against PEFT's comparison of methods

Written by `python benchmarks/peft_comparison.py --out benchmarks/results/peft-comparison.md`: 5 minutes on one core,
no GPU. Published: [MetaMathQA]({source}),
runs of Llama-3.2-3B on one L40S with PEFT 0.18.2 to 0.20.1 (Apache-2.0). Here: {versions}.

- **Parameters**, trainable and in all, as the installed PEFT counts them on the meta device: equal for **{counts}**.
- **Peak memory**: within 15 % for **{near}**. The median of worked out / published is {middle}; they range from
  {lowest} to {highest}. Nothing is fitted.
- What is published is the most that torch had *reserved*, over training and evaluation. What is worked out is the most
  that is *allocated* at once; CUDA's own memory is in neither. Idle blocks make the first larger. Their longest batch
  is not published; it is taken to have 4 x 768 tokens, the most that it may have, which makes the second larger. How
  they measure was read in `run.py` and `utils.py` of earlier versions than the runs'.
- The peak is the loss of the longest batch: the scores of all its tokens, in bf16 and several times in fp32, on top of
  what the backward pass needs. Completing 50 prompts of 500 tokens takes at most {evaluation} GB, so their evaluation
  decides no peak.
- **Between two steps** there are weights, gradients, moments, and the scores of the last batch. The last column is the
  published mean after a step minus what is worked out without scores. It is {scores} GB for nearly all: the scores of
  the average batch, some 340 tokens long. Soft prompts make rows longer.
- Further off, with the reason:
  - `osf`: PEFT 0.21 no longer keeps the factors of a weight that it can do without, nor makes that weight anew.
  - `frod` moves the weights that it replaces to the CPU, which is not seen here.
  - `lora-fa` froze A according to its count, but the published mean has room for A's gradients (22 MB), and the peak
    for the fp32 inputs that these need.

| run | trainable | counted here | reserved, published | allocated, worked out | ratio | between steps |
|---|---:|---:|---:|---:|---:|---:|"""


def main() -> None:
    """Works out all runs and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=RUNS, help="published runs, as in benchmarks/peft_runs.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = read_architectures()["llama-3.2-3b"]["config"]
    published = json.loads(options.runs.read_text(encoding="utf-8"))
    found = []
    for run in published["runs"]:
        found.append(row(run, config))
        print(run["name"], found[-1], flush=True)
    options.out.write_text(markdown(published["runs"], found, published["source"]), encoding="utf-8")


if __name__ == "__main__":
    main()
