"""Base models: checkpoints, tokenizers, sizes, quantisation, attention and memory."""
