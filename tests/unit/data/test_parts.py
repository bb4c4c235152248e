"""Parts that files give: nothing moves, and a missing validation part is cut from the training part by seed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from codetune.base.errors import StudyError
from codetune.base.files import read_json, write_json
from codetune.base.plain import from_plain, to_plain
from codetune.data.card import write_card
from codetune.data.reading import import_dataset
from codetune.data.samples import check_imported, read_part
from codetune.data.split import split_dataset
from codetune.study.data_entries import build_dataset, check_dataset
from codetune.study.data_facts import SplitFacts
from codetune.study.dataset import PARTS, Subset
from codetune.study.defaults import with_defaults
from codetune.study.model import Source
from conftest import ROOT

SHIPPED = {
    name: entry
    for file in ("config", "datasets")
    for name, entry in yaml.safe_load((ROOT / "config" / f"{file}.yaml").read_text())["datasets"].items()
}
# The files in which the real data sets lie here, in place of the hub's.
LOCAL = {
    "conala": ("conala", {"train": "conala-train.json", "test": "conala-test.json"}),
    "conala-resplit": (
        "conala-docprompting",
        {part: f"cmd_{part}.oracle_man.full.json" for part in ("train", "test")}
        | {"validation": "cmd_dev.oracle_man.full.json"},
    ),
}


def records(first, count):
    return [
        {"instruction": f"Write {n} and {n * n}", "output": f"{n * 7} x {n + 1}"} for n in range(first, first + count)
    ]


def dataset(folder, entry, name="mine"):
    """The data set of an entry whose files lie in a folder."""
    check_dataset(name, entry)
    entries = with_defaults({"datasets": {name: entry}, "models": {}, "runs": []})["datasets"]
    return build_dataset(name, entries[name], Source(str(folder)))


def made(folder, found):
    """Imports, splits and describes a data set as the rules do; returns facts, parts and the card's text."""
    facts = import_dataset(found.published.local_files, found.published, folder / "data.jsonl")
    write_json(folder / "data.json", to_plain(facts))
    targets = {part: str(folder / f"{part}.jsonl") for part in PARTS} | {"facts": str(folder / "split.json")}
    published = check_imported(str(folder / "data.jsonl"), str(folder / "data.json")).parts
    split_dataset(folder / "data.jsonl", found.name, found.split, targets, published)
    write_card(targets["facts"], targets, {"json": str(folder / "card.json"), "text": str(folder / "card.md")})
    parts = {part: read_part(targets[part], targets["facts"]) for part in PARTS}
    return from_plain(read_json(targets["facts"]), SplitFacts, "facts"), parts, (folder / "card.md").read_text()


@pytest.fixture
def three(tmp_path):
    """Files of three parts, of which the test part repeats a training sample."""
    rows = {"a.json": records(0, 40), "b.json": records(40, 10), "c.json": [*records(50, 9), records(3, 1)[0]]}
    for name, found in rows.items():
        (tmp_path / name).write_text(json.dumps(found))
    return tmp_path


def test_a_test_set_alone_has_two_empty_parts_and_a_card_of_one(three):
    facts, parts, card = made(three, dataset(three, {"parts": {"test": "c.json"}}))
    assert {part: len(found) for part, found in parts.items()} == {"train": 0, "validation": 0, "test": 10}
    assert (facts.shares, facts.near_duplicates.leaked) == ({}, [])
    assert "The parts are those of the files: test with 10 records." in card
    assert "| train |" not in card


def test_humaneval_and_mbpp_are_test_sets(real, tmp_path):
    found = {}
    for name, file, fields in (
        ("humaneval", "HumanEval.jsonl.gz", {"instruction": "prompt", "output": "canonical_solution"}),
        ("mbpp", "mbpp.jsonl", {"instruction": "text", "output": "code"}),
        ("mbpp", "sanitized-mbpp.json", {"instruction": "prompt", "output": "code"}),
    ):
        folder = tmp_path / file
        folder.mkdir()
        entry = {"path": str(real / name), "parts": {"test": file}, "fields": fields}
        _, parts, card = made(folder, dataset(real / name, entry, name))
        found[file] = len(parts["test"])
        assert "| Python |" in card
    assert found == {"HumanEval.jsonl.gz": 164, "mbpp.jsonl": 974, "sanitized-mbpp.json": 427}


def numbers(samples):
    return [sample.id for sample in samples]


def test_three_files_are_three_parts_whose_records_are_counted_on(three):
    entry = {"parts": {"test": "c.json", "train": "a.json", "validation": "b.json"}}
    facts, parts, card = made(three, dataset(three, entry))
    assert [numbers(parts[part]) for part in PARTS] == [list(range(40)), list(range(40, 50)), list(range(50, 60))]
    assert facts.parts == {"train": 40, "validation": 10, "test": 10}
    assert facts.shares == {}
    assert facts.near_duplicates.leaked == [59]
    assert "The parts are those of the files: train with 40 records, validation with 10 records" in card
    assert "seed" not in card.split("##")[0]


def test_a_missing_validation_part_is_cut_from_the_training_part_by_seed(three):
    entry = {"parts": {"train": "a.json", "test": "c.json"}, "split": {"validation": 0.25, "seed": 3}}
    found = dataset(three, entry)
    facts, parts, card = made(three, found)
    assert numbers(parts["test"]) == list(range(40, 50))
    assert sorted(numbers(parts["train"]) + numbers(parts["validation"])) == list(range(40))
    assert len(parts["validation"]) == 10
    assert (facts.shares, facts.seed) == ({"validation": 0.25}, 3)
    assert "Validation was cut from the training part: a share of 0.25, with seed 3." in card
    again = made(three, found)[1]
    assert again == parts
    other = made(three, dataset(three, {**entry, "split": {"validation": 0.25, "seed": 4}}))[1]
    assert numbers(other["validation"]) != numbers(parts["validation"])


def test_samples_that_ask_the_same_stay_together_where_validation_is_cut(three):
    rows = [row for row in records(0, 20) for _ in range(2)]
    (three / "a.json").write_text(json.dumps(rows))
    entry = {"parts": {"train": "a.json", "test": "c.json"}, "split": {"validation": 0.5}}
    _, parts, _ = made(three, dataset(three, entry))
    assert {number // 2 for number in numbers(parts["train"])}.isdisjoint(n // 2 for n in numbers(parts["validation"]))


def test_a_sample_is_drawn_of_the_training_part_and_tests_stay_whole(three):
    entry = {
        "parts": {"train": "a.json", "validation": "b.json", "test": "c.json"},
        "sample": {"records": 12, "seed": 1},
    }
    facts, parts, card = made(three, dataset(three, entry))
    assert [len(parts[part]) for part in PARTS] == [12, 10, 10]
    assert facts.sample == Subset(12, 1)
    assert "Of the training records, 12 were drawn with seed 1." in card


def test_filters_hold_for_every_part(three):
    (three / "c.json").write_text(json.dumps([*records(50, 5), {"instruction": "Write", "output": "x = "}]))
    entry = {"parts": {"train": "a.json", "validation": "b.json", "test": "c.json"}, "keep": ["python-parses"]}
    for name in ("a.json", "b.json", "c.json"):
        rows = json.loads((three / name).read_text())
        (three / name).write_text(json.dumps([{**row, "output": row["output"].replace(" x ", " + ")} for row in rows]))
    facts, parts, card = made(three, dataset(three, entry))
    assert len(parts["test"]) == 5
    assert facts.kept == {"python-parses": 55}
    assert "Of these, the filters kept 55 (python-parses)." in card


def test_control_characters_stay_in_parts_that_files_give_and_are_counted(three):
    (three / "b.json").write_text(
        json.dumps([{"instruction": "x", "output": "\x01"}, {"instruction": "y", "output": "\ud800"}])
    )
    entry = {"parts": {"train": "a.json", "validation": "b.json", "test": "c.json"}}
    facts, parts, _ = made(three, dataset(three, entry))
    assert numbers(parts["validation"]) == [40]
    assert facts.touched["kept: control characters, as published"].records == [40]
    assert facts.touched["dropped: half a surrogate pair"].records == [41]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": {"validation": 0.01}}, "its share of the 40 training samples is none"),
        (
            {"keep": ["python-parses"]},
            "none of the records of its file is left. .* Of 50 records the filters leave 0 after",
        ),
        ({"sample": {"records": 41, "seed": 0}}, "draws 41 records, but the data set has 40"),
    ],
    ids=str,
)
def test_a_part_that_would_be_empty_is_told(three, change, message):
    found = dataset(three, {"parts": {"train": "a.json", "test": "c.json"}} | change)
    with pytest.raises(StudyError, match=message):
        made(three, found)


def real_set(real, name):
    """A shipped entry, with local files in place of the hub's."""
    folder, parts = LOCAL[name]
    entry = {key: value for key, value in SHIPPED[name].items() if key not in ("repo", "revision")}
    return dataset(real / folder, {**entry, "parts": parts, "path": str(real / folder)}, name)


def test_conala_has_its_official_parts(real, tmp_path):
    facts, parts, _ = made(tmp_path, real_set(real, "conala"))
    assert facts.parts == {"train": 2379, "test": 500}
    assert len(parts["train"]) + len(parts["validation"]) == 2379
    assert len(parts["validation"]) == 119
    assert len(parts["test"]) == 500


def test_conala_s_resplit_has_its_parts_and_the_same_samples(real, tmp_path):
    (tmp_path / "official").mkdir()
    _, official, _ = made(tmp_path / "official", real_set(real, "conala"))
    facts, parts, _ = made(tmp_path, real_set(real, "conala-resplit"))
    assert {part: len(members) for part, members in parts.items()} == {"train": 2135, "validation": 201, "test": 543}
    assert facts.parts == {"train": 2135, "validation": 201, "test": 543}

    def texts(parts):
        return sorted((one.instruction, one.output) for members in parts.values() for one in members)

    assert texts(parts) == texts(official)
    trained = {(one.instruction, one.output) for one in parts["train"]}
    assert sum((one.instruction, one.output) in trained for one in official["test"]) >= 382


def test_codealpacapy_is_cut_from_codealpaca_by_two_filters(real, tmp_path):
    path = real / "codealpaca" / "code_alpaca_20k.json"
    entry = {key: value for key, value in SHIPPED["codealpaca-py"].items() if key not in ("repo", "revision", "file")}
    found = dataset(path, {**entry, "path": str(path)}, "codealpaca-py")
    facts, parts, card = made(tmp_path, found)
    assert facts.kept == {"no-input": 9764, "python-parses": 3136}
    assert sum(map(len, parts.values())) == 3135
    assert facts.touched["dropped: empty output"].records == [7954]
    assert "Of these, the filters kept 9764 (no-input), 3136 (python-parses)." in card


# The files of test sets, and how the first request ends.
TEST_SETS = {
    "humaneval": ("humaneval/HumanEval.jsonl.gz", 164, 'True\n    """\n'),
    "mbpp": ("mbpp/mbpp.jsonl", 974, "assert min_cost([[3, 4, 5], [6, 10, 4], [3, 7, 5]], 2, 2) == 16"),
    "mbpp-sanitized": (
        "mbpp/sanitized-mbpp.json",
        427,
        "assert set(similar_elements((11, 12, 14, 13),(17, 15, 14, 13))) == set((13, 14))",
    ),
    "humaneval-plus": ("humaneval-plus/HumanEvalPlus-NoExtreme.jsonl.gz", 164, 'True\n    """\n'),
    "mbpp-plus": (
        "mbpp-plus/MbppPlus-NoExtreme.jsonl.gz",
        378,
        'assert set(similar_elements((3, 4, 5, 6),(5, 7, 4, 10))) == set((4, 5))\n"""\n',
    ),
}


@pytest.mark.parametrize("name", TEST_SETS)
def test_a_shipped_test_set_has_all_its_records_for_tests_alone(real, tmp_path, name):
    file, count, ending = TEST_SETS[name]
    path = real / file
    entry = {key: value for key, value in SHIPPED[name].items() if key not in ("github", "revision")}
    found = dataset(path.parent, {**entry, "path": str(path.parent), "parts": {"test": path.name}}, name)
    facts = import_dataset(found.published.local_files, found.published, tmp_path / "data.jsonl")
    assert facts.parts == {"test": count}
    first = json.loads((tmp_path / "data.jsonl").read_text().splitlines()[0])
    assert first["input"].endswith(ending)
    assert first["instruction"].startswith(
        ("Complete the following", "Write a function to ", "Write a Python function")
    )
    assert first["problem"]["tests"]


def test_the_shipped_entries_are_pinned():
    for name, entry in SHIPPED.items():
        check_dataset(name, entry)
        assert {"revision", "records", "license"} <= entry.keys()
        assert ("repo" in entry) != ("github" in entry)
        assert not Path(entry.get("path", "")).parts
        assert replace(dataset("x", entry, name), split=None).published.files
