"""The records of all runs in one file: what comes out of it is what went in."""

import json

import pytest
from codetune.base.errors import StudyError
from codetune.base.files import read_json
from codetune.study import layout
from codetune.study.records import gather_records, read_records
from fake_records import fake_method, fake_model, fake_record, write_fake


@pytest.fixture
def paths(tmp_path):
    """Records where they lie in a folder of results."""
    model, method = fake_model("m"), fake_method("qlora")
    records = [fake_record(model, method, seed=seed) for seed in range(3)]
    return [write_fake(record, tmp_path / "results") for record in records]


def gathered(paths, tmp_path):
    target = tmp_path / "results" / layout.ALL_RECORDS
    gather_records(paths, str(target))
    return target


def test_records_read_from_one_file_are_those_of_the_runs(paths, tmp_path):
    target = gathered(paths, tmp_path)
    found = read_records([target])
    assert found == read_records(paths)
    assert [record.folder for record in found] == [path.removesuffix("/record.json") for path in paths]
    assert [json.loads(line) for line in target.read_text().splitlines()] == [read_json(path) for path in paths]


def test_a_file_that_is_no_record_is_not_gathered(paths, tmp_path):
    with open(paths[1], "w") as stream:
        stream.write('{"version": 0}')
    with pytest.raises(StudyError, match=f"{paths[1]}: a record of version 0"):
        gathered(paths, tmp_path)
    assert not (tmp_path / "results" / layout.ALL_RECORDS).exists()


@pytest.mark.parametrize("line", ["[]", '{"version": 0}', '{"version": 1}', "no JSON"])
def test_a_line_that_is_no_record_is_named(paths, tmp_path, line):
    target = gathered(paths, tmp_path)
    lines = target.read_text().splitlines()
    target.write_text("\n".join([lines[0], line, lines[2]]) + "\n")
    with pytest.raises(StudyError, match=f"{target}, line 2"):
        read_records([target])
