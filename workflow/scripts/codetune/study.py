"""The configuration: checked in one place, and turned into the table of runs that drives every rule."""

import difflib
import json
import math
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from codetune.errors import StudyError

SCHEMA = Path(__file__).parents[2] / "schemas" / "config.schema.json"
TRAINING_KEYS = ("batch_size", "epochs", "micro_batch")


@dataclass(frozen=True)
class Run:
    """One run of the study; the untuned model is the method without an adapter."""

    dataset: str
    model: str
    method: str
    seed: int
    tuned: bool


def load_runs(config: dict[str, Any]) -> list[Run]:
    """Checks the configuration and lists its runs, in the order of the config.

    Args:
        config: The merged configuration, as in config/config.yaml.

    Raises:
        StudyError: Something in the configuration is wrong; one line says what, where, and what is allowed.
    """
    _check_schema(config)
    _check_sources(config)
    runs = []
    for number, entry in enumerate(config["runs"]):
        for kind in ("datasets", "models", "methods"):
            for name in entry[kind]:
                if name not in config[kind]:
                    raise _unknown(f"runs[{number}].{kind}", name, config[kind])
        for dataset, model, method in product(entry["datasets"], entry["models"], entry["methods"]):
            tuned = "lora" in config["methods"][method]
            # Nothing is random in an untuned model's greedy decoding: one seed stands for all.
            seeds = entry["seeds"] if tuned else entry["seeds"][:1]
            runs += [Run(dataset, model, method, seed, tuned) for seed in seeds]
    if len(set(runs)) < len(runs):
        twice = next(run for run in runs if runs.count(run) > 1)
        name = f"{twice.dataset}, {twice.model}, {twice.method}, seed {twice.seed}"
        raise StudyError(f"config: runs: {name} stands twice")
    for model in dict.fromkeys(run.model for run in runs if run.tuned):
        _check_training(model, config["models"][model])
    return runs


def _check_schema(config: dict[str, Any]) -> None:
    import jsonschema

    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    error = jsonschema.exceptions.best_match(validator.iter_errors(config))
    if error is None:
        return
    where = _dotted(error.absolute_path)
    if error.validator == "additionalProperties":
        allowed = error.schema["properties"]
        raise _unknown(where, next(key for key in error.instance if key not in allowed), allowed)
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        raise StudyError(f"config: {where or 'top level'}: the key '{missing}' is missing")
    raise StudyError(f"config: {where}: {_explain(error)}")


def _explain(error: Any) -> str:
    """What is wrong with one value, and what is allowed instead."""
    found = json.dumps(error.instance, ensure_ascii=False)
    found = found if len(found) <= 60 else found[:57] + "..."
    match error.validator:
        case "enum":
            return f"{found} is not one of {', '.join(error.validator_value)}"
        case "type":
            return f"{found} is not of type {error.validator_value}"
        case "pattern" if "40" in error.validator_value:
            return f"{found} is not a commit: a revision is pinned by its 40 hexadecimal digits"
        case "pattern":
            return f"{found} does not match {error.validator_value}"
        case "minimum":
            return f"{found} is below {error.validator_value}"
        case "exclusiveMinimum":
            return f"{found} is not above {error.validator_value}"
        case "exclusiveMaximum":
            return f"{found} is not below {error.validator_value}"
        case _:
            return str(error.message)


def _unknown(where: str, name: str, allowed: Any) -> StudyError:
    close = difflib.get_close_matches(str(name), list(allowed), n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(allowed)}"
    return StudyError(f"config: {where + ': ' if where else ''}'{name}' is unknown; {hint}")


def _dotted(path: Any) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _check_sources(config: dict[str, Any]) -> None:
    for name, dataset in config["datasets"].items():
        _check_source(f"datasets.{name}", dataset, ("repo", "revision", "file"))
        shares = [dataset["split"][part] for part in ("train", "validation", "test")]
        if not math.isclose(sum(shares), 1.0, abs_tol=1e-9):
            raise StudyError(
                f"config: datasets.{name}.split: train + validation + test is {sum(shares):g}, but has to be 1"
            )
    for name, model in config["models"].items():
        _check_source(f"models.{name}", model, ("repo", "revision"))


def _check_source(where: str, entry: dict[str, Any], hub_keys: tuple[str, ...]) -> None:
    """An entry names a local path, which must be there, or all that a pinned download needs."""
    if "path" in entry:
        if not Path(entry["path"]).exists():
            raise StudyError(f"config: {where}.path: there is no {entry['path']} (seen from {Path.cwd()})")
        return
    for key in hub_keys:
        if key not in entry:
            raise StudyError(f"config: {where}: the key '{key}' is missing (or give a local 'path')")


def _check_training(name: str, model: dict[str, Any]) -> None:
    for key in TRAINING_KEYS:
        if key not in model:
            raise StudyError(f"config: models.{name}: the key '{key}' is missing, and a run fine-tunes this model")
    if model["batch_size"] % model["micro_batch"]:
        raise StudyError(
            f"config: models.{name}: batch_size {model['batch_size']} is not a multiple of micro_batch "
            f"{model['micro_batch']}"
        )
