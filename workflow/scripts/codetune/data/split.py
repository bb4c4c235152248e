"""The split of a data set into training, validation and test part."""

import random
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import write_json, write_jsonl
from codetune.base.plain import iterate_lines_as, to_plain
from codetune.base.progress import doing
from codetune.data.cleaning import clean
from codetune.data.drawing import draw
from codetune.data.duplicates import THRESHOLD, Components, near_duplicates
from codetune.data.samples import (
    PARTS,
    PublishedRecord,
    Sample,
    by_request,
    sha256_of_records,
    sha256_of_samples,
)
from codetune.data.shares import describe_deviation
from codetune.study.data_facts import DuplicateRequests, NearDuplicates, SplitFacts, Touched
from codetune.study.dataset import Split


def split_dataset(source: str | Path, name: str, settings: Split, targets: Mapping[str, str]) -> None:
    """Cleans and splits a data set, or a sample of it, and writes its parts and the facts of the split.

    Args:
        source: Path of the records as published, as JSON lines.
        name: Name of the data set.
        settings: Shares, seed, treatment of near-duplicates, and the part of the records that is split.
        targets: Paths to write: `train`, `validation` and `test` (JSON lines), and `facts` (JSON).

    Raises:
        StudyError: A part would be empty, or there are fewer records than are to be drawn.
    """
    records = [asdict(record) for record in iterate_lines_as(source, PublishedRecord)]
    samples, touched = clean(draw(records, settings.sample, name))
    with doing(f"search for near-duplicates among {len(samples):,} samples"):
        near = near_duplicates(f"{sample.request}\n{sample.output}" for sample in samples)
    parts = split(samples, settings, near)
    empty = [part for part, members in parts.items() if not members]
    if empty:
        raise StudyError(
            f"{source}: the split leaves no sample for {empty[0]}; {_why_empty(samples, settings, near)}"
            + (
                " This is about a part of the records: a larger 'sample' in the config draws more."
                if settings.sample
                else ""
            )
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
        sample=settings.sample,
    )
    write_json(targets["facts"], to_plain(facts))
    sizes = {part: len(members) for part, members in parts.items()}
    print(", ".join(f"{part}: {size}" for part, size in sizes.items()))
    if deviation := describe_deviation(sizes, facts.shares):
        print(deviation)


def split(samples: list[Sample], settings: Split, near: list[list[int]]) -> dict[str, list[Sample]]:
    """Splits samples by seed into train, validation and test; samples that belong together stay in one part.

    Samples with the same request belong together: requests that are equal up to case and white space. So do
    near-duplicates, unless the config allows them `anywhere`. Requests are shuffled and dealt in this order, first to
    train until it has its share, then to validation, the rest to test. With a request comes, at its turn, all that
    belongs together with it. So a part has its share or, by the last group dealt to it, more: fewer than that group
    has samples. That is taken from the part after it. Without near-duplicates the split is that of the requests alone.

    Args:
        samples: The samples.
        settings: Shares, seed and treatment of near-duplicates.
        near: Groups of near-duplicates, as indices of the samples.

    Returns:
        The samples of each part, in the data set's order.
    """
    requests = list(by_request(samples).values())
    group_of = {member: group for group in _groups_together(samples, requests, settings, near) for member in group}
    random.Random(settings.seed).shuffle(requests)
    first, second = _bounds(len(samples), settings)
    part_of: dict[int, str] = {}
    for request in requests:
        if request[0].id in part_of:
            continue
        dealt = len(part_of)
        part = "train" if dealt < first else "validation" if dealt < second else "test"
        part_of |= dict.fromkeys(group_of[request[0].id], part)
    return {part: [sample for sample in samples if part_of[sample.id] == part] for part in PARTS}


def _bounds(samples: int, settings: Split) -> tuple[int, int]:
    """How many samples are dealt before those of validation, and before those of the test part."""
    train = samples * settings.train
    return round(train), round(train + samples * settings.validation)


def _groups_together(
    samples: list[Sample], requests: list[list[Sample]], settings: Split, near: list[list[int]]
) -> list[list[int]]:
    """The ids of the samples in each group that must stay in one part."""
    place = {sample.id: index for index, sample in enumerate(samples)}
    found = Components(len(samples))
    for request in requests:
        found.connect([place[sample.id] for sample in request])
    if settings.near_duplicates == "together":
        for group in near:
            found.connect(group)
    return [[samples[index].id for index in group] for group in found.groups()]


def _why_empty(samples: list[Sample], settings: Split, near: list[list[int]]) -> str:
    """Says why a part is empty, and what to do: too few samples or requests, or too many that stay together."""
    if not samples:
        return "the cleaning dropped all records, which have no output or hold control characters. Check the data."
    requests = list(by_request(samples).values())
    first, second = _bounds(len(samples), settings)
    if len(requests) < len(PARTS) or not 0 < first < second < len(samples):
        return (
            f"{len(samples)} samples with {len(requests)} different requests are too few. Use more data, or change the "
            "shares in the config's 'split'."
        )
    apart = replace(settings, near_duplicates="anywhere")
    if not all(split(samples, apart, []).values()):
        settings, what, remedy = apart, "have the same request and", "in the config's 'split'"
    else:
        what = "are near-duplicates, by pairs or chains, and"
        remedy = "in the config's 'split', or set 'near_duplicates: anywhere' there"
    largest = max(map(len, _groups_together(samples, requests, settings, near)))
    return (
        f"{largest} of {len(samples)} samples {what} stay together. Use data that differ more, or change the shares or "
        f"the seed {remedy}."
    )


def _describe_duplicate_requests(samples: list[Sample]) -> DuplicateRequests:
    sizes = [len(group) for group in by_request(samples).values() if len(group) > 1]
    return DuplicateRequests(sum(sizes), len(sizes), "kept on one side of the split")


def _describe_near_duplicates(
    parts: Mapping[str, list[Sample]], groups: list[list[int]], settings: Split
) -> NearDuplicates:
    part_of = {sample.id: part for part, members in parts.items() for sample in members}
    across = [group for group in groups if {part_of[member] for member in group} != {"test"}]
    leaked = [member for group in across for member in group if part_of[member] == "test"]
    return NearDuplicates(THRESHOLD, sum(map(len, groups)), groups, settings.near_duplicates, sorted(leaked))
