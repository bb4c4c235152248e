"""Cleaning and splitting samples, near-duplicates, and the data card."""

import json
import os
import subprocess
import sys

import pytest
import yaml
from codetune.base.errors import StudyError
from codetune.base.files import write_jsonl
from codetune.data.card import data_card
from codetune.data.cleaning import clean
from codetune.data.duplicates import near_duplicates
from codetune.data.reading import import_dataset, read_records, sha256_of_records
from codetune.data.samples import Sample, read_samples
from codetune.data.split import split, split_dataset
from conftest import ROOT

SPLIT = {"train": 0.8, "validation": 0.1, "test": 0.1, "seed": 0, "near_duplicates": "together"}
RECORD = {"instruction": "Add a and b", "input": "", "output": "a + b"}


def split_into(folder, source):
    targets = {name: str(folder / f"{name}.out") for name in ("train", "validation", "test", "card", "card_text")}
    split_dataset(source, SPLIT, targets, "generated")
    return targets


def split_records(folder, records):
    write_jsonl(folder / "records.jsonl", records)
    return split_into(folder, folder / "records.jsonl")


@pytest.mark.parametrize("text", ["a\0b", "\x1b[0m", "a\x0c", "\x7f", "\x9f", "\ud800", "x\udfff"], ids=ascii)
@pytest.mark.parametrize("field", ["instruction", "input", "output"])
def test_what_is_no_text_is_dropped_and_counted(tmp_path, records, field, text):
    source = tmp_path / "data.json"
    source.write_text(json.dumps([RECORD, {**RECORD, field: text}, *records[:50]]), encoding="utf-8")
    import_dataset(source, tmp_path / "data.jsonl", 52, sha256_of_records(read_records(source)))
    targets = split_into(tmp_path, tmp_path / "data.jsonl")
    card = json.loads((tmp_path / "card.out").read_text())
    assert card["records_sha256"] == sha256_of_records(read_records(source))
    assert card["touched"]["dropped: control characters or half a surrogate pair"] == {"count": 1, "records": [1]}
    assert 1 not in [sample.id for part in ("train", "validation", "test") for sample in read_samples(targets[part])]


MEGABYTES = """
import json, sys
from pathlib import Path
from codetune.data.reading import import_dataset
from codetune.data.split import split_dataset
folder = Path(sys.argv[1])
records = []
for piece in ("<", "[ ", "\\n"):
    records.append({"instruction": "do", "input": piece * (10**6 // len(piece)) + "x", "output": "b"})
for piece in ("<", "\\n", " \\n", "for \\n", "\\n.a{", "\\na{b:", "def a\\n"):
    records.append({"instruction": piece, "input": "", "output": "x" + piece * (10**6 // len(piece))})
(folder / "data.json").write_text(json.dumps(records))
import_dataset(folder / "data.json", folder / "data.jsonl", len(records), None)
targets = {name: str(folder / name) for name in ("train", "validation", "test", "card", "card_text")}
settings = {"train": 0.4, "validation": 0.3, "test": 0.3, "seed": 0, "near_duplicates": "anywhere"}
split_dataset(folder / "data.jsonl", settings, targets, "large")
"""


def test_samples_of_a_megabyte_pass_in_reasonable_time(tmp_path):
    """A pattern that starts anew at each character or line of such a text takes minutes; all of this takes seconds."""
    subprocess.run(
        [sys.executable, "-c", MEGABYTES, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")},
        check=True,
        timeout=120,
    )
    parts = json.loads((tmp_path / "card").read_text())["parts"].values()
    assert sum(part["samples"] for part in parts) == 10
    assert max(part["characters_of_output"]["longest"] for part in parts) == 10**6 + 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("noinput", ""),
        ("No input.", ""),
        ("<noinput>", ""),
        ("[noinput]", ""),
        ("< noinput >", ""),
        ("<no-input>", ""),
        ("import turtle\n<noinput>", "import turtle"),
        ("there is no input here", "there is no input here"),
        ("x = 1", "x = 1"),
    ],
)
def test_noinput_is_read_as_no_input(text, expected):
    samples, touched = clean([{**RECORD, "input": text}])
    assert samples[0].input == expected
    assert bool(touched["changed: 'noinput' read as no input"]) == (text != expected)


def test_empty_outputs_are_dropped_and_counted():
    samples, touched = clean([RECORD, {**RECORD, "output": " \n"}, RECORD])
    assert [sample.id for sample in samples] == [0, 2]
    assert touched["dropped: empty output"] == [1]


def test_the_split_is_seeded_complete_and_in_order(records):
    samples, _ = clean(records)
    parts = split(samples, SPLIT, [])
    assert sorted(s.id for part in parts.values() for s in part) == [s.id for s in samples]
    assert abs(len(parts["train"]) - 0.8 * len(samples)) <= 2
    assert abs(len(parts["test"]) - 0.1 * len(samples)) <= 2
    assert all(part == sorted(part, key=lambda s: s.id) for part in parts.values())
    assert parts == split(samples, SPLIT, [])
    assert parts != split(samples, {**SPLIT, "seed": 1}, [])


def test_samples_that_ask_the_same_stay_on_one_side():
    samples = [Sample(i, f"Task {i // 3}" if i % 2 else f"task  {i // 3}".upper(), "", "x") for i in range(300)]
    for seed in range(5):
        sides = {}
        for part, members in split(samples, {**SPLIT, "seed": seed}, []).items():
            for sample in members:
                sides.setdefault(sample.id // 3, set()).add(part)
        assert all(len(parts) == 1 for parts in sides.values())


def test_near_duplicates_are_found_whatever_their_case_and_white_space():
    texts = [
        "Write a function that adds two numbers.\ndef add(a, b):\n    return a + b",
        "Write a query for the names of all users.\nSELECT name FROM users;",
        "Write a function that adds two numbers!\ndef add(a, b):\n  return a + b",
        "write a function that adds two numbers.\nDEF add(a, b):\n    return a + b",
        "",
        "x",
    ]
    assert near_duplicates(texts) == [[0, 2, 3]]
    assert near_duplicates([]) == []
    assert near_duplicates(["a b", "A  b"]) == [[0, 1]]


def test_near_duplicates_and_those_that_ask_the_same_stay_together_or_are_named(records):
    samples, touched = clean(records)
    near = [[0, 50, 100], [7, 8], [60, 61, 200]]
    ids = [[samples[index].id for index in group] for group in near]
    for seed in range(5):
        settings = {**SPLIT, "seed": seed}
        parts = split(samples, settings, near)
        part_of = {sample.id: part for part, members in parts.items() for sample in members}
        assert all(len({part_of[member] for member in group}) == 1 for group in ids)
        requests = {}
        for sample in samples:
            requests.setdefault(" ".join(sample.request.casefold().split()), set()).add(part_of[sample.id])
        assert all(len(found) == 1 for found in requests.values())
        assert data_card("x", records, touched, parts, settings, ids)["near_duplicates"]["leaked"] == []
        naive = {**settings, "near_duplicates": "anywhere"}
        parts = split(samples, naive, near)
        test = {sample.id for sample in parts["test"]}
        expected = sorted(m for group in ids for m in group if m in test and not set(group) <= test)
        assert data_card("x", records, touched, parts, naive, ids)["near_duplicates"]["leaked"] == expected


def test_the_data_card_counts_what_was_done(tmp_path, records):
    targets = split_records(tmp_path, records)
    card = json.loads((tmp_path / "card.out").read_text())
    assert card["records"] == len(records)
    assert card["touched"]["dropped: empty output"]["count"] == 4
    assert card["touched"]["changed: 'noinput' read as no input"]["count"] == 10
    assert card["duplicate_requests"]["groups"] > 0
    assert sum(part["samples"] for part in card["parts"].values()) == len(records) - 4
    assert {"Python", "SQL", "JavaScript", "HTML"} <= set(card["parts"]["train"]["languages"])
    assert len(read_samples(targets["test"])) == card["parts"]["test"]["samples"]
    assert "| train | 0.8 |" in (tmp_path / "card_text.out").read_text()


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([RECORD], "no sample for validation; 1 samples with 1 different requests are too few"),
        ([RECORD] * 100, "no sample for validation; 100 samples with 1 different requests are too few"),
        ([{**RECORD, "output": " "}] * 100, "no sample for train; 0 samples with 0 different requests are too few"),
        ([{**RECORD, "input": "\0"}] * 100, "no sample for train; 0 samples with 0 different requests are too few"),
    ],
)
def test_a_split_of_too_few_samples_is_an_error(tmp_path, records, message):
    with pytest.raises(StudyError) as error:
        split_records(tmp_path, records)
    assert message in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["records.jsonl"]


def test_the_real_data_set_has_the_declared_content(real):
    entry = yaml.safe_load((ROOT / "config/config.yaml").read_text())["datasets"]["codealpaca-20k"]
    found = read_records(real / "codealpaca" / "code_alpaca_20k.json")
    assert len(found) == entry["records"] == 20022
    assert sha256_of_records(found) == entry["sha256"]
    samples, touched = clean(found)
    assert touched["dropped: empty output"] == [7954, 9029, 13137, 13840, 16247, 18360]
    assert len(touched["changed: 'noinput' read as no input"]) == 25
    assert touched["dropped: control characters or half a surrogate pair"] == []
    near = near_duplicates([f"{sample.request}\n{sample.output}" for sample in samples])
    assert (len(near), sum(map(len, near)), max(map(len, near))) == (15, 47, 10)
    settings = {"train": 0.85, "validation": 0.05, "test": 0.1, "seed": 0}
    naive = split(samples, {**settings, "near_duplicates": "anywhere"}, near)
    assert {name: len(part) for name, part in naive.items()} == {"train": 17014, "validation": 1000, "test": 2002}
    groups = [[samples[index].id for index in group] for group in near]
    card = data_card("codealpaca-20k", found, touched, naive, {**settings, "near_duplicates": "anywhere"}, groups)
    assert {name: part["sha256"][:16] for name, part in card["parts"].items()} == {
        "train": "d11977a7a6ce14ab",
        "validation": "348c84608840c14c",
        "test": "a34c1e89fc16528f",
    }
    assert len(card["near_duplicates"]["leaked"]) > 0
    together = {**settings, "near_duplicates": "together"}
    parts = split(samples, together, near)
    assert data_card("codealpaca-20k", found, touched, parts, together, groups)["near_duplicates"]["leaked"] == []
    assert sum(len(set(part) ^ set(naive[name])) for name, part in parts.items()) <= 2 * 47
    assert card["duplicate_requests"]["groups"] == 0
    assert list(card["parts"]["train"]["languages"].items())[:3] == [
        ("Python", 6763),
        ("other", 3101),
        ("JavaScript", 1892),
    ]
