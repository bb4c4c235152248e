"""Packed training sequences, and batches of them without padding."""

from typing import Any

import torch
from datasets import Dataset

from codetune.models.attention import Packed
from codetune.prompts.packing import pack
from codetune.prompts.tokensets import TokenSample

IGNORED = -100  # label of a token that does not count in the loss


def pack_samples(samples: list[TokenSample], capacity: int | None) -> Dataset:
    """Packs samples into training sequences of at most `capacity` tokens, or gives each one of its own.

    Returns:
        One row per sequence: `input_ids`; `labels`, which count completions only; `seq_lengths`, the samples' lengths.
    """
    rows: dict[str, list[list[int]]] = {"input_ids": [], "labels": [], "seq_lengths": []}
    for members in pack([len(sample) for sample in samples], capacity):
        chosen = [samples[index] for index in members]
        rows["input_ids"].append([token for s in chosen for token in s.prompt + s.completion])
        rows["labels"].append([label for s in chosen for label in [IGNORED] * len(s.prompt) + s.completion])
        rows["seq_lengths"].append([len(sample) for sample in chosen])
    return Dataset.from_dict(rows)


def collate(sequences: list[dict[str, list[int]]]) -> dict[str, Any]:
    """Lays packed sequences end to end: no padding.

    Returns:
        `input_ids`, `labels` and `position_ids`, which restart with each sample, of shape (1, tokens); and
        `seq_lengths`, the lengths of the samples of each sequence.
    """
    flat = {key: [value for sequence in sequences for value in sequence[key]] for key in ("input_ids", "labels")}
    lengths = [sequence["seq_lengths"] for sequence in sequences]
    positions = torch.cat([torch.arange(length) for sequence in lengths for length in sequence])
    return {
        **{key: torch.tensor([values]) for key, values in flat.items()},
        "position_ids": positions[None],
        "seq_lengths": lengths,
    }


def select_sequences(batch: dict[str, Any], sequences: slice) -> dict[str, Any]:
    """Some of the packed sequences of a batch, as the model takes them."""
    lengths: list[list[int]] = batch["seq_lengths"]
    start = sum(map(sum, lengths[: sequences.start]))
    chosen = [length for sequence in lengths[sequences] for length in sequence]
    tensors = {key: value[:, start : start + sum(chosen)] for key, value in batch.items() if key != "seq_lengths"}
    return {**tensors, "packed": Packed(chosen, batch["input_ids"].device)}
