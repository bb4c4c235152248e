"""The split of a data set into training, validation and test part."""

import random
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import Row, write_json, write_jsonl
from codetune.base.plain import iterate_lines_as, to_plain
from codetune.base.progress import doing
from codetune.data.cleaning import clean
from codetune.data.drawing import draw
from codetune.data.duplicates import THRESHOLD, Components, near_duplicates
from codetune.data.filters import keep_records
from codetune.data.samples import (
    PublishedRecord,
    Sample,
    by_request,
    rows_of,
    sha256_of_records,
    sha256_of_samples,
)
from codetune.data.shares import describe_deviation
from codetune.study.data_facts import DuplicateRequests, NearDuplicates, SplitFacts, Touched
from codetune.study.dataset import PARTS, Split

# What is done with samples that ask the same: on one side of a split, or where files put them.
TOGETHER, LEFT = "kept on one side of the split", "left where the files put them"


def split_dataset(
    source: str | Path,
    name: str,
    settings: Split,
    targets: Mapping[str, str],
    published: Mapping[str, int] | None = None,
) -> None:
    """Filters, cleans and splits a data set, or a sample of it, and writes its parts and the facts of the split.

    Args:
        source: Path of the records as published, as JSON lines.
        name: Name of the data set.
        settings: Shares, seed, treatment of near-duplicates, and the part of the records that is split.
        targets: Paths to write: `train`, `validation` and `test` (JSON lines), and `facts` (JSON).
        published: How many of the records, one after the other, are of each part that a file gives; None if one file
            holds all.

    Raises:
        StudyError: A part would be empty, or there are fewer records than are to be drawn.
    """
    records = [asdict(record) for record in iterate_lines_as(source, PublishedRecord)]
    given = {} if published is None else _parts_of_numbers(published)
    chosen, kept = keep_records(dict(enumerate(records)), settings.keep or [])
    drawn = _draw(chosen, given, settings, name)
    samples, touched = clean(drawn, benchmark=published is not None, language=settings.language)
    with doing(f"search for near-duplicates among {len(samples):,} samples"):
        near = near_duplicates(f"{sample.request}\n{sample.output}" for sample in samples)
    parts = split(samples, settings, near) if published is None else _deal(samples, given, settings, near)
    if not all(parts[part] for part in settings.filled):
        raise StudyError(f"{source}: {_describe_empty(parts, samples, near, settings)}{_say_kept(kept, len(records))}")
    for part, members in parts.items():
        write_jsonl(targets[part], rows_of(members))
    facts = SplitFacts(
        dataset=name,
        records=len(records),
        records_sha256=sha256_of_records(records),
        touched={reason: Touched(len(numbers), numbers) for reason, numbers in touched.items()},
        duplicate_requests=_describe_duplicate_requests(samples, LEFT if published else TOGETHER),
        near_duplicates=_describe_near_duplicates(parts, samples, near, settings),
        shares=settings.shares,
        seed=settings.seed,
        sha256={part: sha256_of_samples(members) for part, members in parts.items()},
        sample=settings.sample,
        parts=None if published is None else dict(published),
        kept=kept or None,
    )
    write_json(targets["facts"], to_plain(facts))
    _tell_sizes(facts, {part: len(members) for part, members in parts.items()})


def _tell_sizes(facts: SplitFacts, sizes: Mapping[str, int]) -> None:
    """Prints how many samples each part has, and what of that is not as the config lets one expect."""
    print(", ".join(f"{part}: {size}" for part, size in sizes.items()))
    if deviation := describe_deviation(sizes, facts.shares):
        print(deviation)
    if facts.kept:
        print(_say_kept(facts.kept, facts.records).strip())


def _parts_of_numbers(published: Mapping[str, int]) -> dict[int, str]:
    """The part of each record by its number, where the records of the parts stand one after the other."""
    return dict(enumerate(part for part, count in published.items() for _ in range(count)))


def _draw(records: Mapping[int, Row], given: Mapping[int, str], settings: Split, name: str) -> dict[int, Row]:
    """Draws a sample of the records; where files give the parts, of the training records, so that tests stay whole."""
    others = {number: record for number, record in records.items() if given.get(number, "train") != "train"}
    drawn = draw({number: record for number, record in records.items() if number not in others}, settings.sample, name)
    return dict(sorted((drawn | others).items()))


def _deal(
    samples: list[Sample], given: Mapping[int, str], settings: Split, near: list[list[int]]
) -> dict[str, list[Sample]]:
    """Leaves each sample in the part that its file gives; cuts validation from the training part if no file has it."""
    parts = {part: [sample for sample in samples if given[sample.id] == part] for part in PARTS}
    if "validation" not in given.values() and parts["train"]:
        place = {sample.id: index for index, sample in enumerate(parts["train"])}
        groups = [[place[samples[index].id] for index in group if samples[index].id in place] for group in near]
        cut = split(parts["train"], settings, groups)
        parts |= {part: cut[part] for part in ("train", "validation")}
    return parts


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


def _describe_empty(
    parts: Mapping[str, list[Sample]], samples: list[Sample], near: list[list[int]], settings: Split
) -> str:
    """Says which part is empty, why, and what to do."""
    empty = next(part for part in settings.filled if not parts[part])
    why = _why_empty_part(parts, settings) if settings.parts else _why_empty(samples, settings, near)
    more = " This is about a part of the records: a larger 'sample' in the config draws more."
    return f"the split leaves no sample for {empty}; {why}{more if settings.sample else ''}"


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


def _why_empty_part(parts: Mapping[str, list[Sample]], settings: Split) -> str:
    """Says why a part is empty where files give the parts, and what to do."""
    if "validation" not in (settings.parts or []) and parts["train"] and parts["test"]:
        return (
            f"its share of the {len(parts['train'])} training samples is none. Use more data, change 'validation' in "
            "the config's 'split', or name a file for it in 'parts'."
        )
    return "none of the records of its file is left. Check the file, and 'keep' in the config."


def _say_kept(kept: Mapping[str, int], records: int) -> str:
    """Says how many records the filters left."""
    found = ", ".join(f"{count} after '{name}'" for name, count in kept.items())
    return f" Of {records} records the filters leave {found}." if kept else ""


def _describe_duplicate_requests(samples: list[Sample], handling: str) -> DuplicateRequests:
    sizes = [len(group) for group in by_request(samples).values() if len(group) > 1]
    return DuplicateRequests(sum(sizes), len(sizes), handling)


def _describe_near_duplicates(
    parts: Mapping[str, list[Sample]], samples: list[Sample], near: list[list[int]], settings: Split
) -> NearDuplicates:
    groups = [[samples[index].id for index in group] for group in near]
    part_of = {sample.id: part for part, members in parts.items() for sample in members}
    across = [group for group in groups if {part_of[member] for member in group} != {"test"}]
    leaked = [member for group in across for member in group if part_of[member] == "test"]
    return NearDuplicates(THRESHOLD, sum(map(len, groups)), groups, settings.near_duplicates, sorted(leaked))
