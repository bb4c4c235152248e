"""What the trainings of studies need, in the file by which a plan says what does not fit on a GPU of 24 GB."""

import json
from pathlib import Path
from typing import Any

import yaml
from common import ROOT
from memory import ARCHITECTURES, SHORT, Held, held, samples_of, training

# isort: split

from codetune.models.fits import GPU_GB, memory_key, needed
from codetune.study.config import load_study
from codetune.study.training import TrainingPlan
from codetune.study.tunings import virtual_tokens_of

ABOUT = (
    "GB (1e9 bytes) that trainings need, by `python benchmarks/memory.py --table benchmarks/memory.json`: a sequence "
    "at once takes sequence_gb on top of fixed_gb, and the end of a step takes update_gb whatever their number. Keys "
    "are hashes of what memory depends on (workflow/scripts/codetune/models/fits.py)."
)
LAYERS = (2, 4)  # of models that stand for deeper ones; even, because some types of model have two kinds of layers
ROWS, ROWS_OF_ALL = (1, 2), (32, 64)  # sequences at once, of adapters and of whole models
LAYERS_NAMED = {"layers_to_transform", "adapter_layers"}  # keys of PEFT that need all of a model's layers
# Keys of PEFT that train some of the largest weights, embedding and output layer, beside an adapter.
WEIGHTS_TRAINED = {"modules_to_save", "trainable_token_indices", "token_indices"}
DIGITS = 3


def write_table(path: Path, studies: list[list[Path]]) -> None:
    """Adds the trainings of studies to the table, and prints what fits.

    Args:
        path: The table.
        studies: Overlays of config/config.yaml, of each study.
    """
    table = json.loads(path.read_text()) if path.exists() else {"about": ABOUT, "shapes": {}, "trainings": {}}
    for overlays in studies:
        merged = read_config(overlays)
        study = load_study(merged)
        for run in study.planned:
            model = study.models[run.model]
            config = shapes(run.model, merged)
            if config is None:
                print(f"{run.model}: its shapes are not in benchmarks/architectures.json", flush=True)
                continue
            table["shapes"][model.source.repo] = config
            plan = study.for_training(run)
            key = memory_key(config, plan)
            if key not in table["trainings"]:
                table["trainings"][key] = {"model": run.model, "method": run.method, **entry(config, plan)}
            found = table["trainings"][key]
            print(told(run.model, run.method, found, plan), flush=True)
            lines = sorted((key, json.dumps(found, allow_nan=False)) for key, found in table["trainings"].items())
            body = ",\n".join(f'  "{key}": {found}' for key, found in lines)
            head = ",\n".join(
                f'  "{repo}": {json.dumps(config, allow_nan=False)}' for repo, config in sorted(table["shapes"].items())
            )
            about = json.dumps(ABOUT, allow_nan=False)
            text = f'{{\n "about": {about},\n "shapes": {{\n{head}\n }},\n "trainings": {{\n{body}\n }}\n}}\n'
            path.write_text(text, encoding="utf-8")


def read_config(overlays: list[Path]) -> dict[str, Any]:
    """config/config.yaml with overlays, merged as Snakemake does it."""
    merged: dict[str, Any] = {}
    for path in [ROOT / "config" / "config.yaml", *overlays]:
        _merge(merged, yaml.safe_load(path.read_text(encoding="utf-8")))
    return merged


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def shapes(name: str, merged: dict[str, Any]) -> dict[str, Any] | None:
    """The sizes of a model, which are those of the model that it is a variant of; None where they are not known."""
    known = ARCHITECTURES.get(name) or ARCHITECTURES.get(merged["models"][name].get("variant_of", ""))
    config: dict[str, Any] | None = known["config"] if known else None
    return config


def entry(config: dict[str, Any], plan: TrainingPlan) -> dict[str, float]:
    """What a training needs, from two numbers of sequences at once and, of adapters, from models of few layers.

    With an adapter, layers and sequences add up. Where large weights have gradients, what is the fullest moment depends
    on how deep the model is.
    """
    depth = int(config["num_hidden_layers"])
    if plan.tuning.kind == "full" or (LAYERS_NAMED | WEIGHTS_TRAINED) & plan.tuning.peft.keys():
        sizes = _of_depth(config, plan, ROWS_OF_ALL)
        # Of few sequences the fullest moment is another: the last gradients, when little else is left.
        one = training(config, held(plan), lengths(1, plan.settings.max_length, plan, held(plan)))
        sizes["update_gb"] = max(sizes["update_gb"], one.sum)
    else:
        few, many = (_of_depth(config | {"num_hidden_layers": layers}, plan, ROWS) for layers in LAYERS)
        more = (depth - LAYERS[0]) / (LAYERS[1] - LAYERS[0])
        sizes = {name: few[name] + more * (many[name] - few[name]) for name in few}
    return {name: round(size / 1e9, DIGITS) for name, size in sizes.items()}


def _of_depth(config: dict[str, Any], plan: TrainingPlan, rows: tuple[int, int]) -> dict[str, float]:
    """Bytes that a training of a model needs: without sequences, for one more, and for the optimizer's step."""
    what, length = held(plan), plan.settings.max_length
    few, many = (training(config, what, lengths(count, length, plan, what)) for count in rows)
    sequence = (many.sum - few.sum) / (rows[1] - rows[0])
    return {"fixed_gb": few.sum - rows[0] * sequence, "sequence_gb": sequence, "update_gb": few.of_update}


def lengths(count: int, length: int, plan: TrainingPlan, what: Held) -> list[int]:
    """Tokens of the samples of so many sequences; where each is one sample, one is long and the others are short."""
    if plan.settings.packing:
        return samples_of(count, length)
    virtual = virtual_tokens_of(what.tuning)
    return [length + virtual] + [SHORT + virtual] * (count - 1)


def told(model: str, method: str, found: dict[str, Any], plan: TrainingPlan) -> str:
    """What a training needs and how many sequences at once fit, in a line."""
    rows = plan.memory.micro_batch
    fitting = [n for n in range(1, plan.settings.batch_size + 1) if plan.settings.batch_size % n == 0]
    most = max((n for n in fitting if needed(found, n) <= GPU_GB), default=0)
    fits = f"at most {most} at once fit" if most else "not even one fits"
    return f"{model} {method}: {needed(found, rows):.1f} GB with {rows} at once; on {GPU_GB:.0f} GB {fits}"
