"""The files of a config: keys that are given twice, and what is not YAML or JSON."""

import os
import re

import pytest
import yaml
from codetune.base.errors import StudyError
from codetune.study.configfiles import check_config_files
from conftest import ROOT

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


def check(folder, content, name="mine.yaml"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    check_config_files([path])


TWICE = [
    ("runs: []\nmodels: {}\nruns: []\n", "runs", 1, 3),
    ("models:\n  a: {label: x}\n  'a': {label: y}\n", "a", 2, 3),
    ("models:\n  a: {label: x,\n    epochs: 3, label: y}\n", "label", 2, 3),
    ("runs:\n- seeds: [0]\n  seeds: [1]\n", "seeds", 2, 3),
    ("a: &x {b: 1,\n b: 2}\nc: *x\n", "b", 1, 2),
    ("yes: 1\ntrue: 2\n", "true", 1, 2),
    ("{1: a,\n 0x1: b}", "0x1", 1, 2),
]


@pytest.mark.parametrize(("text", "key", "first", "second"), TWICE)
def test_a_key_that_is_given_twice_in_one_place_is_refused_with_both_lines(tmp_path, text, key, first, second):
    message = (
        f"mine.yaml: the key '{key}' stands twice in one place, in lines {first} and {second}, and the first would"
    )
    with pytest.raises(StudyError, match=re.escape(message)):
        check(tmp_path, text)


def test_so_it_is_in_json_whose_values_may_be_apart_by_tabs(tmp_path):
    check(tmp_path, '{\t"runs": [{"seeds": [0]}],\n\t"curve": {"samples": 3}}', "mine.json")
    with pytest.raises(StudyError, match="'samples' stands twice in one place, in lines 2 and 3"):
        check(tmp_path, '{\t"runs": [],\n\t"curve": {"samples": 3,\n"samples": 4}}', "mine.json")


FINE = [
    "",
    "# nothing\n",
    "a: {label: x}\nb: {label: x}\n",
    "a: &x {epochs: 1}\nb: {<<: *x, epochs: 2}\nc: {<<: *x, <<: {label: q}}\n",
    "- a\n- b\n",  # Snakemake says what is wrong with it
    "a: 2.0e-4\nb: 1_000\nc: 0\nd: 0.5\ne: '010'\nf: -1\n",
]


@pytest.mark.parametrize("text", FINE)
def test_other_files_are_accepted(tmp_path, text):
    check(tmp_path, text)


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_the_project_s_own_files_have_each_key_once(path):
    check_config_files([path])


WRONG = [
    (b"results: \xff\n", "mine.yaml: not UTF-8 text (byte 9). Save it as UTF-8."),
    ("a:\n\tb: 1\n", "mine.yaml: line 2: found character '\\t' that cannot start any token. Correct the YAML there."),
    ("a: [1\nb: 2\n", "mine.yaml: line 2:"),
    ("a: 1\n---\na: 2\n", "mine.yaml: line 2: but found another document"),
    ("a: *b\n", "line 1: found undefined alias 'b'"),
    ("a: !!python/object/apply:os.getcwd []\n", "line 1: could not determine a constructor"),
    ("a: 2026-99-99\n", "mine.yaml: month must be in 1..12"),
    ("a: " + "1" * 5000, "mine.yaml: Exceeds the limit (4300 digits)"),
    ("a: 0x" + "1" * 5000, "config: a: a number of 6,020 digits. Write a smaller one."),
    ("a: " + "[" * 3000 + "]" * 3000, "mine.yaml: too many levels of values in values."),
    ("a: " + "[" * 30 + "]" * 30, "more than 20 levels of values in values"),
    ("a: &a {b: *a}\n", "more than 20 levels of values in values"),
    (BOMB, "config: there are more than 10,000 values"),
    ("a: " + "x" * 5000, '..." has 5,000 characters'.replace('"', "")),
    ("a: '" + "x" * 1_000_000 + "'", "mine.yaml: more than 1,000,000 bytes are no config"),
    ("patience: 010\n", "mine.yaml: line 1: YAML reads 010 as 8."),
    ("x: 1\npatience: 1:30\n", "mine.yaml: line 2: YAML reads 1:30 as 90."),
]


@pytest.mark.parametrize(("content", "message"), WRONG, ids=[case[1][:40] for case in WRONG])
def test_a_file_that_is_no_config_gives_one_line(tmp_path, content, message):
    with pytest.raises(StudyError) as error:
        check(tmp_path, content)
    assert message in str(error.value)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 300 + len(str(tmp_path))


def test_a_pipe_is_left_to_snakemake_since_it_can_be_read_once_only(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    check_config_files([tmp_path / "pipe", tmp_path / "none"])


def test_what_is_accepted_is_what_snakemake_reads(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(FINE[3])
    check_config_files([path])
    assert yaml.safe_load(path.read_text())["b"] == {"epochs": 2}
