"""Token sets: samples as token ids, and the files that hold them. Needs no torch."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from codetune.base.errors import StudyError
from codetune.base.files import MADE_AGAIN, MISSHAPEN, atomic, read_json, reading, reason_in_short
from codetune.base.identity import check_recorded, file_hashes

SCHEMA = pa.schema(
    [("id", pa.int64()), ("prompt", pa.list_(pa.int32())), ("completion", pa.list_(pa.int32()))],
)


@dataclass(frozen=True)
class TokenSample:
    """One sample as token ids.

    Attributes:
        id: The sample's id.
        prompt: Ids of all tokens before the completion, the BOS token included. Those of virtual tokens are negative.
        completion: Ids of the completion; the end token is the last, unless the completion was truncated.
    """

    id: int
    prompt: list[int]
    completion: list[int]

    def __len__(self) -> int:
        """Counts the tokens of prompt and completion."""
        return len(self.prompt) + len(self.completion)


def truncate(
    samples: list[TokenSample], max_length: int, apart: bool = False
) -> tuple[list[TokenSample], dict[str, int]]:
    """Truncates completions at the maximum length, and drops samples whose prompt alone reaches it.

    A truncated completion has no end token: the model must not learn to stop there.

    Args:
        samples: The samples.
        max_length: Most tokens of prompt and completion together, or of each of the two.
        apart: Whether they are two texts, so that each may have so many tokens.

    Returns:
        The samples that remain, and how many were truncated and how many were dropped.
    """
    if apart:
        found = [sample for sample in samples if len(sample.prompt) <= max_length]
        cut = sum(len(sample.completion) > max_length for sample in found)
        kept = [TokenSample(one.id, one.prompt, one.completion[:max_length]) for one in found]
        return kept, {"truncated": cut, "dropped": len(samples) - len(kept)}
    kept = [
        sample
        if len(sample) <= max_length
        else TokenSample(sample.id, sample.prompt, sample.completion[: max_length - len(sample.prompt)])
        for sample in samples
        if len(sample.prompt) < max_length
    ]
    cut = sum(len(sample) > max_length and len(sample.prompt) < max_length for sample in samples)
    return kept, {"truncated": cut, "dropped": len(samples) - len(kept)}


def with_virtual_tokens(samples: Iterable[TokenSample], count: int) -> list[TokenSample]:
    """Puts the virtual tokens of a soft prompt before each prompt: they have the ids -count to -1."""
    virtual = list(range(-count, 0))
    return [TokenSample(sample.id, virtual + sample.prompt, sample.completion) for sample in samples]


def with_room(samples: list[TokenSample], virtual_tokens: int, most: int) -> tuple[list[TokenSample], dict[str, int]]:
    """Puts virtual tokens before each prompt, and truncates or drops the samples for which they leave no room.

    Args:
        samples: The samples.
        virtual_tokens: Number of virtual tokens.
        most: Most tokens of a sample, virtual ones included.

    Returns:
        The samples that remain, and how many were truncated and how many were dropped.
    """
    kept, cut = truncate(with_virtual_tokens(samples, virtual_tokens), most)
    if any(cut.values()):
        what = f"truncated {cut['truncated']} and dropped {cut['dropped']} of {len(samples)} samples"
        print(f"to make room for {virtual_tokens} virtual tokens: {what}", flush=True)
    return kept, cut


def write_tokens(path: str | Path, samples: list[TokenSample]) -> None:
    """Writes a token set as an Arrow stream, a format that `datasets` and pyarrow can map into memory."""
    columns = [
        _numbers([sample.id for sample in samples], pa.int64()),
        _lists([sample.prompt for sample in samples]),
        _lists([sample.completion for sample in samples]),
    ]
    table = pa.Table.from_arrays(columns, schema=SCHEMA)
    with atomic(path) as temporary, pa.ipc.new_stream(temporary, SCHEMA) as stream:
        stream.write_table(table)


def _lists(rows: list[list[int]]) -> pa.Array:
    """A column of lists of token ids."""
    ends = np.cumsum([0, *map(len, rows)], dtype=np.int32)
    values = _numbers(chain.from_iterable(rows), pa.int32())
    return pa.Array.from_buffers(SCHEMA.types[1], len(rows), [None, pa.py_buffer(ends)], children=[values])


def _numbers(values: Iterable[int], kind: pa.DataType) -> pa.Array:
    """A column of numbers, from their bytes: pyarrow asks pandas first whether a list is one of its own."""
    numbers = np.fromiter(values, kind.to_pandas_dtype())
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])


def check_tokens(stats: str, **tokens: str) -> dict[str, str]:
    """Checks that token sets are those that the statistics beside them describe.

    Args:
        stats: Path of the statistics.
        tokens: Path of each token set, under the name that the statistics give it.

    Returns:
        SHA-256 of each token set, and of the samples that it was made from, under the set's name and `_samples`; and of
        the samples that its prompts have examples of.

    Raises:
        StudyError: A token set has changed since it was made.
    """
    found, described = file_hashes(**tokens), read_json(stats)
    with reading(stats):
        check_recorded(found, described["sha256"], tokens, stats)
        samples = described["samples_sha256"]
        names = [*tokens, *(name for name in samples if name not in described["sha256"])]
        return found | {f"{name}_samples": str(samples[name]) for name in names}


def read_tokens(path: str | Path) -> list[TokenSample]:
    """Reads a token set.

    Raises:
        StudyError: The file is not a token set.
    """
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            table = stream.read_all()
            table.validate(full=True)  # offsets that point outside would be followed
            _check_values(table)
    except (*MISSHAPEN, pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise StudyError(f"{path}: not a token set ({reason_in_short(error)}). {MADE_AGAIN}") from None
    columns = (table[name].to_pylist() for name in ("id", "prompt", "completion"))
    return [TokenSample(*row) for row in zip(*columns, strict=True)]


def check_vocabulary(samples: Iterable[TokenSample], model: Any, path: str) -> None:
    """Checks that a model knows every token: a GPU that looks up one beyond its embedding fails for good.

    Raises:
        StudyError: The token set was made with another model's tokenizer, or the checkpoint has another's.
    """
    size = model.get_input_embeddings().weight.shape[0]
    highest = max((max(sample.prompt + sample.completion) for sample in samples), default=0)
    if highest >= size:
        raise StudyError(
            f"{path}: token {highest:,}, but the model has {size:,} tokens, counted from 0. Delete the file and run "
            "again. If it comes back, the checkpoint's tokenizer is not the model's: name another checkpoint in the "
            "config."
        )


def _check_values(table: pa.Table) -> None:
    """Checks that a table has the columns of a token set, and that all its values are numbers from 0 on."""
    if not table.schema.equals(SCHEMA):
        raise ValueError(f"columns {', '.join(f'{field.name} {field.type}' for field in table.schema)}")
    for name in ("prompt", "completion"):
        tokens = table[name].combine_chunks().flatten()
        if table[name].null_count or tokens.null_count or (len(tokens) and pa.compute.min(tokens).as_py() < 0):
            raise ValueError(f"values of {name} that are no tokens")
    if table["id"].null_count:
        raise ValueError("samples without an id")
    if not len(table):
        raise ValueError("no samples")
    if pa.compute.min(pa.compute.list_value_length(table["prompt"])).as_py() < 1:
        raise ValueError("an empty prompt")
