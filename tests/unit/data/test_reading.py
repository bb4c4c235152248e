"""Reading records: what a file may hold, and what is said of one that holds something else."""

import json
import subprocess
import sys

import pytest
import yaml
from codetune.base.errors import StudyError
from codetune.data.cleaning import clean
from codetune.data.reading import import_dataset, read_records
from codetune.data.samples import sha256_of_records
from codetune.study.dataset import Published
from codetune.study.model import Source
from conftest import ROOT

RECORD = {"instruction": "Add a and b", "input": "", "output": "a + b"}


def declared(path, records=None, sha256=None):
    """A local data set with the number and hash of its records as a config declares them."""
    return Published(Source(str(path)), None, records, sha256)


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
    "records in an object": (json.dumps({"data": [RECORD]}), "record 0: an object whose field 'data' holds a list. If"),
    "missing field": (in_array(RECORD, {"instruction": "x", "input": ""}), "record 1: the field 'output' is missing"),
    "missing field in a line": (in_lines(RECORD, {"instruction": ""}), "record 1: the field 'output' is missing"),
    "null": (in_array({**RECORD, "output": None}), "record 0: the field 'output' holds null; text is needed"),
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
    "UTF-16": (in_array(RECORD).encode("utf-16"), "not UTF-8 text (byte 0; it looks like UTF-16). Save it as UTF-8."),
    "UTF-16 without a mark": (in_array(RECORD).encode("utf-16-le"), "line 1: Expecting value (column 2)"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_bad_data_are_named_by_line_or_record(tmp_path, text, message):
    (tmp_path / "bad.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StudyError) as error:
        import_dataset([tmp_path / "bad.json"], declared(tmp_path / "bad.json"), tmp_path / "out.jsonl")
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
    published = declared(tmp_path / "data.json", 2, sha256_of_records([RECORD, RECORD]))
    import_dataset([tmp_path / "data.json"], published, tmp_path / "out.jsonl")
    assert read_records(tmp_path / "out.jsonl") == [RECORD, RECORD]


@pytest.mark.parametrize("text", ["tab\tline\r\n", "\U0001f600", "\u2028", "\ufeff", "e\u0301", "\u00a0"], ids=ascii)
def test_other_text_is_kept_as_it_is(tmp_path, text):
    source = write(tmp_path / "data.json", json.dumps([{**RECORD, "output": "x" + text + "y"}]))
    import_dataset([source], declared(source, 1), tmp_path / "data.jsonl")
    samples, _ = clean(dict(enumerate(read_records(tmp_path / "data.jsonl"))))
    assert [sample.output for sample in samples] == ["x" + text + "y"]


def test_an_import_checks_count_and_content(tmp_path):
    source = write(tmp_path / "data.json", json.dumps([RECORD]))
    import_dataset([source], declared(source, 1, sha256_of_records([RECORD])), tmp_path / "out.jsonl")
    assert json.loads((tmp_path / "out.jsonl").read_text()) == RECORD
    with pytest.raises(StudyError, match="1 records, but the config declares 2"):
        import_dataset([source], declared(source, 2), tmp_path / "no.jsonl")
    with pytest.raises(StudyError, match="SHA-256 is"):
        import_dataset([source], declared(source, 1, "0" * 64), tmp_path / "no.jsonl")
    assert not (tmp_path / "no.jsonl").exists()


def test_the_demo_s_data_have_the_declared_content(tmp_path):
    subprocess.run([sys.executable, ROOT / "demo/make_samples.py", tmp_path / "samples.json"], check=True, timeout=60)
    entry = yaml.safe_load((ROOT / "config/demo.yaml").read_text())["datasets"]["codealpaca-20k"]
    published = declared(tmp_path / "samples.json", entry["records"], entry["sha256"])
    import_dataset([tmp_path / "samples.json"], published, tmp_path / "out.jsonl")
    assert len(read_records(tmp_path / "out.jsonl")) == 1240
