"""The data card: made from split.json and the parts, it holds what was done and what each part contains."""

import json
import os
import subprocess
import sys

import pytest
from codetune.base.errors import StudyError
from codetune.base.files import read_json, write_jsonl
from codetune.data.card import write_card
from codetune.data.samples import read_samples
from codetune.data.shares import describe_deviation
from codetune.data.split import split_dataset
from codetune.study.dataset import Split
from conftest import ROOT


def make_card(folder, records, settings):
    """Splits records and writes their card. Returns the card."""
    write_jsonl(folder / "records.jsonl", records)
    targets = {name: str(folder / name) for name in ("train", "validation", "test", "facts")}
    split_dataset(folder / "records.jsonl", "mine", settings, targets)
    write_card(targets["facts"], targets, {"json": str(folder / "card.json"), "text": str(folder / "card.md")})
    return read_json(folder / "card.json")


def record(instruction, output, text=""):
    return {"instruction": instruction, "input": text, "output": output}


ADD = "def add(a, b):\n    return a + b"
RECORDS = [
    record("Write a Python function that adds two numbers.", ADD),
    record("write a python function  that adds two numbers.", "add = lambda a, b: a + b"),  # the same request
    record("Write a Python function that adds two numbers!", ADD),  # a near-duplicate
    record("Sort the list.", "", "[3, 1]"),
    record("Find the names of all users.", "SELECT name FROM users;", "noinput"),
    record("Print a\0b", "print('ab')"),
    record("Sort the list.", "sorted(x)", "x = [3, 1]"),
    record("Count the words.", "len(text.split())", "text = 'a b'"),
    record("Say hello.", "print('hello')"),
    record("Reverse the text.", "text[::-1]", "text = 'abc'"),
]


def lengths(mean, median, longest):
    return {"mean": mean, "median": median, "longest": longest}


CARD = {
    "dataset": "mine",
    "records": 10,
    "records_sha256": "24c3e2502db00defc2729023477abb0057878b352dcd2fce80f63c7982775fac",
    "touched": {
        "dropped: empty output": {"count": 1, "records": [3]},
        "dropped: control characters or half a surrogate pair": {"count": 1, "records": [5]},
        "changed: 'noinput' read as no input": {"count": 1, "records": [4]},
    },
    "duplicate_requests": {"samples": 2, "groups": 1, "handling": "kept on one side of the split"},
    "near_duplicates": {"threshold": 0.7, "samples": 2, "groups": [[0, 2]], "handling": "anywhere", "leaked": [2]},
    "split": {"shares": {"train": 0.5, "validation": 0.25, "test": 0.25}, "seed": 8},
    "parts": {
        "train": {
            "samples": 4,
            "sha256": "7e00d1a224ef5020d83b9e60dba4de14b103512e95c620385b09870a30d5e8fa",
            "without_input": 3,
            "characters_of_request": lengths(33.0, 46, 47),
            "characters_of_output": lengths(21.5, 24, 31),
            "languages": {"Python": 3, "other": 1},
        },
        "validation": {
            "samples": 2,
            "sha256": "2fe1fa6f81e7b885a42641babeac46421376529171b1e7e81ac424385eabf51c",
            "without_input": 0,
            "characters_of_request": lengths(27.5, 30, 30),
            "characters_of_output": lengths(9.5, 10, 10),
            "languages": {"other": 2},
        },
        "test": {
            "samples": 2,
            "sha256": "ec49e4a6a5d659a904a083be5db632f8e42d3a5ee67ff2bd666eaf810167d2de",
            "without_input": 2,
            "characters_of_request": lengths(37.0, 46, 46),
            "characters_of_output": lengths(27.0, 31, 31),
            "languages": {"Python": 1, "SQL": 1},
        },
    },
}


def test_the_card_made_from_the_facts_of_the_split_is_that_of_release_0_1(tmp_path):
    """Release 0.1 made it while splitting, from the records; CARD is what it wrote for RECORDS."""
    card = make_card(tmp_path, RECORDS, Split(0.5, 0.25, 0.25, 8, "anywhere"))
    for part in card["parts"].values():
        for of in ("request", "output"):
            del part[f"characters_of_{of}"]["p99"]  # means nothing for so few samples
    assert card == CARD
    assert list(card) == list(CARD)  # readers of card.json see the keys in this order


def test_the_card_s_text_holds_the_same_numbers(tmp_path):
    make_card(tmp_path, RECORDS, Split(0.5, 0.25, 0.25, 8, "anywhere"))
    lines = (tmp_path / "card.md").read_text().splitlines()
    assert lines[0] == "# Data card: mine"
    assert "| train | 0.5 | 4 | 3 | 33.0 | 21.5 | 31 |" in lines
    assert "Split with seed 8." in lines
    assert "- changed: 'noinput' read as no input: 1 (records 4)" in lines
    assert any("left where the split put them; 1 test sample has one in train or validation" in line for line in lines)
    assert any("2 samples in 1 group, left" in line for line in lines)
    assert "  - groups: 0, 2" in lines
    assert lines[-3:] == ["| Python | 3 | 0 | 1 |", "| SQL | 0 | 0 | 1 |", "| other | 1 | 2 | 0 |"]


def test_lengths_are_described_by_their_order(tmp_path):
    long = [record("Sort " + "x" * n, "y" * (n + 1)) for n in range(201)]
    card = make_card(tmp_path, long, Split(0.98, 0.01, 0.01, 0, "anywhere"))
    lengths = sorted(len(sample.output) for sample in read_samples(tmp_path / "train"))
    assert card["parts"]["train"]["characters_of_output"] == {
        "mean": round(sum(lengths) / len(lengths), 1),
        "median": lengths[len(lengths) // 2],
        "p99": lengths[round(0.99 * len(lengths)) - 1],
        "longest": lengths[-1],
    }


def test_the_longest_hundredth_of_a_few_is_the_longest(tmp_path):
    few = [record(f"Sort {n}", "y" * n) for n in range(3, 13)]
    card = make_card(tmp_path, few, Split(0.6, 0.2, 0.2, 0, "anywhere"))
    for part in card["parts"].values():
        lengths = part["characters_of_output"]
        assert lengths["median"] <= lengths["p99"] == lengths["longest"]


def test_the_card_tells_parts_that_miss_their_shares(tmp_path):
    same = [record("Sort the list", f"sort {n} and {n * n}") for n in range(15)]
    others = [record(f"Say {n} {n * 7} {n * n}", f"print({n + 1})") for n in range(135)]
    card = make_card(tmp_path, [*same, *others], Split(0.7, 0.15, 0.15, 1, "anywhere"))
    told = describe_deviation({part: of["samples"] for part, of in card["parts"].items()}, card["split"]["shares"])
    assert f"Split with seed 1. {told}".rstrip() in (tmp_path / "card.md").read_text().splitlines()
    assert told.startswith("The parts differ from their shares: ")


def test_the_data_card_counts_what_was_done(tmp_path, records):
    card = make_card(tmp_path, records, Split(0.8, 0.1, 0.1, 0, "together"))
    assert card["records"] == len(records)
    assert card["touched"]["dropped: empty output"]["count"] == 4
    assert card["touched"]["changed: 'noinput' read as no input"]["count"] == 10
    assert card["duplicate_requests"]["groups"] > 0
    assert sum(part["samples"] for part in card["parts"].values()) == len(records) - 4
    assert {"Python", "SQL", "JavaScript", "HTML"} <= set(card["parts"]["train"]["languages"])
    assert len(read_samples(tmp_path / "test")) == card["parts"]["test"]["samples"]
    assert "| train | 0.8 |" in (tmp_path / "card.md").read_text()


def test_facts_of_another_kind_are_an_error(tmp_path):
    (tmp_path / "facts").write_text('{"dataset": "mine"}')
    parts = {}
    for part in ("train", "validation", "test"):
        parts[part] = str(tmp_path / part)
        write_jsonl(parts[part], [])
    with pytest.raises(StudyError, match="facts: Object missing required field"):
        write_card(str(tmp_path / "facts"), parts, {"json": str(tmp_path / "j"), "text": str(tmp_path / "t")})
    assert not (tmp_path / "j").exists()


MEGABYTES = """
import json, sys
from pathlib import Path
from codetune.data.card import write_card
from codetune.data.reading import import_dataset
from codetune.data.split import split_dataset
from codetune.study.dataset import Published, Split
from codetune.study.model import Source
folder = Path(sys.argv[1])
records = []
for piece in ("<", "[ ", "\\n"):
    records.append({"instruction": "do", "input": piece * (10**6 // len(piece)) + "x", "output": "b"})
for piece in ("<", "\\n", " \\n", "for \\n", "\\n.a{", "\\na{b:", "def a\\n"):
    records.append({"instruction": piece, "input": "", "output": "x" + piece * (10**6 // len(piece))})
(folder / "data.json").write_text(json.dumps(records))
published = Published(Source(str(folder / "data.json")), records=len(records))
import_dataset([folder / "data.json"], published, folder / "data.jsonl")
targets = {name: str(folder / name) for name in ("train", "validation", "test", "facts")}
split_dataset(folder / "data.jsonl", "large", Split(0.4, 0.3, 0.3, 0, "anywhere"), targets)
write_card(targets["facts"], targets, {"json": str(folder / "card"), "text": str(folder / "card_text")})
"""


def test_samples_of_a_megabyte_pass_in_reasonable_time(tmp_path):
    """A pattern whose search restarts at each character or line of such a text takes minutes; all of this, seconds."""
    subprocess.run(
        [sys.executable, "-c", MEGABYTES, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")},
        check=True,
        timeout=120,
    )
    parts = json.loads((tmp_path / "card").read_text())["parts"].values()
    assert sum(part["samples"] for part in parts) == 10
    assert max(part["characters_of_output"]["longest"] for part in parts) == 10**6 + 1
