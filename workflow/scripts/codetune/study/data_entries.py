"""From an entry of the config's `datasets` to the noun."""

import math
from collections.abc import Mapping
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.places import is_plain_name
from codetune.study.dataset import ONE_TURN, PARTS, Dataset, Published, Split, Subset
from codetune.study.defaults import SHARES
from codetune.study.model import Source
from codetune.study.runs import NONE
from codetune.study.study import Study

SAMPLE_FIELDS = ("instruction", "input", "output", "messages")  # in this order, however the config writes them
Entry = Mapping[str, Any]


def build_dataset(name: str, entry: Entry, source: Source) -> Dataset:
    """Builds a data set from its entry.

    Args:
        name: Its name.
        entry: The entry, with its defaults.
        source: Where its files come from.
    """
    parts = {part: entry["parts"][part] for part in PARTS if part in entry["parts"]} if "parts" in entry else None
    fields = entry.get("fields", {})
    mapped = {
        key: [fields[key]] if isinstance(fields[key], str) else fields[key] for key in SAMPLE_FIELDS if key in fields
    }
    filters = entry.get("keep", [])
    published = Published(
        source,
        entry.get("file"),
        entry.get("records"),
        entry.get("sha256"),
        parts,
        mapped or None,
        [ONE_TURN] if ONE_TURN in filters else None,
        entry.get("instruction"),
        entry.get("github"),
        entry.get("unit_tests"),
    )
    sample = Subset(**entry["sample"]) if "sample" in entry else None
    keep = [one for one in filters if one != ONE_TURN]
    split = Split(
        **entry["split"],
        sample=sample,
        keep=keep or None,
        parts=list(parts) if parts else None,
        language=entry.get("language"),
    )
    return Dataset(name, published, split)


def check_dataset(name: str, entry: Entry) -> None:
    """Checks what a schema cannot: that keys go together, and that shares sum to 1.

    Args:
        name: The data set's name.
        entry: Its entry as the config has it.

    Raises:
        StudyError: They do not; the message names the data set.
    """
    where = f"config: datasets.{name}"
    if "repo" in entry and "github" in entry:
        raise StudyError(f"{where}: 'repo' and 'github' exclude each other; leave one out")
    for key in ("file", "parts"):
        for file in (entry[key].values() if key == "parts" else [entry[key]]) if key in entry else []:
            if not is_plain_name(file):
                raise StudyError(
                    f"{where}.{key}: {ascii(file)[:60]} is not the name of a file in a repository: relative, with '/' "
                    "between its parts, none of which is '.' or '..' or has a '\\'"
                )
    _check_fields(where, entry.get("fields"), entry.get("instruction"))
    _check_sample(where, entry)
    split = entry.get("split", {})
    if "parts" in entry:
        _check_parts(where, entry, split)
        return
    found = SHARES | split
    rest = found["validation"] + found["test"]
    if "train" not in split and rest >= 1:
        raise StudyError(f"{where}.split: validation + test is {rest:g}, which leaves nothing to train on")
    if "train" in split and not math.isclose(total := split["train"] + rest, 1.0, abs_tol=1e-9):
        raise StudyError(f"{where}.split: train + validation + test is {total:g}, but has to be 1")


def _check_fields(where: str, fields: Entry | None, instruction: str | None) -> None:
    """Checks that a mapping names request and answer, or the turns of a conversation, which hold both."""
    if instruction is not None and (fields is None or {"instruction", "messages"} & set(fields)):
        raise StudyError(
            f"{where}.instruction: is that of all records; it needs 'fields' that name 'output', and 'input' where "
            "records have one, but neither 'instruction' nor 'messages'"
        )
    if fields is None:
        return
    others = sorted(set(fields) - {"messages"})
    if "messages" in fields and others:
        raise StudyError(f"{where}.fields: 'messages' holds request and answer; leave '{others[0]}' out")
    for key in ("instruction", "output") if instruction is None else ("output",):
        if "messages" not in fields and key not in fields:
            raise StudyError(f"{where}.fields: the key '{key}' is missing; add it")


def _check_sample(where: str, entry: Entry) -> None:
    wanted, declared = entry.get("sample", {}).get("records", 0), entry.get("records")
    if declared is not None and wanted > declared:
        raise StudyError(
            f"{where}.sample: {wanted} records cannot be drawn from {declared}. Draw fewer, or leave 'sample' out to "
            "take all."
        )


def _check_parts(where: str, entry: Entry, split: Entry) -> None:
    """Checks that files give a test part, and a training part if anything is trained on; and that all else agrees."""
    if "file" in entry and "path" not in entry:
        raise StudyError(f"{where}: 'file' and 'parts' exclude each other; leave one out")
    if "test" not in entry["parts"]:
        raise StudyError(
            f"{where}.parts: the part 'test' is missing; add its file, or leave 'parts' out and name one file, which "
            "is then split"
        )
    if "train" not in entry["parts"]:
        _check_test_set(where, entry)
    files = list(entry["parts"].values())
    twice = next((file for file in files if files.count(file) > 1), None)
    if twice is not None:
        raise StudyError(f"{where}.parts: {twice} is the file of two parts; name another for one of them")
    for part in ("train", "test"):
        if part in split:
            raise StudyError(
                f"{where}.split: '{part}' says nothing, since 'parts' names the files of the parts; leave it out"
            )
    if split and (set(entry["parts"]) == {"test"} or "validation" in entry["parts"]):
        raise StudyError(f"{where}.split: says nothing, since 'parts' names a file for each part; leave it out")


def _check_test_set(where: str, entry: Entry) -> None:
    """Checks that an entry without a training part has nothing that needs one."""
    for key, found in (("parts.validation", "validation" in entry["parts"]), ("sample", "sample" in entry)):
        if found:
            raise StudyError(
                f"{where}.{key}: says nothing without a training part; leave it out, or add 'train' to 'parts'"
            )


def check_training_data(study: Study) -> None:
    """Checks that each run that uses training samples has some.

    Args:
        study: The study.

    Raises:
        StudyError: A run is to use those of a set that is only for tests.
    """
    for run in study.runs:
        for name in study.published_of(run.data) if run.data != NONE else []:
            if "train" not in study.datasets[name].split.filled:
                raise StudyError(
                    f"config: runs: the method '{run.method}' needs training samples, but '{name}' has only a test "
                    "part. Name other data under 'datasets', and this set under 'tests'."
                )
