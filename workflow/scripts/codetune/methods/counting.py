"""Parameters that a tuning trains and those that there are, from a model's config.json alone."""

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftConfig, get_peft_config
from transformers import AutoConfig, AutoModelForCausalLM

from codetune.base.errors import StudyError
from codetune.base.files import reason_in_short
from codetune.methods.on_meta import attach_on_meta, with_scikit_learn

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


def count_parameters(config: dict[str, Any], peft: dict[str, Any] | None) -> Parameters:
    """Counts a tuning's parameters with PEFT itself, on the meta device: no weights, no GPU and next to no time.

    What is counted is what a training starts with. AdaLoRA prunes it later; EVA, which here begins as LoRA, moves ranks
    from one layer to another; an optimizer may leave some of it as it is.

    Args:
        config: A config.json.
        peft: PEFT's keys, with `type` for the name of the tuning; None if all of the model is trained.

    Raises:
        StudyError: transformers has no such model, or PEFT no such tuning of it.
    """
    model = model_on_meta(config)
    if peft is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said again when a training starts
            try:
                model = attach_on_meta(model, _peft_config(peft))
            except Exception as error:
                kind = config.get("model_type")
                raise StudyError(
                    f"{peft.get('type')} cannot be put on a model of type {kind} ({reason_in_short(error)}). Correct "
                    "the method's `peft` in the config, or leave out this model."
                ) from None
    return Parameters(
        trainable=sum(p.numel() for p in model.parameters() if p.requires_grad),
        total=sum(p.numel() for p in model.parameters()),
    )


def model_on_meta(config: dict[str, Any], **how: Any) -> Any:
    """A model on the meta device, in bfloat16.

    Args:
        config: A config.json.
        how: More arguments of `from_config`, such as `attn_implementation`.
    """
    shapes = {key: value for key, value in config.items() if key not in OF_THE_CHECKPOINT}
    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(AutoConfig.for_model(**shapes), dtype=torch.bfloat16, **how)
    except Exception as error:
        kind = config.get("model_type")
        raise StudyError(
            f"no causal language model can be made of a config.json of type {kind} ({reason_in_short(error)}). Name "
            "another checkpoint in the config."
        ) from None


def _peft_config(peft: dict[str, Any]) -> PeftConfig:
    """PEFT's configuration of a method."""
    keys = {key: value for key, value in peft.items() if key != "type"}
    with with_scikit_learn():
        return get_peft_config({**keys, "peft_type": peft["type"], "task_type": "CAUSAL_LM", "inference_mode": False})
