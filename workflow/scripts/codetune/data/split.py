"""The split of a data set into train, validation and test."""

import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import read_jsonl, write_json, write_jsonl, write_text
from codetune.data.card import data_card, render_card
from codetune.data.cleaning import clean
from codetune.data.duplicates import components, near_duplicates
from codetune.data.samples import PARTS, Sample, by_request


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
            requests = len(by_request(samples))
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
    requests = by_request(samples)
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
        for members in _samples_together(samples, requests, near):
            part_of |= dict.fromkeys(members, part_of[members[0]])
    return {part: [sample for sample in samples if part_of[sample.id] == part] for part in PARTS}


def _samples_together(
    samples: list[Sample], requests: dict[str, list[Sample]], near: list[list[int]]
) -> list[list[int]]:
    """Ids of samples that hang together, by asking the same or as near-duplicates."""
    place = {sample.id: index for index, sample in enumerate(samples)}
    groups = [*near, *([place[sample.id] for sample in group] for group in requests.values())]
    pairs = [(group[0], other) for group in groups for other in group[1:]]
    return [[samples[index].id for index in group] for group in components(len(samples), pairs)]
