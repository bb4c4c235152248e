"""Whether models have what methods adapt, told from their config.json before anything is loaded."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import MISSHAPEN, read_json
from codetune.models.architecture import kind_of
from codetune.models.roles import layers_type, linear_names, linear_paths, resolve_roles
from codetune.study import layout
from codetune.study.model import CONFIG, Model
from codetune.study.peft_keys import read_types
from codetune.study.peft_types import ALL_LINEAR, MODULE_KEYS, OTHER_LAYERS, ROLES
from codetune.study.peft_values import numbers_in
from codetune.study.study import Study
from codetune.study.targets import check_targets

# The modules outside of decoder layers that PEFT can adapt, whatever the type of model calls them.
OUTSIDE = frozenset(
    "embed_in embed_out embed_positions embed_tokens lm_head output_projection positions_embed tokens_embed "
    "word_embeddings wpe wte".split()
)
WITHOUT_DEFAULT = ("TRAINABLE_TOKENS", "SHADOW")  # types that find their modules by what they are
SIZES = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")  # what the number of layers is called


def check_models(study: Study, resources: str) -> None:
    """Checks what entries say of models and adapt of them, where a model's config.json is there already.

    Args:
        study: The study.
        resources: The folder of downloads.

    Raises:
        StudyError: A model is of another kind than its entry says, it lacks what is to be adapted, or PEFT does not
            know what to adapt in it.
    """
    configs = {name: _read_config(model, resources) for name, model in study.models.items()}
    for name, found in configs.items():
        _check_kind(study.models[name], found)
    for model, method in dict.fromkeys((run.model, run.method) for run in study.training_runs):
        tuning, config = study.methods[method].tuning, configs[model]
        if tuning is not None and tuning.kind == "peft" and config is not None:
            try:
                check_architecture(tuning.peft, config, study.models[model].label)
            except StudyError as error:
                raise StudyError(f"config: methods.{method}.peft: {error}") from None


def _check_kind(model: Model, config: dict[str, Any] | None) -> None:
    """Checks that a model is of the kind that its entry says."""
    where = f"config: models.{model.name}"
    if config is None or (found := kind_of(config, where)) == model.kind:
        return
    if found:
        write = f"write 'kind: {found}'" if model.kind else f"add 'kind: {found}'"
        raise StudyError(f"{where}: its config.json says that it is an {found}; {write}")
    raise StudyError(
        f"{where}.kind: its config.json says that it is no {model.kind} (model_type {config.get('model_type')}); "
        "leave the key out"
    )


def check_architecture(peft: dict[str, Any], config: dict[str, Any], model: str) -> None:
    """Checks what a method adapts against a type of model, as far as its layers are known.

    Args:
        peft: The method's keys of PEFT.
        config: Content of the model's config.json.
        model: Name of the model, for the message.

    Raises:
        StudyError: The model lacks some of it, or PEFT does not know what to adapt in it.
    """
    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        return
    _check_default(peft, model_type, model)
    _check_numbers(peft, config, model)
    layers = layers_type(config)
    paths = linear_paths(layers)
    if paths is not None and peft["type"] not in OTHER_LAYERS:
        resolved = resolve_roles(peft, layers, model)
        named = {key: _inside(resolved[key]) for key in MODULE_KEYS if isinstance(resolved.get(key), list)}
        check_targets(named, paths, linear_names(layers) or [], model)


def _read_config(model: Model, resources: str) -> dict[str, Any] | None:
    """The content of a model's config.json, or None. Who loads the model says what is wrong with the file."""
    places = [Path(resources) / one.format(model=model.name) for one in (layout.CHECKPOINT, layout.TOKENIZER)]
    folders = [Path(model.source.path)] if model.source.path else [place.parent for place in places]
    for folder in folders:
        with suppress(StudyError, OSError, *MISSHAPEN):
            found: dict[str, Any] = read_json(folder / CONFIG)
            if isinstance(found, dict):
                return found
    return None


def _inside(names: Sequence[str]) -> list[str]:
    """Those of some names that lie in decoder layers, without the number of one."""
    ends = [name.split(".") for name in names]
    numbers = [max((at + 1 for at, part in enumerate(parts) if part.isdecimal()), default=0) for parts in ends]
    return [".".join(parts[at:]) for parts, at in zip(ends, numbers, strict=True) if parts[-1] not in OUTSIDE]


def _check_default(peft: dict[str, Any], model_type: str, model: str) -> None:
    """Checks that PEFT knows what to adapt where a method does not say it."""
    kind = peft["type"]
    entry = read_types()[kind]
    if kind == "ADAPTION_PROMPT" and model_type not in entry["targets"]:
        known = ", ".join(entry["targets"])
        raise StudyError(f"{kind} is made for models of the types {known}, and {model} is a {model_type}")
    if "target_modules" not in entry["keys"] or kind in WITHOUT_DEFAULT or peft.get("target_parameters"):
        return
    keys = [key for key in MODULE_KEYS[:2] if key in entry["keys"] and peft.get(key) is None]
    if keys and model_type not in entry["targets"]:
        names = linear_names(model_type)
        listed = f"a list of {', '.join(names)}" if names else "a list of names"
        roles = [ALL_LINEAR, *ROLES] if keys[0] == "target_modules" else ROLES
        written = f"a list of its {OTHER_LAYERS[kind]}" if kind in OTHER_LAYERS else f"{', '.join(roles)} or {listed}"
        missing = f"the key '{keys[0]}' is missing, and PEFT knows none for {kind} on {model}, a {model_type}"
        raise StudyError(f"{missing}. Write {written}.")


def _check_numbers(peft: dict[str, Any], config: dict[str, Any], model: str) -> None:
    """Checks that the layers and tokens that a method chooses by their number are there."""
    count = next((config[name] for name in SIZES if isinstance(config.get(name), int)), None)
    chosen = peft.get("layers_to_transform")
    numbers = chosen if isinstance(chosen, list) else [] if chosen is None else [chosen]
    if count is not None and numbers and max(numbers) >= count:
        raise StudyError(
            f"layers_to_transform: {model} has no layer {max(numbers)}; its {count} layers have the numbers 0 to "
            f"{count - 1}"
        )
    if count is not None and peft.get("adapter_layers", 0) > count:
        raise StudyError(f"adapter_layers: {peft['adapter_layers']} is above {count}, the number of layers of {model}")
    tokens = [*numbers_in(peft.get("token_indices")), *numbers_in(peft.get("trainable_token_indices"))]
    if isinstance(size := config.get("vocab_size"), int) and tokens and max(tokens) >= size:
        raise StudyError(f"{model} has no token {max(tokens)}; its {size} tokens have the numbers 0 to {size - 1}")
