"""The paper's models: their published shapes and sizes, and where their real configurations lie."""

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def shape(kind, hidden, inner, layers, heads, keys, head):
    return {
        "model_type": kind,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": keys,
        "head_dim": head,
    }


# The published shapes; trainable parameters in millions at r = 8 and r = 16.
PUBLISHED = {
    "Llama-3.2-1B": (shape("llama", 2048, 8192, 16, 32, 8, 64), 5.64, 11.27),
    "Llama-3.2-3B": (shape("llama", 3072, 8192, 28, 24, 8, 128), 12.16, 24.31),
    "Gemma-2-2B": (shape("gemma2", 2304, 9216, 26, 8, 4, 256), 10.38, 20.77),
    "Qwen2.5-1.5B": (shape("qwen2", 1536, 8960, 28, 12, 2, None), 9.23, 18.46),
    "Qwen2.5-3B": (shape("qwen2", 2048, 11008, 36, 16, 2, None), 14.97, 29.93),
}
REAL_CONFIGS = {
    "Llama-3.2-1B": "llama-3.2/config-Llama-3.2-1B-Instruct.json",
    "Llama-3.2-3B": "llama-3.2/config-Llama-3.2-3B-Instruct.json",
    "Gemma-2-2B": "gemma-2/config-gemma-2-2b-it.reconstructed.json",
    "Qwen2.5-1.5B": "qwen2.5/config-Qwen2.5-1.5B-Instruct.json",
    "Qwen2.5-3B": "qwen2.5/config-Qwen2.5-3B-Instruct.json",
}
