"""The data card: what a data set contains, and what was changed or dropped. No training depends on it."""

import statistics
from collections import Counter
from collections.abc import Mapping
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import MADE_AGAIN, write_json, write_text
from codetune.base.plain import read_as, to_plain
from codetune.base.text import markdown, markdown_cell, markdown_code
from codetune.data.languages import language_of
from codetune.data.samples import Sample, read_part
from codetune.data.shares import describe_deviation
from codetune.study.data_facts import SplitFacts
from codetune.study.dataset import PARTS

# What was done with near-duplicates, by the config's `near_duplicates`.
NEAR = {"together": "kept on one side of the split", "anywhere": "left where the split put them"}
LISTED = 20  # most groups of near-duplicates that the card's text lists


def write_card(facts: str, parts: Mapping[str, str], targets: Mapping[str, str]) -> None:
    """Writes the card as JSON, and as Markdown for readers.

    Args:
        facts: Path of the facts of the split.
        parts: Paths of the samples of train, validation and test.
        targets: Paths to write, `json` and `text`.

    Raises:
        StudyError: A file does not hold what its name says.
    """
    found = read_as(facts, SplitFacts)
    if not found.sha256.keys() >= set(PARTS) or not (found.parts or found.shares.keys() >= set(PARTS)):
        raise StudyError(f"{facts}: lacks a part's share or hash. {MADE_AGAIN}")
    samples = {part: read_part(parts[part], facts) for part in PARTS}
    card = data_card(found, {part: members for part, members in samples.items() if members})
    write_json(targets["json"], card)
    write_text(targets["text"], render_card(card))


def data_card(facts: SplitFacts, parts: Mapping[str, list[Sample]]) -> dict[str, Any]:
    """Describes a data set: counts, lengths in characters, languages, and what was changed or dropped and why.

    Args:
        facts: The facts of the split.
        parts: The samples of each part that has any.

    Returns:
        The content of card.json.
    """
    plain = to_plain(facts)
    for key in ("sample", "parts", "kept"):
        if plain[key] is None:
            del plain[key]
    if "parts" in plain:
        plain["records_of_parts"] = plain.pop("parts")  # "parts" of a card describes their samples
    hashes, shares, seed = plain.pop("sha256"), plain.pop("shares"), plain.pop("seed")
    return {
        **plain,
        "split": {"shares": shares, "seed": seed},
        "parts": {part: _describe_part(members, hashes[part]) for part, members in parts.items()},
    }


def _describe_part(samples: list[Sample], sha256: str) -> dict[str, Any]:
    languages = Counter(language_of(sample) for sample in samples)
    return {
        "samples": len(samples),
        "sha256": sha256,
        "without_input": sum(not sample.input for sample in samples),
        "characters_of_request": _describe_lengths([len(sample.request) for sample in samples]),
        "characters_of_output": _describe_lengths([len(sample.output) for sample in samples]),
        "languages": dict(sorted(languages.items(), key=lambda item: (-item[1], item[0]))),
    }


def _describe_lengths(values: list[int]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "mean": round(statistics.fmean(ordered), 1),
        "median": ordered[len(ordered) // 2],
        # Of fewer than a hundred values, no hundredth can be left out above it.
        "p99": ordered[int(0.99 * (len(ordered) - 1))] if len(ordered) >= 100 else ordered[-1],
        "longest": ordered[-1],
    }


def render_card(card: dict[str, Any]) -> str:
    """Renders the data card as Markdown."""
    parts = card["parts"]
    lines = [
        f"# Data card: {markdown(card['dataset'])}",
        "",
        f"{_count(card['records'], 'record')}, SHA-256 of the canonical records "
        f"{markdown_code(card['records_sha256'])}.{_describe_kept(card.get('kept'))}{_describe_sample(card)}",
        "",
        "| part | share | samples | without input | mean request (characters) | mean output | longest output |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for part, facts in parts.items():
        request, output = facts["characters_of_request"], facts["characters_of_output"]
        lines.append(
            f"| {part} | {_share_of(part, card)} | {facts['samples']} | {facts['without_input']} "
            f"| {request['mean']} | {output['mean']} | {output['longest']} |"
        )
    lines += ["", _describe_split(card)]
    lines += ["", "## What was dropped or changed", ""]
    for reason, entry in card["touched"].items():
        numbers = ", ".join(map(str, entry["records"])) or "none"
        lines.append(f"- {markdown(reason)}: {entry['count']} (records {numbers})")
    same = card["duplicate_requests"]
    lines.append(
        "- duplicate requests (equal up to case and white space): "
        f"{_count(same['samples'], 'sample')} in {_count(same['groups'], 'group')}, {same['handling']}"
    )
    near, leaked = card["near_duplicates"], len(card["near_duplicates"]["leaked"])
    handling = same["handling"] if "records_of_parts" in card else NEAR[near["handling"]]
    listed = "; ".join(", ".join(map(str, group)) for group in near["groups"][:LISTED]) or "none"
    hidden = len(near["groups"]) - LISTED
    more = f"; and {_count(hidden, 'more group')} in card.json" if hidden > 0 else ""
    lines += [
        "- near-duplicates (of requests with outputs; Jaccard similarity of token triples at least "
        f"{near['threshold']}, without triples that many samples share): {_count(near['samples'], 'sample')} in "
        f"{_count(len(near['groups']), 'group')}, {handling}; "
        f"{_count(leaked, 'test sample')} {'has' if leaked == 1 else 'have'} one in train or validation",
        f"  - groups: {listed}{more}",
    ]
    lines += ["", "## Languages (as declared, or guessed from the request, else from the output)", ""]
    lines += ["| language | " + " | ".join(parts) + " |", "|---|" + "---:|" * len(parts)]
    names = sorted({name for facts in parts.values() for name in facts["languages"]})
    for name in names:
        counts = " | ".join(str(facts["languages"].get(name, 0)) for facts in parts.values())
        lines.append(f"| {markdown_cell(name)} | {counts} |")
    return "\n".join(lines) + "\n"


def _share_of(part: str, card: dict[str, Any]) -> str:
    """The declared share of a part; none where a file gives it."""
    shares = card["split"]["shares"]
    return f"{shares[part]:g}" if part in shares and "records_of_parts" not in card else ""


def _describe_split(card: dict[str, Any]) -> str:
    """Says what decided which part a sample is in."""
    shares, seed = card["split"]["shares"], card["split"]["seed"]
    if "records_of_parts" not in card:
        deviation = describe_deviation({part: of["samples"] for part, of in card["parts"].items()}, shares)
        return f"Split with seed {seed}. {deviation}".rstrip()
    files = ", ".join(f"{part} with {_count(count, 'record')}" for part, count in card["records_of_parts"].items())
    text = f"The parts are those of the files: {files}."
    if "validation" in shares:
        text += f" Validation was cut from the training part: a share of {shares['validation']:g}, with seed {seed}."
    return text


def _describe_kept(kept: dict[str, int] | None) -> str:
    """Says what the filters left of the records."""
    if not kept:
        return ""
    return f" Of these, the filters kept {', '.join(f'{count} ({name})' for name, count in kept.items())}."


def _describe_sample(card: dict[str, Any]) -> str:
    """Says what was taken of the records, unless all were."""
    if "sample" not in card:
        return ""
    sample, whose = card["sample"], "the training records" if "records_of_parts" in card else "these"
    drawn = "1 was" if sample["records"] == 1 else f"{sample['records']} were"
    return f" Of {whose}, {drawn} drawn with seed {sample['seed']}. All that follows is about the sample."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
