"""Samples of an instruction data set: read, checked, cleaned, split, and described in a data card."""

import json
import random
import re
import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from codetune.duplicates import THRESHOLD, components, near_duplicates
from codetune.errors import StudyError
from codetune.files import read_jsonl, sha256_of_json, write_json, write_jsonl, write_text
from codetune.languages import guess_language

FIELDS = ("instruction", "input", "output")
PARTS = ("train", "validation", "test")
NEAR = {"together": "kept on one side of the split", "anywhere": "left where the split put them"}
LISTED = 20  # groups of near-duplicates in the card's text
# "noinput" spelled out: alone, or in brackets at the end of an input. 25 records of CodeAlpaca-20k have it.
# The look-behind keeps a megabyte of "<" from being searched anew at each of them.
NO_INPUT = re.compile(r"\A\W*no[ -]?inputn?\W*\Z|(?<![<\[])[<\[]+ *no[ -]?inputn?[>\] ]*\Z", re.IGNORECASE)
NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
JSON_NAMES = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    tuple: "two values",
}


@dataclass(frozen=True)
class Sample:
    """One instruction with its reference code.

    Attributes:
        id: 0-based number of the record in the data set as published.
        instruction: The task.
        input: What the task is applied to; often empty.
        output: The reference completion.
    """

    id: int
    instruction: str
    input: str
    output: str

    @property
    def request(self) -> str:
        """What the user asks: x in the paper's section 3.2."""
        return f"{self.instruction}\n{self.input}" if self.input else self.instruction


def read_records(path: str | Path) -> list[dict[str, str]]:
    """Reads records in CodeAlpaca's format: a JSON array, or one JSON object a line.

    Raises:
        StudyError: The file is not such JSON, or a record lacks a field or holds something other than text.
    """
    records = _parse(path, _read_text(path))
    if not records:
        raise StudyError(f"{path}: holds no records")
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise StudyError(f"{path}, record {number}: not a JSON object")
        for field in FIELDS:
            if not isinstance(record.get(field), str):
                found = f"holds {JSON_NAMES[type(record[field])]}" if field in record else "is missing"
                raise StudyError(f"{path}, record {number}: the field '{field}' {found}; text is needed")
    return [{field: record[field] for field in FIELDS} for record in records]


def _read_text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")  # some editors begin a file with a byte order mark
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None


def _parse(path: str | Path, text: str) -> list[Any]:
    is_array = text.lstrip().startswith("[")
    pieces = [(1, text)] if is_array else [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    values = []
    for number, piece in pieces:
        try:
            values.append(json.loads(piece, object_pairs_hook=_with_duplicates))
        except (ValueError, RecursionError) as error:
            reason, line = str(error), number
            if isinstance(error, json.JSONDecodeError):
                reason, line = f"{error.msg} (column {error.colno})", number + error.lineno - 1
            raise StudyError(
                f"{path}, line {line}: {reason}. The file has to be a JSON array, or JSON lines with one object a line."
            ) from None
    return values[0] if is_array else values


def _with_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A field that an object names twice holds a tuple, which no JSON does: which of the values is meant is unknown."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = (found[key], value) if key in found else value
    return found


def sha256_of_records(records: Iterable[dict[str, str]]) -> str:
    """SHA-256 over the canonical records: what they say and their order, however the file is laid out."""
    return sha256_of_json([[record[field] for field in FIELDS] for record in records])


def import_dataset(source: str | Path, target: str | Path, records: int | None, sha256: str | None) -> None:
    """Checks a data set against its declared size and content and writes it as JSON lines.

    The lines are ASCII, all else is escaped: a record with half a surrogate pair has no UTF-8, but has to come as far
    as the cleaning, which counts it.

    Args:
        source: A file that `read_records` reads.
        target: Where to write.
        records: Expected number of records; None to accept any.
        sha256: Expected `sha256_of_records`; None to accept any.

    Raises:
        StudyError: The content differs from what is declared.
    """
    found = read_records(source)
    if records is not None and len(found) != records:
        raise StudyError(f"{source}: {len(found)} records, but the config declares {records}")
    digest = sha256_of_records(found)
    if sha256 is not None and digest != sha256:
        raise StudyError(
            f"{source}: the records' SHA-256 is {digest}, but the config declares {sha256}. Get the pinned revision, "
            "or declare the new value if the change is meant."
        )
    write_text(target, "".join(json.dumps(record) + "\n" for record in found))
    print(f"{len(found)} records, SHA-256 {digest}")


def split_dataset(source: str | Path, settings: dict[str, Any], targets: dict[str, str], name: str) -> None:
    """Cleans and splits a data set and writes its parts and its data card.

    Args:
        source: Records as JSON lines.
        settings: The config's `split`: the shares of train, validation and test, which sum to 1; `seed` of the
            shuffle; `near_duplicates`, `together` or `anywhere`.
        targets: Path for each of train, validation, test, card (JSON) and card_text (Markdown).
        name: Name of the data set, for the card.

    Raises:
        StudyError: A part would be empty.
    """
    records = read_jsonl(source)
    samples, dropped = clean(records)
    near = near_duplicates([f"{sample.request}\n{sample.output}" for sample in samples])
    parts = split(samples, settings, near)
    for part, members in parts.items():
        if not members:
            requests = len(_by_request(samples))
            raise StudyError(
                f"{source}: the split leaves no sample for {part}; {len(samples)} samples with {requests} different "
                "requests are too few"
            )
    for part, members in parts.items():
        write_jsonl(targets[part], map(asdict, members))
    groups = [[samples[index].id for index in group] for group in near]
    card = data_card(name, records, dropped, parts, settings, groups)
    write_json(targets["card"], card)
    write_text(targets["card_text"], render_card(card))
    print(", ".join(f"{part}: {len(members)}" for part, members in parts.items()))


def clean(records: list[dict[str, str]]) -> tuple[list[Sample], dict[str, list[int]]]:
    """Turns records into samples: a spelled-out "noinput" becomes no input; some records are dropped.

    Without an output there is nothing to learn or to score. Control characters (all but tab and line ends) and halves
    of surrogate pairs are no source code but the trace of a damaged file. Halves have no UTF-8, which the tokenizer
    needs; a model would learn the others, and ROUGE would not see them.

    Returns:
        The samples, and for each reason the numbers of the records it touched.
    """
    samples = []
    no_output, no_text = "dropped: empty output", "dropped: control characters or half a surrogate pair"
    no_input = "changed: 'noinput' read as no input"
    touched: dict[str, list[int]] = {no_output: [], no_text: [], no_input: []}
    for number, record in enumerate(records):
        text = NO_INPUT.sub("", record["input"]).rstrip()
        if text != record["input"].rstrip():
            touched[no_input].append(number)
        if not record["output"].strip():
            touched[no_output].append(number)
        elif any(NOT_TEXT.search(record[field]) for field in FIELDS):
            touched[no_text].append(number)
        else:
            samples.append(Sample(number, record["instruction"], text, record["output"]))
    return samples, touched


def split(samples: list[Sample], settings: dict[str, Any], near: list[list[int]]) -> dict[str, list[Sample]]:
    """Seeded split into train, validation and test; samples that ask the same stay on one side.

    Two samples ask the same if their requests are equal up to case and white space. Groups of such samples are
    shuffled and dealt out until each part has its share. Then near-duplicates follow the first of their group, unless
    they may lie `anywhere`. Each part keeps the data set's order.

    Args:
        samples: The samples.
        settings: The config's `split`.
        near: Groups of near-duplicates, as indices of the samples.
    """
    requests = _by_request(samples)
    order = list(requests.values())
    random.Random(settings["seed"]).shuffle(order)
    train = len(samples) * settings["train"]
    bounds = [round(train), round(train + len(samples) * settings["validation"])]
    part_of: dict[int, str] = {}
    for group in order:
        dealt = len(part_of)
        part = "train" if dealt < bounds[0] else "validation" if dealt < bounds[1] else "test"
        part_of |= dict.fromkeys((sample.id for sample in group), part)
    if settings["near_duplicates"] == "together":
        for members in _alike(samples, requests, near):
            part_of |= dict.fromkeys(members, part_of[members[0]])
    return {part: [sample for sample in samples if part_of[sample.id] == part] for part in PARTS}


def _alike(samples: list[Sample], requests: dict[str, list[Sample]], near: list[list[int]]) -> list[list[int]]:
    """Ids of samples that hang together, by asking the same or as near-duplicates."""
    place = {sample.id: index for index, sample in enumerate(samples)}
    groups = [*near, *([place[sample.id] for sample in group] for group in requests.values())]
    pairs = [(group[0], other) for group in groups for other in group[1:]]
    return [[samples[index].id for index in group] for group in components(len(samples), pairs)]


def _by_request(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(" ".join(sample.request.casefold().split()), []).append(sample)
    return groups


def data_card(
    name: str,
    records: list[dict[str, str]],
    touched: dict[str, list[int]],
    parts: dict[str, list[Sample]],
    settings: dict[str, Any],
    near: list[list[int]],
) -> dict[str, Any]:
    """What is in the data set: counts, lengths in characters, languages, and what was changed or dropped and why."""
    part_of = {sample.id: part for part, members in parts.items() for sample in members}
    groups = _by_request(sample for members in parts.values() for sample in members).values()
    return {
        "dataset": name,
        "records": len(records),
        "records_sha256": sha256_of_records(records),
        "touched": {reason: {"count": len(numbers), "records": numbers} for reason, numbers in touched.items()},
        "duplicate_requests": {
            "samples": sum(len(group) for group in groups if len(group) > 1),
            "groups": sum(len(group) > 1 for group in groups),
            "handling": "kept on one side of the split",
        },
        "near_duplicates": {
            "threshold": THRESHOLD,
            "samples": sum(map(len, near)),
            "groups": near,
            "handling": settings["near_duplicates"],
            "leaked": sorted(
                member
                for group in near
                for member in group
                if part_of[member] == "test" and {part_of[other] for other in group} != {"test"}
            ),
        },
        "split": {"shares": {part: settings[part] for part in PARTS}, "seed": settings["seed"]},
        "parts": {part: _describe(members) for part, members in parts.items()},
    }


def _describe(samples: list[Sample]) -> dict[str, Any]:
    languages = Counter(guess_language(sample.request, sample.output) for sample in samples)
    return {
        "samples": len(samples),
        "sha256": sha256_of_json([asdict(sample) for sample in samples]),
        "without_input": sum(not sample.input for sample in samples),
        "characters_of_request": _lengths([len(sample.request) for sample in samples]),
        "characters_of_output": _lengths([len(sample.output) for sample in samples]),
        "languages": dict(sorted(languages.items(), key=lambda item: (-item[1], item[0]))),
    }


def _lengths(values: list[int]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "mean": round(statistics.fmean(ordered), 1),
        "median": ordered[len(ordered) // 2],
        "p99": ordered[int(0.99 * (len(ordered) - 1))],
        "longest": ordered[-1],
    }


def render_card(card: dict[str, Any]) -> str:
    """The data card as Markdown."""
    parts = card["parts"]
    lines = [
        f"# Data card: {card['dataset']}",
        "",
        f"{card['records']} records, SHA-256 of the canonical records `{card['records_sha256']}`.",
        "",
        "| part | share | samples | without input | mean request (characters) | mean output | longest output |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for part, facts in parts.items():
        request, output = facts["characters_of_request"], facts["characters_of_output"]
        lines.append(
            f"| {part} | {card['split']['shares'][part]:g} | {facts['samples']} | {facts['without_input']} "
            f"| {request['mean']} | {output['mean']} | {output['longest']} |"
        )
    lines += ["", f"Split with seed {card['split']['seed']}.", "", "## What was dropped or changed", ""]
    for reason, entry in card["touched"].items():
        numbers = ", ".join(map(str, entry["records"])) or "none"
        lines.append(f"- {reason}: {entry['count']} (records {numbers})")
    duplicates = card["duplicate_requests"]
    lines.append(
        f"- duplicate requests (equal up to case and white space): {duplicates['samples']} samples in "
        f"{duplicates['groups']} groups, {duplicates['handling']}"
    )
    near = card["near_duplicates"]
    listed = "; ".join(", ".join(map(str, group)) for group in near["groups"][:LISTED]) or "none"
    more = f"; and {len(near['groups']) - LISTED} more groups in card.json" if len(near["groups"]) > LISTED else ""
    lines += [
        "- near-duplicates (of requests with outputs; Jaccard similarity of token triples at least "
        f"{near['threshold']}): {near['samples']} samples in {len(near['groups'])} groups, {NEAR[near['handling']]}; "
        f"{len(near['leaked'])} test samples have one in train or validation",
        f"  - groups: {listed}{more}",
    ]
    lines += ["", "## Languages (guessed from the request, else from the output)", ""]
    lines += ["| language | " + " | ".join(parts) + " |", "|---|" + "---:|" * len(parts)]
    names = sorted({name for facts in parts.values() for name in facts["languages"]})
    for name in names:
        counts = " | ".join(str(facts["languages"].get(name, 0)) for facts in parts.values())
        lines.append(f"| {name} | {counts} |")
    return "\n".join(lines) + "\n"


def read_samples(path: str | Path) -> list[Sample]:
    """Reads one part of a split."""
    return [Sample(**row) for row in read_jsonl(path)]
