"""Files appear whole or not at all, and rows that were added are recovered up to the first broken one."""

import math

import numpy as np
import pytest
from codetune.base.errors import StudyError
from codetune.base.files import (
    append_jsonl,
    atomic,
    finite_or_none,
    read_json,
    read_jsonl,
    recover_jsonl,
    sha256_of_json,
    sha256_of_list,
    write_json,
    write_jsonl,
)


def test_a_failed_write_leaves_the_earlier_file_and_no_rest(tmp_path):
    target = tmp_path / "x.json"
    write_json(target, {"a": 1})
    with pytest.raises(RuntimeError), atomic(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(target) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_a_folder_is_replaced_whole(tmp_path):
    target = tmp_path / "folder"
    for name in ("one", "two"):
        with atomic(target) as temporary:
            temporary.mkdir()
            (temporary / name).touch()
    assert [path.name for path in target.iterdir()] == ["two"]


def test_json_lines_survive(tmp_path):
    rows = [{"a": "ü\n"}, {"b": [1, 2.5, None]}]
    write_jsonl(tmp_path / "x", rows)
    assert read_jsonl(tmp_path / "x") == rows


def test_json_lines_hold_what_python_reads(tmp_path):
    (tmp_path / "x").write_text('{"half": "\\ud800", "most": 1' + "0" * 30 + "}\n")
    assert read_jsonl(tmp_path / "x") == [{"half": "\ud800", "most": 10**30}]


def test_a_broken_line_is_named(tmp_path):
    (tmp_path / "x").write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(StudyError, match="line 2: not JSON"):
        read_jsonl(tmp_path / "x")


def test_rows_are_recovered_up_to_the_first_broken_one(tmp_path):
    rows = [{"a": "ü"}, {"b": 2}]
    append_jsonl(tmp_path / "x", rows[:1])
    append_jsonl(tmp_path / "x", rows[1:])
    with (tmp_path / "x").open("ab") as stream:
        stream.write(b'{"c": \n{"d": 4}\n')
    assert recover_jsonl(tmp_path / "x") == rows
    append_jsonl(tmp_path / "x", [{"e": 5}])
    assert recover_jsonl(tmp_path / "x") == [*rows, {"e": 5}]
    assert recover_jsonl(tmp_path / "none") == []


@pytest.mark.parametrize("values", [[], [1], [[1, "é\ud800"], {"b": 1, "a": None}, "x"]])
def test_the_hash_of_a_list_needs_no_list(values):
    assert sha256_of_list(iter(values)) == sha256_of_json(values)


NOT_FINITE = {"NaN": math.nan, "infinity": math.inf, "minus infinity": -math.inf, "numpy's": np.float64("nan")}


@pytest.mark.parametrize("value", NOT_FINITE.values(), ids=NOT_FINITE)
@pytest.mark.parametrize("shape", [lambda value: {"a": value}, lambda value: {"a": [{"b": [0.5, value]}]}])
@pytest.mark.parametrize(
    "write",
    [write_json, lambda path, row: write_jsonl(path, [{"a": 1}, row]), lambda path, row: append_jsonl(path, [row])],
    ids=["an object", "lines", "more lines"],
)
def test_no_file_gets_a_number_that_is_none(tmp_path, write, shape, value):
    """Only Python reads NaN and Infinity in JSON. What is there already stays, and nothing half-written is left."""
    target = tmp_path / "x"
    target.write_text('{"a": 0}\n')
    with pytest.raises(ValueError, match=f"{target}: not written"):
        write(target, shape(value))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"x": '{"a": 0}\n'}


def test_what_is_undefined_is_null(tmp_path):
    values = [1.5, 0.0, -2, None, *NOT_FINITE.values()]
    write_json(tmp_path / "x", [finite_or_none(value) for value in values])
    assert read_json(tmp_path / "x") == [1.5, 0.0, -2, *[None] * 5]
