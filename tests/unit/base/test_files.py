"""Files appear whole or not at all, and rows that were added are recovered up to the first broken one."""

import pytest
from codetune.base.errors import StudyError
from codetune.base.files import (
    append_jsonl,
    atomic,
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
