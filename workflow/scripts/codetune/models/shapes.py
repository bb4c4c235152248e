"""Sizes worked out from a checkpoint's config.json; no weights are loaded."""

from typing import Any


def lora_parameters(config: dict[str, Any], rank: int, target_modules: list[str]) -> int:
    """Number of trainable parameters of LoRA on a decoder's projections.

    A projection of k inputs and d outputs gets A (r x k) and B (d x r), so r (k + d) parameters (paper, equation 2).

    Args:
        config: A config.json of the Llama, Gemma or Qwen2 kind.
        rank: r.
        target_modules: Names among q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj.
    """
    shapes = projection_shapes(config)
    return int(config["num_hidden_layers"]) * rank * sum(sum(shapes[name]) for name in target_modules)


def projection_shapes(config: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of each linear projection of one decoder layer."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    heads = config["num_attention_heads"]
    head = config.get("head_dim") or hidden // heads
    queries, keys = heads * head, (config.get("num_key_value_heads") or heads) * head
    return {
        "q_proj": (hidden, queries),
        "k_proj": (hidden, keys),
        "v_proj": (hidden, keys),
        "o_proj": (queries, hidden),
        "gate_proj": (hidden, inner),
        "up_proj": (hidden, inner),
        "down_proj": (inner, hidden),
    }


def parameters(config: dict[str, Any]) -> dict[str, int]:
    """Number of parameters of a decoder's embedding and of its layers.

    Counts matrices only: norms and biases are less than one in a thousand.

    Args:
        config: A config.json of the Llama, Gemma or Qwen2 kind. Embedding and output are one matrix unless it says
            otherwise.
    """
    matrices = 2 if config.get("tie_word_embeddings") is False else 1
    layer = sum(inputs * outputs for inputs, outputs in projection_shapes(config).values())
    return {
        "embedding": matrices * int(config["vocab_size"]) * int(config["hidden_size"]),
        "layers": int(config["num_hidden_layers"]) * layer,
    }


def cache_bytes(config: dict[str, Any], itemsize: int) -> int:
    """Bytes of keys and values that a decoder keeps of each token.

    Args:
        config: A config.json of the Llama, Gemma, Qwen2 or Phi-3 kind.
        itemsize: Bytes of a number.
    """
    heads = config.get("num_key_value_heads") or config["num_attention_heads"]
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    return 2 * int(config["num_hidden_layers"]) * int(heads) * int(head) * itemsize
