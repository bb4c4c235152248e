"""The data card: what is in a data set, and what was changed or dropped."""

import statistics
from collections import Counter
from dataclasses import asdict
from typing import Any

from codetune.base.files import sha256_of_json
from codetune.data.duplicates import THRESHOLD
from codetune.data.languages import guess_language
from codetune.data.reading import sha256_of_records
from codetune.data.samples import PARTS, Sample, by_request

NEAR = {"together": "kept on one side of the split", "anywhere": "left where the split put them"}


LISTED = 20  # groups of near-duplicates in the card's text


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
    groups = by_request(sample for members in parts.values() for sample in members).values()
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
        "parts": {part: _describe_part(members) for part, members in parts.items()},
    }


def _describe_part(samples: list[Sample]) -> dict[str, Any]:
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
