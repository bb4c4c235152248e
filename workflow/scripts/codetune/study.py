"""The configuration: checked in one place, and turned into the table of runs that drives every rule."""

import difflib
import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

from codetune.errors import StudyError

SCHEMA = Path(__file__).parents[2] / "schemas" / "config.schema.json"
NUMBER = re.compile(r"[+-]?[0-9]*\.?[0-9]+([eE][+-]?[0-9]{1,2})?")
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
    _check_folders(config["results"], config["resources"])
    _check_sources(config)
    _check_labels(config["models"])
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

    # JSON's 2.0 is an integer, and YAML's .nan and .inf are numbers; nothing can be counted or trained with them here.
    types = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
            "number": lambda _, value: (
                isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            ),
        }
    )
    validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
        jsonschema.Draft202012Validator, type_checker=types
    )
    error = jsonschema.exceptions.best_match(validator(json.loads(SCHEMA.read_text())).iter_errors(config))
    if error is None:
        return
    where = _dotted(error.absolute_path)
    if error.validator == "additionalProperties":
        allowed = error.schema["properties"]
        raise _unknown(where, next(key for key in error.instance if key not in allowed), allowed)
    where = where or "top level"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        raise StudyError(f"config: {where}: the key '{missing}' is missing")
    raise StudyError(f"config: {where}: {_explain(error)}")


def _explain(error: Any) -> str:
    """What is wrong with one value, and what is allowed instead."""
    found = json.dumps(error.instance, ensure_ascii=False, default=str)
    found = found if len(found) <= 60 else found[:57] + "..."
    match error.validator:
        case "enum":
            return f"{found} is not one of {', '.join(error.validator_value)}"
        case "type":
            return f"{found} is not of type {error.validator_value}{_hint(error.instance, error.validator_value)}"
        case "pattern":
            return f"{found} is not {error.schema['description']}"
        case "minimum":
            return f"{found} is below {error.validator_value}"
        case "maximum":
            return f"{found} is above {error.validator_value}"
        case "exclusiveMinimum":
            return f"{found} is not above {error.validator_value}"
        case "exclusiveMaximum":
            return f"{found} is not below {error.validator_value}"
        case "minItems" | "minLength" | "minProperties":
            return f"{found} is empty"
        case "uniqueItems":
            return f"{found} names the same twice"
        case _:
            return str(error.message)


def _hint(value: Any, needed: str) -> str:
    """How to write what YAML took for something else: 2e-4, without a point, is text to it, and 1234 no name."""
    if needed in ("number", "integer") and isinstance(value, str) and NUMBER.fullmatch(value):
        return f"; write {Decimal(value):f} without quotes"
    if needed == "string" and isinstance(value, bool | int | float | date):
        return "; put it in quotes"
    return ""


def _unknown(where: str, name: str, allowed: Any) -> StudyError:
    close = difflib.get_close_matches(str(name), [str(known) for known in allowed], n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(allowed)}"
    return StudyError(f"config: {where + ': ' if where else ''}'{name}' is unknown; {hint}")


def _dotted(path: Any) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _check_folders(results: str, resources: str) -> None:
    for key, folder in (("results", results), ("resources", resources)):
        for path in (Path(folder), *Path(folder).parents):
            if path.exists() and not path.is_dir():
                raise StudyError(f"config: {key}: {path} is a file, but has to be a folder")
    if Path(results).resolve() == Path(resources).resolve():
        raise StudyError(
            f"config: results and resources are the same folder, {results}; what is deleted to compute anew would "
            "have to be downloaded again"
        )


def _check_sources(config: dict[str, Any]) -> None:
    for name, dataset in config["datasets"].items():
        _check_source(f"datasets.{name}", dataset, ("repo", "revision", "file"), Path.is_file)
        shares = [dataset["split"][part] for part in ("train", "validation", "test")]
        if not math.isclose(sum(shares), 1.0, abs_tol=1e-9):
            raise StudyError(
                f"config: datasets.{name}.split: train + validation + test is {sum(shares):g}, but has to be 1"
            )
    for name, model in config["models"].items():
        _check_source(f"models.{name}", model, ("repo", "revision"), Path.is_dir)


def _check_source(
    where: str, entry: dict[str, Any], hub_keys: tuple[str, ...], is_kind: Callable[[Path], bool]
) -> None:
    """An entry names a local path, which must be there and readable, or all that a pinned download needs."""
    if "path" in entry:
        path = Path(entry["path"])
        if not path.exists():
            raise StudyError(f"config: {where}.path: there is no {path} (seen from {Path.cwd()})")
        if not is_kind(path):
            found, needed = ("folder", "file") if path.is_dir() else ("file", "folder")
            raise StudyError(f"config: {where}.path: {path} is a {found}, but has to be a {needed}")
        if not os.access(path, os.R_OK):
            raise StudyError(f"config: {where}.path: {path} may not be read (see its permissions)")
        return
    for key in hub_keys:
        if key not in entry:
            raise StudyError(f"config: {where}: the key '{key}' is missing (or give a local 'path')")


def _check_labels(models: dict[str, Any]) -> None:
    named: dict[str, str] = {}
    for name, model in models.items():
        other = named.setdefault(model["label"], name)
        if other != name:
            raise StudyError(
                f'config: models.{name}.label: models.{other} is called "{model["label"]}" too; tables and figures '
                "could not tell them apart"
            )


def _check_training(name: str, model: dict[str, Any]) -> None:
    for key in TRAINING_KEYS:
        if key not in model:
            raise StudyError(f"config: models.{name}: the key '{key}' is missing, and a run fine-tunes this model")
    if model["batch_size"] % model["micro_batch"]:
        raise StudyError(
            f"config: models.{name}: batch_size {model['batch_size']} is not a multiple of micro_batch "
            f"{model['micro_batch']}"
        )
