"""Token sets: samples as token ids, and the files that hold them. Needs no torch."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from codetune.base.errors import StudyError
from codetune.base.files import atomic, read_json
from codetune.base.identity import check_recorded, file_hashes

SCHEMA = pa.schema(
    [("id", pa.int64()), ("prompt", pa.list_(pa.int32())), ("completion", pa.list_(pa.int32()))],
)


@dataclass(frozen=True)
class TokenSample:
    """One sample as token ids.

    Attributes:
        id: The sample's id.
        prompt: Ids of all tokens before the completion, the BOS token included.
        completion: Ids of the completion; the EOS token is the last, unless the completion was truncated.
    """

    id: int
    prompt: list[int]
    completion: list[int]

    def __len__(self) -> int:
        """Counts the tokens of prompt and completion."""
        return len(self.prompt) + len(self.completion)


def write_tokens(path: str | Path, samples: list[TokenSample]) -> None:
    """Writes a token set as an Arrow stream, a format that `datasets` and pyarrow can map into memory."""
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


def check_tokens(stats: str, **tokens: str) -> dict[str, str]:
    """Checks that token sets are those that the statistics beside them describe.

    Args:
        stats: Path of the statistics.
        tokens: Path of each token set, under the name that the statistics give it.

    Returns:
        SHA-256 of each token set, and of the samples that it was made from, under the set's name and `_samples`.

    Raises:
        StudyError: A token set has changed since it was made.
    """
    found, described = file_hashes(**tokens), read_json(stats)
    check_recorded(found, described["sha256"], tokens, stats)
    return found | {f"{name}_samples": described["samples_sha256"][name] for name in tokens}


def read_tokens(path: str | Path) -> list[TokenSample]:
    """Reads a token set.

    Raises:
        StudyError: The file is not a token set.
    """
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            table = stream.read_all()
    except pa.ArrowInvalid as error:
        raise StudyError(f"{path}: not a token set ({error}). Delete it and run again.") from None
    columns = (table[name].to_pylist() for name in ("id", "prompt", "completion"))
    return [TokenSample(*row) for row in zip(*columns, strict=True)]
