"""Parameters that a tuning trains and those that there are, from a model's config.json alone."""

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoConfig

from codetune.base.errors import StudyError
from codetune.base.files import reason_in_short
from codetune.methods.on_meta import attach_on_meta, with_scikit_learn
from codetune.methods.peft_config import peft_config, refusals_explained
from codetune.models.fresh_decoder import with_decoder
from codetune.models.roles import layers_type, resolve_roles
from codetune.models.seq2seq import class_for, task_of
from codetune.study.method import TuningSettings
from codetune.study.mistakes import MOST_NAMES, shorten
from codetune.study.peft_rules import NAME
from codetune.study.peft_types import PATTERNS

ANY_STEPS = 10**6  # of the training, which AdaLoRA asks for
NAMING = ("modules_to_save", "exclude_modules", "target_parameters", *PATTERNS)  # keys that name what there is
OF_THE_CHECKPOINT = ("auto_map", "quantization_config", "dtype", "torch_dtype")  # nothing that shapes a model


@dataclass(frozen=True)
class Parameters:
    """Numbers of parameters, each tensor counted once wherever it is used.

    Attributes:
        trainable: Those that are trained.
        total: All of the model, with what the tuning adds.
    """

    trainable: int
    total: int

    @property
    def percent(self) -> float:
        """Of all, those that are trained."""
        return 100 * self.trainable / self.total


def count_parameters(config: dict[str, Any], tuning: TuningSettings | None) -> Parameters:
    """Counts a tuning's parameters with PEFT itself, on the meta device: no weights, no GPU and next to no time.

    What is counted is what a training starts with. AdaLoRA prunes it later; EVA, which here begins as LoRA, moves ranks
    from one layer to another; an optimizer may leave some of it as it is.

    Args:
        config: A config.json.
        tuning: What is trained; None for an untuned model.

    Raises:
        StudyError: transformers has no such model, or PEFT no such tuning of it.
    """
    model = model_on_meta(config)
    model = model.requires_grad_(False) if tuning is None else tuned_on_meta(model, tuning)
    return Parameters(
        trainable=sum(p.numel() for p in model.parameters() if p.requires_grad),
        total=sum(p.numel() for p in model.parameters()),
    )


def tuned_on_meta(model: Any, tuning: TuningSettings, **how: Any) -> Any:
    """Makes trainable what a tuning trains of a model on the meta device.

    Args:
        model: From `model_on_meta`.
        tuning: What is trained.
        how: More arguments of `attach_on_meta`.

    Raises:
        StudyError: PEFT has no such tuning of this model.
    """
    if tuning.kind == "full":
        return model.requires_grad_()
    kind = layers_type(model.config.to_dict())
    peft = resolve_roles(tuning.peft, kind, f"a model of type {kind}")
    _check_names(peft, model)
    if peft.get("prompt_tuning_init") == "TEXT":  # whatever it is initialised from, it has as many tokens
        peft["prompt_tuning_init"] = "RANDOM"
    with warnings.catch_warnings(), with_scikit_learn(), refusals_explained(peft):
        warnings.simplefilter("ignore")  # PEFT gives them again when a training starts
        config = peft_config(peft, total_step=ANY_STEPS, task_type=task_of(model.config))
        return attach_on_meta(model, config, **how)


def _check_names(peft: dict[str, Any], model: Any) -> None:
    """Checks that a model has what a method names beside what it adapts.

    Raises:
        StudyError: It lacks some of it.
    """
    modules = [f".{name}" for name, _ in model.named_modules()]
    parameters = [f".{name}" for name, _ in model.named_parameters()]
    for key in NAMING:
        value = peft.get(key)
        names = [name for name in value or () if NAME.fullmatch(name)] if isinstance(value, list | dict) else []
        paths = parameters if key == "target_parameters" else modules
        if missing := [name for name in names if not any(path.endswith(f".{name}") for path in paths)]:
            lacks = ", ".join(map(shorten, missing[:MOST_NAMES]))
            raise StudyError(
                f"a model of type {model.config.model_type} has no {lacks} ({key} of the method's peft), which PEFT "
                "would pass over without a word. Correct the name, or leave it out."
            )


def model_on_meta(config: dict[str, Any], **how: Any) -> Any:
    """A model on the meta device, in bfloat16; of an encoder alone with the decoder that is put behind it.

    Args:
        config: A config.json.
        how: More arguments of `from_config`, such as `attn_implementation`.
    """
    shapes = {key: value for key, value in config.items() if key not in OF_THE_CHECKPOINT}
    try:
        whole = with_decoder(AutoConfig.for_model(**shapes))
        with torch.device("meta"):
            return class_for(whole).from_config(whole, dtype=torch.bfloat16, **how)
    except StudyError:
        raise
    except Exception as error:
        kind = config.get("model_type")
        raise StudyError(
            f"no causal language model can be made of a config.json of type {kind} ({reason_in_short(error)}). Name "
            "another checkpoint in the config."
        ) from None
