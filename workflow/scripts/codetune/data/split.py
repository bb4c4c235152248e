"""The split of a data set into training, validation and test part."""

import random
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import write_json, write_jsonl
from codetune.base.plain import read_lines_as, to_plain
from codetune.data.cleaning import clean
from codetune.data.duplicates import THRESHOLD, components, near_duplicates
from codetune.data.samples import (
    PARTS,
    PublishedRecord,
    Sample,
    by_request,
    sha256_of_records,
    sha256_of_samples,
)
from codetune.study.dataset import Split
from codetune.study.facts import DuplicateRequests, NearDuplicates, SplitFacts, Touched


def split_dataset(source: str | Path, name: str, settings: Split, targets: Mapping[str, str]) -> None:
    """Cleans and splits a data set, and writes its parts and the facts of the split.

    Args:
        source: Path of the records as published, as JSON lines.
        name: Name of the data set.
        settings: Shares, seed and treatment of near-duplicates.
        targets: Paths to write: `train`, `validation` and `test` (JSON lines), and `facts` (JSON).

    Raises:
        StudyError: A part would be empty.
    """
    records = [asdict(record) for record in read_lines_as(source, PublishedRecord)]
    samples, touched = clean(records)
    near = near_duplicates([f"{sample.request}\n{sample.output}" for sample in samples])
    parts = split(samples, settings, near)
    for part, members in parts.items():
        if not members:
            requests = len(by_request(samples))
            raise StudyError(
                f"{source}: the split leaves no sample for {part}; {len(samples)} samples with {requests} different "
                "requests are too few. Use more data, or change the shares in the config's 'split'."
            )
    for part, members in parts.items():
        write_jsonl(targets[part], map(asdict, members))
    facts = SplitFacts(
        dataset=name,
        records=len(records),
        records_sha256=sha256_of_records(records),
        touched={reason: Touched(len(numbers), numbers) for reason, numbers in touched.items()},
        duplicate_requests=_describe_duplicate_requests(samples),
        near_duplicates=_describe_near_duplicates(
            parts, [[samples[index].id for index in group] for group in near], settings
        ),
        shares={"train": settings.train, "validation": settings.validation, "test": settings.test},
        seed=settings.seed,
        sha256={part: sha256_of_samples(members) for part, members in parts.items()},
    )
    write_json(targets["facts"], to_plain(facts))
    print(", ".join(f"{part}: {len(members)}" for part, members in parts.items()))


def split(samples: list[Sample], settings: Split, near: list[list[int]]) -> dict[str, list[Sample]]:
    """Splits samples by seed into train, validation and test; samples with the same request stay in one part.

    Requests are the same if they are equal up to case and white space. The groups of samples with the same request are
    shuffled and assigned to the parts in turn until each has its share. Then each near-duplicate moves to the part of
    the first sample of its group, unless the config allows near-duplicates `anywhere`.

    Args:
        samples: The samples.
        settings: Shares, seed and treatment of near-duplicates.
        near: Groups of near-duplicates, as indices of the samples.

    Returns:
        The samples of each part, in the data set's order.
    """
    requests = by_request(samples)
    order = list(requests.values())
    random.Random(settings.seed).shuffle(order)
    train = len(samples) * settings.train
    bounds = [round(train), round(train + len(samples) * settings.validation)]
    part_of: dict[int, str] = {}
    for group in order:
        dealt = len(part_of)
        part = "train" if dealt < bounds[0] else "validation" if dealt < bounds[1] else "test"
        part_of |= dict.fromkeys((sample.id for sample in group), part)
    if settings.near_duplicates == "together":
        for members in _samples_together(samples, requests, near):
            part_of |= dict.fromkeys(members, part_of[members[0]])
    return {part: [sample for sample in samples if part_of[sample.id] == part] for part in PARTS}


def _samples_together(
    samples: list[Sample], requests: dict[str, list[Sample]], near: list[list[int]]
) -> list[list[int]]:
    """Groups the ids of samples that must stay in one part: those with the same request, and near-duplicates."""
    place = {sample.id: index for index, sample in enumerate(samples)}
    groups = [*near, *([place[sample.id] for sample in group] for group in requests.values())]
    pairs = [(group[0], other) for group in groups for other in group[1:]]
    return [[samples[index].id for index in group] for group in components(len(samples), pairs)]


def _describe_duplicate_requests(samples: list[Sample]) -> DuplicateRequests:
    sizes = [len(group) for group in by_request(samples).values() if len(group) > 1]
    return DuplicateRequests(sum(sizes), len(sizes), "kept on one side of the split")


def _describe_near_duplicates(
    parts: Mapping[str, list[Sample]], groups: list[list[int]], settings: Split
) -> NearDuplicates:
    part_of = {sample.id: part for part, members in parts.items() for sample in members}
    leaked = [
        member
        for group in groups
        for member in group
        if part_of[member] == "test" and {part_of[other] for other in group} != {"test"}
    ]
    return NearDuplicates(THRESHOLD, sum(map(len, groups)), groups, settings.near_duplicates, sorted(leaked))
