"""Token sets: samples as token ids, their statistics, and their packing into training sequences. No torch."""

import os
import sys
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from codetune.errors import StudyError
from codetune.files import atomic, write_json
from codetune.prompts import Template
from codetune.samples import PARTS, Sample, read_samples

SCHEMA = pa.schema(
    [("id", pa.int64()), ("prompt", pa.list_(pa.int32())), ("completion", pa.list_(pa.int32()))],
)


@dataclass(frozen=True)
class TokenSample:
    """One sample as token ids.

    Attributes:
        id: Number of the record in the data set.
        prompt: Ids of all that stands before the completion, the begin token included.
        completion: Ids of the completion with the end token, unless cut at the maximum length.
    """

    id: int
    prompt: list[int]
    completion: list[int]

    def __len__(self) -> int:
        """Number of tokens of prompt and completion."""
        return len(self.prompt) + len(self.completion)


def load_tokenizer(folder: str | Path) -> Any:
    """Loads a checkpoint's tokenizer, from local files only.

    transformers imports torch wherever it finds it, which costs more than tokenising does. A process that has not
    needed torch so far does not get it here.

    Raises:
        StudyError: The files are not a tokenizer that transformers can load.
    """
    sys.modules.setdefault("torch", None)  # type: ignore[arg-type]
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise StudyError(f"{folder}: the tokenizer cannot be loaded ({str(error).splitlines()[0]})") from None
    finally:
        if sys.modules["torch"] is None:
            del sys.modules["torch"]
    return tokenizer


def tokenize_dataset(
    parts: dict[str, str], tokenizer_folder: str, template: str, max_length: int, targets: dict[str, str]
) -> None:
    """Tokenises all parts of a split for one model and writes token sets and statistics.

    Args:
        parts: Path of the samples of train, validation and test.
        tokenizer_folder: The model's tokenizer files.
        template: `paper` or `chat`.
        max_length: Longest training sample, in tokens.
        targets: Path of the token set of each part, and of `stats`.
    """
    tokenizer = load_tokenizer(tokenizer_folder)
    serialisation = Template(template, tokenizer)
    stats: dict[str, Any] = {
        "template": template,
        "template_sha256": serialisation.sha256,
        "max_length": max_length,
        "vocabulary": len(tokenizer),
        "parts": {},
    }
    for part in PARTS:
        samples = read_samples(parts[part])
        tokens = encode(samples, tokenizer, serialisation)
        kept, facts = truncate(tokens, max_length) if part != "test" else (tokens, {"truncated": 0, "dropped": 0})
        if not kept:
            raise StudyError(f"{parts[part]}: no sample is shorter than max_length = {max_length} tokens")
        write_tokens(targets[part], kept)
        stats["parts"][part] = {
            **_describe(kept, max_length),
            **facts,
            "bytes_of_completions": sum(len(serialisation.completion(sample).encode()) for sample in samples),
        }
        if part == "train":
            stats["example"] = {
                "text": serialisation.prompt(samples[0]) + serialisation.completion(samples[0]),
                "ending": serialisation.ending,
                "tokens": tokenizer.convert_ids_to_tokens(kept[0].prompt + kept[0].completion),
            }
        print(f"{part}: {stats['parts'][part]}")
    write_json(targets["stats"], stats)


def encode(samples: list[Sample], tokenizer: Any, template: Template) -> list[TokenSample]:
    """Tokenises samples, prompt and completion apart, so that generation sees the very tokens that training saw."""
    prompts = [template.prompt(sample) for sample in samples]
    prompt_ids = _ids(prompts, tokenizer, True) if template.adds_special_tokens else _chat_ids(prompts, tokenizer)
    completion_ids = _ids([template.completion(sample) for sample in samples], tokenizer)
    end = _ids([template.ending], tokenizer)[0][0]
    for completion in completion_ids:
        completion.append(end)
    return [
        TokenSample(sample.id, prompt, completion)
        for sample, prompt, completion in zip(samples, prompt_ids, completion_ids, strict=True)
    ]


def _chat_ids(prompts: list[str], tokenizer: Any) -> list[list[int]]:
    """Token ids of prompts that begin and end alike: what they share is tokenised once.

    Chat templates put much around a request; Llama's puts more there than most requests hold. A tokenizer splits a text
    at its special tokens before all else, so that the three parts between two of them can be tokenised apart. Where it
    yet treats the start of a text in a way of its own, prompts are tokenised whole.
    """
    special = [
        token.content
        for token in tokenizer.added_tokens_decoder.values()
        if token.special and not (token.lstrip or token.rstrip)
    ]
    common = _common_start(prompts)
    start = common[: max((common.rfind(token) + len(token) for token in special if token in common), default=0)]
    rests = [prompt.removeprefix(start) for prompt in prompts]
    common = _common_start([rest[::-1] for rest in rests])[::-1]
    end = common[min((common.find(token) for token in special if token in common), default=len(common)) :]
    before, after = _ids([start, end], tokenizer)
    found = [before + ids + after for ids in _ids([rest.removesuffix(end) for rest in rests], tokenizer)]
    probes = [prompts.index(probe) for probe in (min(prompts), max(prompts))] if prompts else []
    right = [found[probe] for probe in probes] == _ids([prompts[probe] for probe in probes], tokenizer)
    return found if right else _ids(prompts, tokenizer)


def _common_start(texts: list[str]) -> str:
    return os.path.commonprefix([min(texts), max(texts)]) if texts else ""  # noqa: RUF071  # texts, no paths


def _ids(texts: list[str], tokenizer: Any, add_special_tokens: bool = False) -> list[list[int]]:
    """Token ids of each text, by the Rust tokenizer itself.

    The tokenizer's own call gives the same ids, and spends half as long again on masks and Python's copies of them.
    """
    if not tokenizer.is_fast:  # one that is written in Python
        ids: list[list[int]] = tokenizer(texts, add_special_tokens=add_special_tokens)["input_ids"]
        return ids
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    return [encoding.ids for encoding in backend.encode_batch_fast(texts, add_special_tokens=add_special_tokens)]


def truncate(samples: list[TokenSample], max_length: int) -> tuple[list[TokenSample], dict[str, int]]:
    """Cuts completions at the maximum length and drops samples whose prompt leaves no room for one.

    A cut completion loses its end token: the model must not learn to stop there.

    Returns:
        The samples that remain, and how many were cut and dropped.
    """
    kept = [
        sample
        if len(sample) <= max_length
        else TokenSample(sample.id, sample.prompt, sample.completion[: max_length - len(sample.prompt)])
        for sample in samples
        if len(sample.prompt) < max_length
    ]
    cut = sum(len(sample) > max_length and len(sample.prompt) < max_length for sample in samples)
    return kept, {"truncated": cut, "dropped": len(samples) - len(kept)}


def pack(lengths: list[int], capacity: int) -> list[list[int]]:
    """Packs samples into bins by best-fit decreasing: each goes, longest first, where least room would remain.

    Args:
        lengths: Tokens of each sample, at most `capacity`.
        capacity: Tokens of a bin.

    Returns:
        For each bin the indices of its samples.
    """
    bins: list[list[int]] = []
    open_bins: dict[int, list[int]] = {}  # room left -> bins with just that room
    rooms: list[int] = []  # the keys of open_bins, ascending
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        length = lengths[index]
        position = bisect_left(rooms, length)
        if position == len(rooms):
            bins.append([])
            chosen, room = len(bins) - 1, capacity
        else:
            room = rooms[position]
            chosen = open_bins[room].pop()
            if not open_bins[room]:
                del open_bins[room], rooms[position]
        bins[chosen].append(index)
        left = room - length
        if left > 0:
            if left not in open_bins:
                open_bins[left] = []
                rooms.insert(bisect_left(rooms, left), left)
            open_bins[left].append(chosen)
    return bins


def write_tokens(path: str | Path, samples: list[TokenSample]) -> None:
    """Writes a token set as an Arrow stream, which `datasets` and pyarrow map into memory as it is."""
    table = pa.table(
        {
            "id": [sample.id for sample in samples],
            "prompt": [sample.prompt for sample in samples],
            "completion": [sample.completion for sample in samples],
        },
        schema=SCHEMA,
    )
    with atomic(path) as temporary, pa.ipc.new_stream(temporary, SCHEMA) as stream:
        stream.write_table(table)


def read_tokens(path: str | Path) -> list[TokenSample]:
    """Reads a token set.

    Raises:
        StudyError: The file is not one.
    """
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            table = stream.read_all()
    except pa.ArrowInvalid as error:
        raise StudyError(f"{path}: not a token set ({error}). Delete it and run again.") from None
    columns = (table[name].to_pylist() for name in ("id", "prompt", "completion"))
    return [TokenSample(*row) for row in zip(*columns, strict=True)]


def _describe(samples: list[TokenSample], capacity: int) -> dict[str, Any]:
    lengths = np.array([len(sample) for sample in samples])
    facts: dict[str, Any] = {
        "samples": len(samples),
        "tokens": int(lengths.sum()),
        "tokens_of_completions": int(sum(len(sample.completion) for sample in samples)),
        "mean": round(float(lengths.mean()), 1),
        **{f"p{q}": int(np.percentile(lengths, q, method="lower")) for q in (50, 95, 99)},
        "longest": int(lengths.max()),
    }
    if lengths.max() <= capacity:
        bins = len(pack(lengths.tolist(), capacity))
        facts["packed_sequences"] = bins
        facts["packing_fill"] = round(float(lengths.sum()) / (bins * capacity), 4)
    return facts
