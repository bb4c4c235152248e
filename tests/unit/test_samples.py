"""Reading, cleaning and splitting samples."""

import json

import pytest
from codetune.errors import StudyError
from codetune.samples import (
    Sample,
    clean,
    import_dataset,
    read_records,
    read_samples,
    sha256_of_records,
    split,
    split_dataset,
)

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
RECORD = {"instruction": "Add a and b", "input": "", "output": "a + b"}


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_an_array_and_json_lines_hold_the_same_records(tmp_path, records):
    array = write(tmp_path / "a.json", json.dumps(records, indent=6))
    lines = write(tmp_path / "b.jsonl", "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records))
    assert read_records(array) == read_records(lines) == records
    assert sha256_of_records(read_records(array)) == sha256_of_records(records)


def test_the_hash_follows_content_and_order(records):
    changed = [{**records[0], "output": records[0]["output"] + " "}, *records[1:]]
    assert sha256_of_records(changed) != sha256_of_records(records)
    assert sha256_of_records(records[::-1]) != sha256_of_records(records)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{oops", "neither a JSON array nor JSON lines"),
        ("[]", "holds no records"),
        ("", "holds no records"),
        ("[1]", "record 0: not a JSON object"),
        (json.dumps([RECORD, {"instruction": "x", "input": ""}]), "record 1: the field 'output' is missing"),
        (json.dumps([{**RECORD, "input": None}]), "record 0: the field 'input' holds NoneType; text is needed"),
    ],
)
def test_bad_data_are_named_by_record(tmp_path, text, message):
    with pytest.raises(StudyError, match=".") as error:
        read_records(write(tmp_path / "bad.json", text))
    assert message in str(error.value)


def test_bytes_that_are_not_utf8_are_an_error(tmp_path):
    (tmp_path / "bad.json").write_bytes(b'[{"instruction": "\xff"}]')
    with pytest.raises(StudyError, match="not UTF-8 text \\(byte 18\\)"):
        read_records(tmp_path / "bad.json")


def test_an_import_checks_count_and_content(tmp_path):
    source = write(tmp_path / "data.json", json.dumps([RECORD]))
    import_dataset(source, tmp_path / "out.jsonl", 1, sha256_of_records([RECORD]))
    assert json.loads((tmp_path / "out.jsonl").read_text()) == RECORD
    with pytest.raises(StudyError, match="1 records, but the config declares 2"):
        import_dataset(source, tmp_path / "no.jsonl", 2, None)
    with pytest.raises(StudyError, match="SHA-256 is"):
        import_dataset(source, tmp_path / "no.jsonl", 1, "0" * 64)
    assert not (tmp_path / "no.jsonl").exists()


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
    parts = split(samples, SHARES, seed=0)
    assert sorted(s.id for part in parts.values() for s in part) == [s.id for s in samples]
    assert abs(len(parts["train"]) - 0.8 * len(samples)) <= 2
    assert abs(len(parts["test"]) - 0.1 * len(samples)) <= 2
    assert all(part == sorted(part, key=lambda s: s.id) for part in parts.values())
    assert parts == split(samples, SHARES, seed=0)
    assert parts != split(samples, SHARES, seed=1)


def test_samples_that_ask_the_same_stay_on_one_side():
    samples = [Sample(i, f"Task {i // 3}" if i % 2 else f"task  {i // 3}".upper(), "", "x") for i in range(300)]
    for seed in range(5):
        sides = {}
        for part, members in split(samples, SHARES, seed).items():
            for sample in members:
                sides.setdefault(sample.id // 3, set()).add(part)
        assert all(len(parts) == 1 for parts in sides.values())


def run_split(folder, records, seed=0):
    source = write(folder / "records.jsonl", "".join(json.dumps(r) + "\n" for r in records))
    targets = {name: str(folder / f"{name}.out") for name in ("train", "validation", "test", "card", "card_text")}
    split_dataset(source, SHARES, seed, targets, "generated")
    return targets


def test_the_data_card_counts_what_was_done(tmp_path, records):
    targets = run_split(tmp_path, records)
    card = json.loads((tmp_path / "card.out").read_text())
    assert card["records"] == len(records)
    assert card["touched"]["dropped: empty output"]["count"] == 4
    assert card["touched"]["changed: 'noinput' read as no input"]["count"] == 10
    assert card["duplicate_requests"]["groups"] > 0
    assert sum(part["samples"] for part in card["parts"].values()) == len(records) - 4
    assert {"Python", "SQL", "JavaScript", "HTML"} <= set(card["parts"]["train"]["languages"])
    assert len(read_samples(targets["test"])) == card["parts"]["test"]["samples"]
    assert "| train | 0.8 |" in (tmp_path / "card_text.out").read_text()


def test_a_split_of_too_few_samples_is_an_error(tmp_path):
    with pytest.raises(StudyError, match="leaves no sample for"):
        run_split(tmp_path, [RECORD])


def test_the_real_data_set_has_the_declared_content(real):
    import yaml
    from conftest import ROOT

    entry = yaml.safe_load((ROOT / "config/config.yaml").read_text())["datasets"]["codealpaca-20k"]
    found = read_records(real / "codealpaca" / "code_alpaca_20k.json")
    assert len(found) == entry["records"] == 20022
    assert sha256_of_records(found) == entry["sha256"]
    samples, touched = clean(found)
    assert touched["dropped: empty output"] == [7954, 9029, 13137, 13840, 16247, 18360]
    assert len(touched["changed: 'noinput' read as no input"]) == 25
    parts = split(samples, {"train": 0.85, "validation": 0.05, "test": 0.1}, seed=0)
    assert {name: len(part) for name, part in parts.items()} == {"train": 17014, "validation": 1000, "test": 2002}
