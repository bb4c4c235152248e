"""Base models: their checkpoints, tokenizers, sizes, quantisation, attention and memory."""
