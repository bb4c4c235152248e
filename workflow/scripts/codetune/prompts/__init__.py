"""From samples to prompts and token sets."""
