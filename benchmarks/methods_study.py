"""A study of every model with every method of config/methods.yaml, and one more: 162 trainings with three seeds."""

from collections.abc import Iterable
from typing import Any

import yaml
from common import ROOT

Entry = dict[str, Any]
NINTH = "rslora"
UNTUNED = ("base", "base-bf16", "base-8bit")


def methods_study(seeds: Iterable[int] = (0, 1, 2)) -> Entry:
    """An overlay of config/config.yaml: its six models, all of them tuned, by nine methods, without a search.

    Args:
        seeds: Of the trainings.
    """
    shipped, paper = (
        yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8")) for name in ("methods", "config")
    )
    methods = {name: _without_search(entry) for name, entry in shipped["methods"].items()}
    methods[NINTH] = {**methods["lora"], "peft": {**methods["lora"]["peft"], "use_rslora": True}}
    tuned = ["qlora", *(name for name, entry in methods.items() if "peft" in entry or "full" in entry)]
    runs = {"datasets": paper["runs"][0]["datasets"], "models": list(paper["models"])}
    return {
        "models": {name: {"batch_size": 64, "epochs": 50, "micro_batch": 2} for name in paper["models"]},
        "methods": {**methods, "qlora": _fused(paper["methods"]["qlora"])},
        "runs": [
            {**runs, "methods": list(UNTUNED), "seeds": [0]},
            {**runs, "methods": tuned, "seeds": list(seeds)},
        ],
    }


def _without_search(entry: Entry) -> Entry:
    """A method with the first of each list of values; its adapters lie on all linear layers, whatever their names."""
    training = entry.get("training", {})
    first = {key: value[0] if isinstance(value, list) else value for key, value in training.items()}
    return _fused({**entry, **({"training": first} if training else {})})


def _fused(entry: Entry) -> Entry:
    """A method for Phi-3, too, whose projections are fused."""
    if entry.get("peft", {}).get("type") != "LORA":
        return entry
    return {**entry, "peft": {**entry["peft"], "target_modules": "all-linear"}}
