"""The configuration: checked in one place, and turned into the table of runs that drives every rule."""

import json
import math
from itertools import product
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.study.folders import check_folders, check_sources
from codetune.study.mistakes import dotted_path, explain_mistake, unknown_name
from codetune.study.runs import Run

SCHEMA = Path(__file__).parents[3] / "schemas" / "config.schema.json"


TRAINING_KEYS = ("batch_size", "epochs", "micro_batch")


def load_runs(config: dict[str, Any]) -> list[Run]:
    """Checks the configuration and lists its runs, in the order of the config.

    Args:
        config: The merged configuration, as in config/config.yaml.

    Raises:
        StudyError: Something in the configuration is wrong; one line says what, where, and what is allowed.
    """
    _check_schema(config)
    check_folders(config["results"], config["resources"])
    check_sources(config)
    _check_labels(config["models"])
    runs = []
    for number, entry in enumerate(config["runs"]):
        for kind in ("datasets", "models", "methods"):
            for name in entry[kind]:
                if name not in config[kind]:
                    raise unknown_name(f"runs[{number}].{kind}", name, config[kind])
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
    where = dotted_path(error.absolute_path)
    if error.validator == "additionalProperties":
        allowed = error.schema["properties"]
        raise unknown_name(where, next(key for key in error.instance if key not in allowed), allowed)
    where = where or "top level"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        raise StudyError(f"config: {where}: the key '{missing}' is missing")
    raise StudyError(f"config: {where}: {explain_mistake(error)}")


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
