"""Splitting samples, near-duplicates, and the facts of the split."""

import json
import random
import re
from dataclasses import replace

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
from codetune.data.samples import Sample, by_request, read_samples, rows_of, sha256_of_records
from codetune.data.shares import describe_deviation
from codetune.data.split import split, split_dataset
from codetune.study.data_facts import SplitFacts, Touched
from codetune.study.dataset import PARTS, Published, Split
from codetune.study.model import Source
from conftest import ROOT

SPLIT = Split(0.8, 0.1, 0.1, seed=0, near_duplicates="together")
RECORD = {"instruction": "Add a and b", "input": "", "output": "a + b"}
SCHEMA = " ".join(f"column{number} integer" for number in range(100))
ALIKE = [{"instruction": f"{SCHEMA} Find {number}", "input": "", "output": "x"} for number in range(10)]
DIFFERENT = [{"instruction": f"Write {n} and {n * n}", "input": "", "output": f"{n * 7} x {n + 1}"} for n in range(300)]


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
    import_dataset([source], published, tmp_path / "data.jsonl")
    facts, parts = split_file(tmp_path, tmp_path / "data.jsonl")
    assert facts.records_sha256 == published.sha256
    assert facts.touched["dropped: control characters or half a surrogate pair"] == Touched(1, [1])
    assert 1 not in [sample.id for part in parts.values() for sample in part]


def test_the_split_is_seeded_complete_and_in_order(records):
    samples, _ = clean(dict(enumerate(records)))
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
    samples, _ = clean(dict(enumerate(records)))
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
    assert facts.sha256 == {name: sha256_of_json(list(rows_of(part))) for name, part in parts.items()}
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
        (DIFFERENT[:2], "2 samples with 2 different requests are too few"),
        (DIFFERENT[:3], "3 samples with 3 different requests are too few"),
        ([*DIFFERENT[:10], *[RECORD] * 190], "190 of 200 samples have the same request and stay together"),
        ([{**RECORD, "output": " "}] * 100, "no sample for train; the cleaning dropped all records"),
        ([{**RECORD, "input": "\0"}] * 100, "no sample for train; the cleaning dropped all records"),
        (ALIKE[:9], "9 of 9 samples are near-duplicates, by pairs or chains, and stay together"),
        ([*ALIKE[:8], *DIFFERENT[:3]], "8 of 11 samples are near-duplicates, by pairs or chains, and stay together"),
    ],
)
def test_an_empty_part_is_an_error_that_blames_what_empties_it(tmp_path, records, message):
    with pytest.raises(StudyError) as error:
        split_records(tmp_path, records)
    assert message in str(error.value)
    assert re.search(r"\. (Use (more )?data|Check the data).*\.$", str(error.value))  # what to do
    assert [path.name for path in tmp_path.iterdir()] == ["records.jsonl"]


def test_records_that_share_a_schema_are_split_by_their_shares(tmp_path):
    facts, parts = split_records(
        tmp_path, [{**record, "instruction": f"{SCHEMA} {record['instruction']}"} for record in DIFFERENT]
    )
    assert facts.near_duplicates.groups == []
    assert {part: len(members) for part, members in parts.items()} == {"train": 240, "validation": 30, "test": 30}


def deal_requests(samples, settings):
    """The split of releases without near-duplicates: requests are dealt in the order of the seeded shuffle."""
    requests = list(by_request(samples).values())
    random.Random(settings.seed).shuffle(requests)
    train = len(samples) * settings.train
    bounds = [round(train), round(train + len(samples) * settings.validation)]
    parts = {part: [] for part in PARTS}
    for request in requests:
        dealt = sum(map(len, parts.values()))
        parts["train" if dealt < bounds[0] else "validation" if dealt < bounds[1] else "test"] += request
    return {part: sorted(members, key=lambda sample: sample.id) for part, members in parts.items()}


def test_without_near_duplicates_requests_are_dealt_in_the_shuffled_order(records):
    samples, _ = clean(dict(enumerate(records)))
    for seed in range(5):
        settings = replace(SPLIT, seed=seed)
        expected = deal_requests(samples, settings)
        assert split(samples, settings, []) == expected
        assert split(samples, replace(settings, near_duplicates="anywhere"), [[0, 50], [3, 4, 5]]) == expected


def test_a_group_is_dealt_where_its_first_request_comes_and_moves_no_more_than_it_displaces():
    samples = [Sample(number, f"Task {number}", "", "x") for number in range(200)]
    for seed in range(20):
        settings = replace(SPLIT, seed=seed)
        near = [[number, 100 + number] for number in range(0, 40, 4)]
        before, after = (
            {sample.id: part for part, members in split(samples, settings, groups).items() for sample in members}
            for groups in ([], near)
        )
        grouped = {member for group in near for member in group}
        shuffled = [[Sample(number, "", "", "")] for number in range(200)]
        random.Random(seed).shuffle(shuffled)
        place = {sample.id: index for index, (sample,) in enumerate(shuffled)}
        pulled = [max(group, key=place.__getitem__) for group in near]
        for group, other in zip(near, pulled, strict=True):
            first = next(member for member in group if member != other)
            assert after[first] == after[other]
            assert PARTS.index(after[first]) <= PARTS.index(before[other])
        displaced = [number for number in before if before[number] != after[number] and number not in grouped]
        assert len(displaced) <= 2 * len(near)  # at each border one for each sample that came forward
        assert all(PARTS.index(after[number]) > PARTS.index(before[number]) for number in displaced)


def test_train_and_what_follows_it_have_their_shares_up_to_the_last_group():
    rng = random.Random(0)
    samples = [Sample(number, f"Task {number}", "", "x") for number in range(500)]
    for seed in range(100):
        numbers = rng.sample(range(500), 300)
        near = []
        while len(numbers) > 60:
            near.append(sorted(numbers.pop() for _ in range(rng.randint(2, 60))))
        settings = replace(SPLIT, seed=seed)
        sizes = {part: len(members) for part, members in split(samples, settings, near).items()}
        largest = max(map(len, near))
        assert 400 <= sizes["train"] < 400 + largest
        assert 450 <= sizes["train"] + sizes["validation"] < 450 + largest


def test_parts_that_miss_their_shares_are_told(tmp_path, capsys):
    split_records(tmp_path, DIFFERENT)
    assert "differ from their shares" not in capsys.readouterr().out
    records = [*DIFFERENT[:250], *[{**RECORD, "output": str(n)} for n in range(50)]]
    _, parts = split_records(tmp_path, records, replace(SPLIT, seed=11))
    sizes = {part: len(members) for part, members in parts.items()}
    shares = {"train": 0.8, "validation": 0.1, "test": 0.1}
    told = describe_deviation(sizes, shares)
    assert told in capsys.readouterr().out
    assert told.startswith("The parts differ from their shares: ")
    for part, share in shares.items():
        missed = abs(sizes[part] - 300 * share) > 30 * share
        assert (f"{part} has {sizes[part]} samples where its share is {300 * share:.0f}" in told) == missed


def test_the_real_data_set_has_the_declared_content(real, tmp_path, monkeypatch):
    entry = yaml.safe_load((ROOT / "config/config.yaml").read_text())["datasets"]["codealpaca-20k"]
    found = read_records(real / "codealpaca" / "code_alpaca_20k.json")
    assert len(found) == entry["records"] == 20022
    assert sha256_of_records(found) == entry["sha256"]
    samples, touched = clean(dict(enumerate(found)))
    assert touched["dropped: empty output"] == [7954, 9029, 13137, 13840, 16247, 18360]
    assert len(touched["changed: 'noinput' read as no input"]) == 25
    assert touched["dropped: control characters or half a surrogate pair"] == []
    near = near_duplicates([f"{sample.request}\n{sample.output}" for sample in samples])
    assert (len(near), sum(map(len, near)), max(map(len, near))) == (27, 80, 14)
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
    assert {name: len(part) for name, part in parts.items()} == {"train": 17014, "validation": 1000, "test": 2002}
    before, after = ({s.id: name for name, part in of.items() for s in part} for of in (naive, parts))
    moved = {number for number in before if before[number] != after[number]}
    grouped = {samples[index].id for group in near for index in group}
    assert (len(moved & grouped), len(moved - grouped)) == (7, 12)


def test_the_search_for_near_duplicates_says_how_far_it_is(tmp_path, stretches):
    split_records(tmp_path, DIFFERENT)
    found = {one.what: (one.done, one.total) for one in stretches}
    assert found.keys() >= {"search for near-duplicates among 300 samples"}
    done, total = found["comparison"]
    assert 0 < done == total <= 300
