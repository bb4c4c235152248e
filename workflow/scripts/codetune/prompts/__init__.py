"""Prompts: from samples to text, and from text to token sets."""
