"""Reading, cleaning and splitting samples."""

import json
import os
import subprocess
import sys

import pytest
import yaml
from codetune.base.errors import StudyError
from codetune.data.card import data_card
from codetune.data.cleaning import clean
from codetune.data.duplicates import near_duplicates
from codetune.data.reading import import_dataset, read_records, sha256_of_records
from codetune.data.samples import Sample, read_samples
from codetune.data.split import split, split_dataset
from conftest import ROOT

SPLIT = {"train": 0.8, "validation": 0.1, "test": 0.1, "seed": 0, "near_duplicates": "together"}
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


def in_array(*records):
    return json.dumps(records)


def in_lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


BAD = {
    "not JSON": ("hello", "line 1: Expecting value (column 1). The file has to be a JSON array, or JSON lines"),
    "cut off": (in_array(RECORD, RECORD)[:-5], "line 1: Unterminated string starting at (column 120)"),
    "cut off, indented": (json.dumps([RECORD], indent=1)[:-2], "line 6: Expecting ',' delimiter (column 3)"),
    "one object over lines": (json.dumps(RECORD, indent=1), "line 1: Expecting property name"),
    "two arrays": ("[1]\n[2]", "line 2: Extra data (column 1)"),
    "no records": ("[]", "holds no records"),
    "empty": ("", "holds no records"),
    "white space": (" \n\t\r\n ", "holds no records"),
    "broken line": (in_lines(RECORD) + "\n{oops\n", "line 3: Expecting property name"),
    "raw control character": (in_lines(RECORD).replace("Add", "A\x01d"), "line 1: Invalid control character at"),
    "number for record": ("[1]", "record 0: not a JSON object"),
    "text for record": (in_array(RECORD, "b"), "record 1: not a JSON object"),
    "list for record": (in_array(RECORD, []), "record 1: not a JSON object"),
    "null for record": ("null", "record 0: not a JSON object"),
    "records in an object": (json.dumps({"data": [RECORD]}), "record 0: the field 'instruction' is missing"),
    "missing field": (in_array(RECORD, {"instruction": "x", "input": ""}), "record 1: the field 'output' is missing"),
    "missing field in a line": (in_lines(RECORD, {"instruction": ""}), "record 1: the field 'input' is missing"),
    "null": (in_array({**RECORD, "input": None}), "record 0: the field 'input' holds null; text is needed"),
    "number": (in_array({**RECORD, "output": 1}), "record 0: the field 'output' holds a number"),
    "boolean": (in_array({**RECORD, "output": True}), "record 0: the field 'output' holds a boolean"),
    "list": (in_array({**RECORD, "output": ["a"]}), "record 0: the field 'output' holds a list"),
    "object": (in_array({**RECORD, "output": {"a": 1}}), "record 0: the field 'output' holds an object"),
    "NaN": (in_array({**RECORD, "output": float("nan")}), "record 0: the field 'output' holds a number"),
    "Infinity": (in_array({**RECORD, "output": float("inf")}), "record 0: the field 'output' holds a number"),
    "field twice": (
        in_array(RECORD, RECORD).replace("}]", ', "output": "c"}]'),
        "record 1: the field 'output' holds two values; text is needed",
    ),
    "deep": ("[" * 200_000, "line 1: maximum recursion depth exceeded"),
    "deep field": ('[{"input": ' + '{"a": ' * 200_000, "line 1: maximum recursion depth exceeded"),
    "long number": ('[{"input": ' + "1" * 5000 + "}]", "line 1: Exceeds the limit (4300 digits)"),
    "not UTF-8": (b'[{"instruction": "\xff"}]', "not UTF-8 text (byte 18). Save it as UTF-8."),
    "UTF-16": (in_array(RECORD).encode("utf-16"), "not UTF-8 text (byte 0)"),
    "UTF-16 without a mark": (in_array(RECORD).encode("utf-16-le"), "line 1: Expecting value (column 2)"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_bad_data_are_named_by_line_or_record(tmp_path, text, message):
    (tmp_path / "bad.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StudyError) as error:
        import_dataset(tmp_path / "bad.json", tmp_path / "out.jsonl", None, None)
    assert str(error.value).startswith(f"{tmp_path}/bad.json")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(("name", "message"), [("", "Is a directory"), ("no.json", "No such file or directory")])
def test_what_is_no_file_is_named(tmp_path, name, message):
    with pytest.raises(StudyError) as error:
        read_records(tmp_path / name)
    assert str(error.value) == f"{tmp_path / name}: {message}"


SAME = {
    "byte order mark": b"\xef\xbb\xbf" + in_array(RECORD, RECORD).encode(),
    "byte order mark before lines": b"\xef\xbb\xbf" + in_lines(RECORD, RECORD).encode(),
    "Windows line ends": json.dumps([RECORD, RECORD], indent=1).replace("\n", "\r\n").encode(),
    "Windows line ends of lines": in_lines(RECORD, RECORD).replace("\n", "\r\n").encode(),
    "empty lines, none at the end": ("\n" + in_lines(RECORD) + "\n \n" + in_lines(RECORD)).rstrip().encode(),
    "fields of no interest": in_array({**RECORD, "score": float("nan")}, {**RECORD, "tags": [1]}).encode(),
}


@pytest.mark.parametrize("content", SAME.values(), ids=SAME)
def test_the_layout_of_a_file_does_not_change_its_records(tmp_path, content):
    (tmp_path / "data.json").write_bytes(content)
    import_dataset(tmp_path / "data.json", tmp_path / "out.jsonl", 2, sha256_of_records([RECORD, RECORD]))
    assert read_records(tmp_path / "out.jsonl") == [RECORD, RECORD]


@pytest.mark.parametrize("text", ["a\0b", "\x1b[0m", "a\x0c", "\x7f", "\x9f", "\ud800", "x\udfff"], ids=ascii)
@pytest.mark.parametrize("field", ["instruction", "input", "output"])
def test_what_is_no_text_is_dropped_and_counted(tmp_path, records, field, text):
    source = write(tmp_path / "data.json", json.dumps([RECORD, {**RECORD, field: text}, *records[:50]]))
    import_dataset(source, tmp_path / "data.jsonl", 52, sha256_of_records(read_records(source)))
    targets = split_into(tmp_path, tmp_path / "data.jsonl")
    card = json.loads((tmp_path / "card.out").read_text())
    assert card["records_sha256"] == sha256_of_records(read_records(source))
    assert card["touched"]["dropped: control characters or half a surrogate pair"] == {"count": 1, "records": [1]}
    assert 1 not in [sample.id for part in ("train", "validation", "test") for sample in read_samples(targets[part])]


@pytest.mark.parametrize("text", ["tab\tline\r\n", "\U0001f600", "\u2028", "\ufeff", "e\u0301", "\u00a0"], ids=ascii)
def test_other_text_is_kept_as_it_is(tmp_path, text):
    source = write(tmp_path / "data.json", json.dumps([{**RECORD, "output": "x" + text + "y"}]))
    import_dataset(source, tmp_path / "data.jsonl", 1, None)
    samples, _ = clean(read_records(tmp_path / "data.jsonl"))
    assert [sample.output for sample in samples] == ["x" + text + "y"]


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


def run_split(folder, records):
    return split_into(folder, write(folder / "records.jsonl", in_lines(*records)))


def split_into(folder, source):
    targets = {name: str(folder / f"{name}.out") for name in ("train", "validation", "test", "card", "card_text")}
    split_dataset(source, SPLIT, targets, "generated")
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
        run_split(tmp_path, records)
    assert message in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["records.jsonl"]


def test_the_demo_s_data_have_the_declared_content(tmp_path):
    subprocess.run([sys.executable, ROOT / "demo/make_samples.py", tmp_path / "samples.json"], check=True, timeout=60)
    entry = yaml.safe_load((ROOT / "config/demo.yaml").read_text())["datasets"]["codealpaca-20k"]
    import_dataset(tmp_path / "samples.json", tmp_path / "out.jsonl", entry["records"], entry["sha256"])
    assert len(read_records(tmp_path / "out.jsonl")) == 1240


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
