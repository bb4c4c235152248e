"""Training sequences, and batches of them: packed and without padding, or an encoder-decoder's, padded."""

from typing import Any

import torch
from datasets import Dataset
from torch.nn.utils.rnn import pad_sequence

from codetune.models.attention import Packed
from codetune.prompts.packing import pack
from codetune.prompts.tokensets import TokenSample

IGNORED = -100  # label of a token that does not count in the loss
PADDING = 0  # no token attends to padding, so any id will do


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


def lay_apart(samples: list[TokenSample]) -> Dataset:
    """Gives each sample of an encoder-decoder a sequence of its own, the longest first: neighbours need least padding.

    Returns:
        One row per sample: `input_ids`, the prompt; `labels`, the completion; `seq_lengths`, the tokens of both.
    """
    ordered = sorted(samples, key=lambda sample: (-len(sample.prompt), -len(sample.completion)))
    return Dataset.from_dict(
        {
            "input_ids": [sample.prompt for sample in ordered],
            "labels": [sample.completion for sample in ordered],
            "seq_lengths": [[len(sample)] for sample in ordered],
        }
    )


def count_tokens(sequences: Dataset) -> int:
    """Counts the tokens of training sequences, prompts included."""
    return sum(map(sum, sequences["seq_lengths"]))


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


def collate_apart(sequences: list[dict[str, list[int]]]) -> dict[str, Any]:
    """Pads the prompts and the completions of an encoder-decoder on the right, each to the longest of its kind.

    Returns:
        `input_ids` and `attention_mask` of shape (sequences, tokens of a prompt); `labels`, which count completions
        only, of shape (sequences, tokens of a completion); and `seq_lengths`, the length of each sample.
    """
    prompts, completions = ([torch.tensor(one[key]) for one in sequences] for key in ("input_ids", "labels"))
    return {
        "input_ids": pad_sequence(prompts, batch_first=True, padding_value=PADDING),
        "attention_mask": pad_sequence([torch.ones_like(prompt) for prompt in prompts], batch_first=True),
        "labels": pad_sequence(completions, batch_first=True, padding_value=IGNORED),
        "seq_lengths": [sequence["seq_lengths"] for sequence in sequences],
    }


def select_sequences(batch: dict[str, Any], sequences: slice) -> dict[str, Any]:
    """Some of the sequences of a batch, as the model takes them."""
    if "attention_mask" in batch:  # an encoder-decoder's, a row each
        return {key: value[sequences] for key, value in batch.items() if key != "seq_lengths"}
    lengths: list[list[int]] = batch["seq_lengths"]
    start = sum(map(sum, lengths[: sequences.start]))
    chosen = [length for sequence in lengths[sequences] for length in sequence]
    tensors = {key: value[:, start : start + sum(chosen)] for key, value in batch.items() if key != "seq_lengths"}
    return {**tensors, "packed": Packed(chosen, batch["input_ids"].device)}
