"""Hashes of the user's own files while a run is planned."""

import hashlib
import os
import time

import pytest
from codetune.base import contents, progress
from codetune.base.contents import Contents, files_in
from codetune.base.errors import StudyError


@pytest.fixture
def hashed(monkeypatch):
    """Names of the files that were read."""
    names = []

    def sha256(path):
        names.append(path.name)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(contents, "sha256_of_file", sha256)
    monkeypatch.setattr(contents, "SETTLED", 0)
    return names


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text("one")
    time.sleep(0.01)  # so that its times are in the past
    return path


def test_a_file_is_read_once_and_by_the_next_command_not_at_all(tmp_path, file, hashed):
    first = Contents(tmp_path / "memory" / "sources.json").sha256_of([file])
    assert Contents(tmp_path / "memory" / "sources.json").sha256_of([file]) == first
    assert hashed == ["data.jsonl"]


def test_other_bytes_give_another_hash_and_the_same_bytes_the_same(tmp_path, file, hashed):
    memory = tmp_path / "sources.json"
    first = Contents(memory).sha256_of([file])
    times = file.stat()
    file.write_text("two")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # as if nothing had happened
    assert Contents(memory).sha256_of([file]) != first
    file.write_text("one")
    assert Contents(memory).sha256_of([file]) == first


def test_names_count_and_order_does_not(tmp_path, file):
    other = tmp_path / "other.jsonl"
    other.write_text("one")
    memory = Contents(tmp_path / "sources.json")
    assert memory.sha256_of([file]) != memory.sha256_of([other])
    assert memory.sha256_of([file, other]) == memory.sha256_of([other, file])


def test_a_file_that_was_just_written_is_not_remembered(tmp_path, file, hashed, monkeypatch):
    monkeypatch.setattr(contents, "SETTLED", 10**15)
    for _ in range(2):
        Contents(tmp_path / "sources.json").sha256_of([file])
    assert hashed == ["data.jsonl", "data.jsonl"]


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"x": 3}', '"x"', "null", "[" * 100_000])
def test_a_damaged_memory_is_not_used(tmp_path, file, text):
    fresh = Contents(tmp_path / "none.json").sha256_of([file])
    (tmp_path / "sources.json").write_text(text)
    assert Contents(tmp_path / "sources.json").sha256_of([file]) == fresh


def test_a_memory_that_cannot_be_written_costs_only_time(tmp_path, file):
    (tmp_path / "in-the-way").write_text("a file")
    assert len(Contents(tmp_path / "in-the-way" / "sources.json").sha256_of([file])) == 64


def test_a_source_that_is_gone_is_one_line(tmp_path):
    with pytest.raises(StudyError, match=r"gone\.jsonl: No such file or directory"):
        Contents(tmp_path / "sources.json").sha256_of([tmp_path / "gone.jsonl"])


def test_folders_and_pipes_in_a_checkpoint_are_left_out(tmp_path, file):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert files_in(tmp_path) == [file]


def test_hashing_while_a_run_is_planned_says_so_on_the_terminal(tmp_path, file, monkeypatch, capfd):
    def slow(path):
        with progress.doing(f"hashing {path}"):
            time.sleep(0.3)
        return "hash"

    monkeypatch.setattr("codetune.base.contents.sha256_of_file", slow)
    monkeypatch.setattr(progress, "LOOK", 0.01)
    Contents(tmp_path / "memory.json").sha256_of([file])
    told = capfd.readouterr()
    assert f"hashing {file}: for 0 seconds so far" in told.err
    assert not told.out
