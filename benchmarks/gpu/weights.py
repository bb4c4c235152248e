"""Models of full size with random weights in NF4, made on the device itself: nothing is downloaded or written."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from common import read_architectures
from subjects import TINY

# isort: split

from codetune.models.device import device
from codetune.models.loading import Checkpoint
from codetune.models.quantization import keep_weights_unpacked
from codetune.study.method import Quantization

SPREAD = 0.02  # standard deviation of the weights, as the models themselves are initialised
STRIDE = 64 * 127  # numbers from one matrix to the next in the pool: none are alike, and all are aligned


def shape_of(name: str, small: bool) -> dict[str, Any]:
    """The config.json of a model of the study, or the same architecture in small."""
    shape: dict[str, Any] = read_architectures()[name]["config"]
    return shape | TINY if small else shape


@dataclass(frozen=True)
class RandomCheckpoint(Checkpoint):
    """A checkpoint that is in no folder: loading it makes random weights, the same each time.

    Attributes:
        shape: The content of a config.json.
    """

    shape: dict[str, Any] = field(default_factory=dict)

    def load(self) -> Any:
        """The model in 4 bits, as codetune.models.loading.load_base leaves it."""
        model = random_base(self.shape, self.quantization)
        free()
        return model


def checkpoint(shape: dict[str, Any], quantization: Quantization) -> RandomCheckpoint:
    """A model's random checkpoint."""
    return RandomCheckpoint(Path("random-weights"), quantization, shape)


def random_base(shape: dict[str, Any], quantization: Quantization) -> Any:
    """Makes a base model with random weights, its linear layers in 4 bits.

    transformers loads it as it loads a checkpoint, and quantises one layer after the other. The weights that it is
    given are windows of one small pool of random numbers, so that the whole model is nowhere in more than 4 bits.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig

    dtype = getattr(torch, quantization.compute_dtype)
    config = AutoConfig.for_model(**shape, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    with torch.device("meta"):
        skeleton = AutoModelForCausalLM.from_config(config, dtype=dtype)
    model, found = type(skeleton).from_pretrained(
        None,
        config=config,
        state_dict=_random_weights(skeleton, dtype),
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=quantization.type,
            bnb_4bit_use_double_quant=quantization.double,
            bnb_4bit_compute_dtype=dtype,
        ),
        dtype=dtype,
        device_map={"": device()},
        output_loading_info=True,
    )
    if found["missing_keys"] or found["unexpected_keys"]:
        raise RuntimeError(f"weights are missing or have no place: {found}")
    keep_weights_unpacked(model)
    return model.eval()


def _random_weights(skeleton: Any, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Weights for each parameter of a model: norms are 1, biases 0, matrices random.

    The matrices of the layers, which are quantised, lie in one pool; what stays as it is has memory of its own.
    """
    generator = torch.Generator(device()).manual_seed(0)
    layers = [p.numel() for name, p in skeleton.named_parameters() if ".layers." in name]
    pool = _drawn(2 * max(layers), dtype, generator)
    weights, start = {}, 0
    for name, parameter in skeleton.named_parameters():
        if parameter.dim() == 1:
            fill = 0.0 if name.endswith("bias") else 1.0
            weights[name] = torch.full(parameter.shape, fill, dtype=dtype, device=device())
        elif ".layers." in name:
            start = (start + STRIDE) % max(layers)
            weights[name] = pool[start : start + parameter.numel()].view(parameter.shape)
        else:
            weights[name] = _drawn(parameter.numel(), dtype, generator).view(parameter.shape)
    return weights


def _drawn(count: int, dtype: torch.dtype, generator: torch.Generator) -> torch.Tensor:
    return torch.empty(count, dtype=dtype, device=device()).normal_(0.0, SPREAD, generator=generator)


def free() -> None:
    """Gives the memory of what nothing refers to any more back to the GPU, and begins to count peaks anew."""
    import gc

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
