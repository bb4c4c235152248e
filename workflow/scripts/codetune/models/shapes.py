"""Sizes computed from a checkpoint's config.json, without loading weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.libraries import FETCH_AGAIN
from codetune.base.plain import read_as, to_plain

# Types whose decoder layers are all alike and have the seven projections, and those with other projections. Of further
# types (mixtures of experts, layers of several kinds) nothing is known before the model is made.
SEVEN_PROJECTIONS = frozenset(
    "cohere cohere2 cwm ernie4_5 exaone4 gemma gemma2 gemma3_text granite hyperclovax internlm3 llama ministral3 "
    "mistral olmo olmo2 olmo3 qwen2 qwen3 seed_oss smollm3 vaultgemma".split()
)
FUSED_PROJECTIONS = frozenset({"phi3"})


@dataclass(frozen=True)
class _Sizes:
    """What of a config.json is computed with."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    vocab_size: int | None = None
    max_position_embeddings: int | None = None
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    tie_word_embeddings: bool | None = None
    model_type: str | None = None


def read_config(folder: str | Path, *more: str) -> dict[str, Any]:
    """Reads the sizes in a checkpoint's config.json.

    Args:
        folder: Of the checkpoint.
        more: Sizes that are needed beside those of the layers.

    Raises:
        StudyError: It lacks a size that models of the Llama, Gemma or Qwen2 family have.
    """
    path = Path(folder) / "config.json"
    sizes = to_plain(read_as(path, _Sizes, FETCH_AGAIN))
    wrong = [name for name, value in sizes.items() if type(value) is int and value < 1]
    wrong += [name for name in more if sizes[name] is None]
    if wrong:
        raise StudyError(f"{path}: {wrong[0]} is {sizes[wrong[0]]}. {FETCH_AGAIN}")
    return sizes


def lora_parameters(config: dict[str, Any], rank: int, target_modules: list[str]) -> int | None:
    """Counts the trainable parameters of LoRA on a decoder's projections.

    A projection with k inputs and d outputs gets A (r x k) and B (d x r), which have r (k + d) parameters (the paper's
    equation 2).

    Args:
        config: The content of a config.json.
        rank: r.
        target_modules: Names of projections.

    Returns:
        The number; None where the layers of a model of this type are not known, or lack one of the projections.
    """
    if not has_known_layers(config):
        return None
    shapes = projection_shapes(config)
    if not shapes.keys() >= set(target_modules):
        return None
    return int(config["num_hidden_layers"]) * rank * sum(sum(shapes[name]) for name in target_modules)


def has_known_layers(config: dict[str, Any]) -> bool:
    """Whether it is known which projections the layers of a model of this type have."""
    return config.get("model_type") in SEVEN_PROJECTIONS | FUSED_PROJECTIONS


def projection_shapes(config: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Returns the numbers of inputs and outputs of each linear projection in one decoder layer, by name."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    heads = config["num_attention_heads"]
    head = config.get("head_dim") or hidden // heads
    queries, keys = heads * head, (config.get("num_key_value_heads") or heads) * head
    attention = {"q_proj": (hidden, queries), "k_proj": (hidden, keys), "v_proj": (hidden, keys)}
    gate = {"gate_proj": (hidden, inner), "up_proj": (hidden, inner)}
    if config.get("model_type") in FUSED_PROJECTIONS:
        attention, gate = {"qkv_proj": (hidden, queries + 2 * keys)}, {"gate_up_proj": (hidden, 2 * inner)}
    return {**attention, "o_proj": (queries, hidden), **gate, "down_proj": (inner, hidden)}


def parameters(config: dict[str, Any]) -> dict[str, int]:
    """Counts the parameters of a decoder's `embedding` and of its `layers`.

    Only matrices are counted: norms and biases make up less than one parameter in a thousand.

    Args:
        config: The content of a config.json of the Llama, Gemma or Qwen2 family. Embedding and output layer share one
            matrix unless it says otherwise.
    """
    matrices = 2 if config.get("tie_word_embeddings") is False else 1
    layer = sum(inputs * outputs for inputs, outputs in projection_shapes(config).values())
    return {
        "embedding": matrices * int(config["vocab_size"]) * int(config["hidden_size"]),
        "layers": int(config["num_hidden_layers"]) * layer,
    }
