"""Tiny models of many architectures with random weights, large enough that every token they see matters."""

from typing import Any

import torch
import transformers

WORDS = 97  # in their vocabularies
COMMON = {
    "vocab_size": WORDS,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
MIXED = {"layer_types": ["sliding_attention", "full_attention"] * 2}
LONG = {"type": "longrope", "short_factor": [1.0] * 8, "long_factor": [4.0] * 8}
OTHER = {"vocab_size": WORDS, "initializer_range": 0.3}  # of architectures with names of their own

# Class names of transformers, and what is declared beside `COMMON`; with windows of 8 tokens, shorter than most texts.
WINDOWS = {
    "mistral": ("Mistral", {"sliding_window": 8}),
    "mixtral": ("Mixtral", {"sliding_window": 8, "num_local_experts": 4}),
    "gemma2": ("Gemma2", {"sliding_window": 8, "head_dim": 16}),
    "gemma3": ("Gemma3", {"sliding_window": 8, "head_dim": 16, **MIXED}),
    "phi3": ("Phi3", {"sliding_window": 8}),
    "qwen2": ("Qwen2", {"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 2}),
    "qwen3": ("Qwen3", {"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 1}),
    "starcoder2": ("Starcoder2", {"sliding_window": 8}),
    "cohere2": ("Cohere2", {"sliding_window": 8}),
    "olmo3": ("Olmo3", {"sliding_window": 8}),
    "exaone4": ("Exaone4", {"sliding_window": 8, "sliding_window_pattern": 2}),
}
# Attention that the packed kernels do not know: sinks, and chunks instead of a window.
UNPACKABLE = {
    "gpt-oss": ("GptOss", {"sliding_window": 8, "num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 16}),
    "llama4": ("Llama4", {"attention_chunk_size": 8, "num_local_experts": 2, "intermediate_size_mlp": 96}),
}
# Contexts of 32 tokens: declared under each name, and as the length up to which a rope stays as it is.
CONTEXT = 32
CONTEXTS = {
    "declared": ("Llama", {"max_position_embeddings": CONTEXT}),
    "window": ("Mistral", {"max_position_embeddings": CONTEXT, "sliding_window": 8}),
    "dynamic": ("Llama", {"max_position_embeddings": CONTEXT, "rope_scaling": {"rope_type": "dynamic", "factor": 4.0}}),
    "longrope": ("Phi3", {"original_max_position_embeddings": CONTEXT, "rope_scaling": LONG}),
    "parameters": (
        "Phi3",
        {
            "original_max_position_embeddings": CONTEXT,
            "rope_parameters": {**LONG, "rope_type": "longrope", "rope_theta": 1e4},
        },
    ),
    "learned": ("GPT2", {**OTHER, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT}),
    "alibi": ("Mpt", {**OTHER, "d_model": 64, "n_layers": 2, "n_heads": 4, "max_seq_len": CONTEXT}),
}
# What is decoded in another way than with a cache of keys and values of all tokens before.
UNDECODABLE = {
    "encoder": ("Bert", {}),
    "state space": ("Mamba", {**OTHER, "hidden_size": 64, "num_hidden_layers": 2}),
    "recurrent": ("RecurrentGemma", {"attention_window_size": 8, "num_key_value_heads": 1}),
}
CONFIGS = {"Gemma3": "Gemma3Text", "Llama4": "Llama4Text"}
MODELS = {"GPT2": "GPT2LMHeadModel", "Bert": "BertLMHeadModel"}


def tiny_config(kind: str, settings: dict[str, Any]) -> Any:
    """The configuration of an architecture."""
    whole = settings if "vocab_size" in settings else {**COMMON, **settings}
    return getattr(transformers, f"{CONFIGS.get(kind, kind)}Config")(**whole)


def tiny_model(kind: str, settings: dict[str, Any]) -> Any:
    """A model with random weights."""
    torch.manual_seed(0)
    return getattr(transformers, MODELS.get(kind, f"{kind}ForCausalLM"))(tiny_config(kind, settings)).eval()


def random_texts(lengths: list[int]) -> list[list[int]]:
    """Texts without special tokens."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(3, WORDS, (length,), generator=generator).tolist() for length in lengths]
