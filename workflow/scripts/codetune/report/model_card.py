"""The model card that goes with an adapter."""

from pathlib import Path
from typing import Any

import yaml


def model_card(model: dict[str, Any], settings: dict[str, Any], record: dict[str, Any]) -> str:
    """The README.md of an adapter folder, with the metadata that the hub reads.

    Args:
        model: The config's entry of the model.
        settings: `lora`, `quantization`, `training` and `max_length`.
        record: The run's record.
    """
    base = model["path"] if "path" in model else model["repo"]
    lora, result = settings["lora"], record["result"]
    metadata = {
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["qlora", "code-generation"],
        **({"base_model": base} if "repo" in model else {}),
    }
    return f"""---
{yaml.safe_dump(metadata, sort_keys=False).strip()}
---

# {Path(base).name}: QLoRA adapter for code generation

Adapter for `{base}`{f" at revision `{model['revision']}`" if "revision" in model else ""}, fine-tuned on
instruction-code pairs with the base quantised to 4 bits ({settings["quantization"]["type"]}). Keep the adapter beside
the 4-bit weights it was trained on; merging it into other weights changes its outputs.

| | |
|---|---|
| LoRA | r = {lora["r"]}, alpha = {lora["alpha"]}, dropout = {lora["dropout"]} |
| on | {", ".join(lora["target_modules"])} |
| trainable parameters | {record["parameters"]["trainable"]:,} |
| effective batch | {model["batch_size"]} sequences of {settings["max_length"]} tokens |
| steps | {result["best_step"]} (best of {result["steps"]}) |
| validation loss | {result["best_validation_loss"]:.4f} nats per token |
| seed | {record["seed"]} |

The licences of the base model and of the training data apply.
"""
