"""Splitting samples, near-duplicates, and the facts of the split."""

import json
from dataclasses import asdict, replace

import pytest
import yaml
from codetune.base.errors import StudyError
from codetune.base.files import read_json, sha256_of_json, write_jsonl
from codetune.base.plain import from_plain
from codetune.data import split as splitting
from codetune.data.card import data_card
from codetune.data.cleaning import clean
from codetune.data.duplicates import near_duplicates
from codetune.data.reading import import_dataset, read_records
from codetune.data.samples import PARTS, Sample, read_samples, sha256_of_records
from codetune.data.split import split, split_dataset
from codetune.study.dataset import Published, Split
from codetune.study.facts import SplitFacts, Touched
from codetune.study.model import Source
from conftest import ROOT

SPLIT = Split(0.8, 0.1, 0.1, seed=0, near_duplicates="together")
RECORD = {"instruction": "Add a and b", "input": "", "output": "a + b"}


def split_file(folder, source, settings=SPLIT):
    """Splits the records of a file. Returns the facts, and the samples of each part, as written."""
    targets = {name: str(folder / f"{name}.out") for name in (*PARTS, "facts")}
    split_dataset(source, "mine", settings, targets)
    facts = from_plain(read_json(targets["facts"]), SplitFacts, "facts")
    return facts, {part: read_samples(targets[part]) for part in PARTS}


def split_records(folder, records, settings=SPLIT):
    write_jsonl(folder / "records.jsonl", records)
    return split_file(folder, folder / "records.jsonl", settings)


@pytest.mark.parametrize("text", ["a\0b", "\x1b[0m", "a\x0c", "\x7f", "\x9f", "\ud800", "x\udfff"], ids=ascii)
@pytest.mark.parametrize("field", ["instruction", "input", "output"])
def test_what_is_no_text_is_dropped_and_counted(tmp_path, records, field, text):
    source = tmp_path / "data.json"
    source.write_text(json.dumps([RECORD, {**RECORD, field: text}, *records[:50]]), encoding="utf-8")
    published = Published(Source(str(source)), records=52, sha256=sha256_of_records(read_records(source)))
    import_dataset(source, published, tmp_path / "data.jsonl")
    facts, parts = split_file(tmp_path, tmp_path / "data.jsonl")
    assert facts.records_sha256 == published.sha256
    assert facts.touched["dropped: control characters or half a surrogate pair"] == Touched(1, [1])
    assert 1 not in [sample.id for part in parts.values() for sample in part]


def test_the_split_is_seeded_complete_and_in_order(records):
    samples, _ = clean(records)
    parts = split(samples, SPLIT, [])
    assert sorted(s.id for part in parts.values() for s in part) == [s.id for s in samples]
    assert abs(len(parts["train"]) - 0.8 * len(samples)) <= 2
    assert abs(len(parts["test"]) - 0.1 * len(samples)) <= 2
    assert all(part == sorted(part, key=lambda s: s.id) for part in parts.values())
    assert parts == split(samples, SPLIT, [])
    assert parts != split(samples, replace(SPLIT, seed=1), [])


def test_samples_with_the_same_request_stay_in_one_part():
    samples = [Sample(i, f"Task {i // 3}" if i % 2 else f"task  {i // 3}".upper(), "", "x") for i in range(300)]
    for seed in range(5):
        sides = {}
        for part, members in split(samples, replace(SPLIT, seed=seed), []).items():
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


def test_near_duplicates_and_equal_requests_stay_together_or_are_named(tmp_path, records, monkeypatch):
    samples, _ = clean(records)
    near = [[0, 50, 100], [7, 8], [60, 61, 200]]
    monkeypatch.setattr(splitting, "near_duplicates", lambda _: near)
    ids = [[samples[index].id for index in group] for group in near]
    for seed in range(5):
        settings = replace(SPLIT, seed=seed)
        facts, parts = split_records(tmp_path, records, settings)
        assert parts == split(samples, settings, near)
        part_of = {sample.id: part for part, members in parts.items() for sample in members}
        assert all(len({part_of[member] for member in group}) == 1 for group in ids)
        requests = {}
        for sample in samples:
            requests.setdefault(" ".join(sample.request.casefold().split()), set()).add(part_of[sample.id])
        assert all(len(found) == 1 for found in requests.values())
        assert facts.near_duplicates.groups == ids
        assert facts.near_duplicates.leaked == []
        facts, parts = split_records(tmp_path, records, replace(settings, near_duplicates="anywhere"))
        test = {sample.id for sample in parts["test"]}
        expected = sorted(m for group in ids for m in group if m in test and not set(group) <= test)
        assert facts.near_duplicates.leaked == expected


def test_the_facts_identify_the_records_and_the_samples_of_each_part(tmp_path, records):
    facts, parts = split_records(tmp_path, records)
    assert (facts.dataset, facts.records) == ("mine", len(records))
    assert facts.records_sha256 == sha256_of_records(records)
    assert facts.shares == {"train": 0.8, "validation": 0.1, "test": 0.1}
    assert facts.seed == 0
    assert facts.sha256 == {name: sha256_of_json([asdict(s) for s in part]) for name, part in parts.items()}
    assert {name: touched.count for name, touched in facts.touched.items()} == {
        name: len(touched.records) for name, touched in facts.touched.items()
    }
    assert facts.touched["dropped: empty output"].count == len(records) - sum(map(len, parts.values())) == 4
    found = [" ".join(sample.request.casefold().split()) for part in parts.values() for sample in part]
    repeated = [request for request in found if found.count(request) > 1]
    assert facts.duplicate_requests.samples == len(repeated) > 0
    assert facts.duplicate_requests.groups == len(set(repeated))


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
    assert "Use more data, or change the shares in the config's 'split'." in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["records.jsonl"]


def test_the_real_data_set_has_the_declared_content(real, tmp_path, monkeypatch):
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
    monkeypatch.setattr(splitting, "near_duplicates", lambda _: near)  # found once, for two splits

    settings = Split(0.85, 0.05, 0.1, seed=0, near_duplicates="anywhere")
    facts, naive = split_records(tmp_path, found, settings)
    assert {name: len(part) for name, part in naive.items()} == {"train": 17014, "validation": 1000, "test": 2002}
    assert {name: digest[:16] for name, digest in facts.sha256.items()} == {
        "train": "d11977a7a6ce14ab",
        "validation": "348c84608840c14c",
        "test": "a34c1e89fc16528f",
    }
    assert len(facts.near_duplicates.leaked) > 0
    assert facts.duplicate_requests.groups == 0
    card = data_card(facts, naive)
    assert {name: part["sha256"] for name, part in card["parts"].items()} == facts.sha256
    assert list(card["parts"]["train"]["languages"].items())[:3] == [
        ("Python", 6763),
        ("other", 3101),
        ("JavaScript", 1892),
    ]

    facts, parts = split_records(tmp_path, found, replace(settings, near_duplicates="together"))
    assert facts.near_duplicates.leaked == []
    moved = sum(len({s.id for s in part} ^ {s.id for s in naive[name]}) for name, part in parts.items())
    assert moved <= 2 * 47
