"""Files appear whole or not at all; fingerprints follow what code does."""

import pytest
from codetune.base.errors import StudyError
from codetune.base.files import atomic, read_json, read_jsonl, write_json, write_jsonl
from codetune.study.fingerprints import fingerprint
from conftest import ROOT

SCRIPTS = ROOT / "workflow" / "scripts"


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


def test_fingerprints_follow_the_modules_a_script_uses():
    prints = {path.name: fingerprint(path) for path in SCRIPTS.glob("*.py")}
    assert len(set(prints.values())) == len(prints)
    assert all(len(value) == 64 for value in prints.values())


def copy_library(folder):
    import shutil

    shutil.copytree(SCRIPTS, folder)
    return folder


def fingerprint_in(folder, script):
    """In a process of its own, since a module is read once."""
    import subprocess
    import sys

    code = f"from codetune.fingerprints import fingerprint; print(fingerprint({str(folder / script)!r}))"
    return subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_a_script_with_a_module_s_name_has_one_fingerprint():
    names = {path.name for path in SCRIPTS.glob("*.py")} & {path.name for path in (SCRIPTS / "codetune").glob("*.py")}
    assert "browser.py" in names
    for name in names:
        assert len({fingerprint_in(SCRIPTS, name) for _ in range(6)}) == 1


def test_a_comment_changes_no_fingerprint_and_code_only_those_that_use_it(tmp_path):
    folder = copy_library(tmp_path / "scripts")
    before = {name: fingerprint_in(folder, name) for name in ("score.py", "split.py", "finetune.py")}
    metrics = folder / "codetune" / "metrics.py"
    metrics.write_text(metrics.read_text() + "\n# a remark\n")
    assert {name: fingerprint_in(folder, name) for name in before} == before
    metrics.write_text(metrics.read_text() + "\nSOMETHING = 1\n")
    after = {name: fingerprint_in(folder, name) for name in before}
    assert after["score.py"] != before["score.py"]
    assert after["split.py"] == before["split.py"]
    assert after["finetune.py"] == before["finetune.py"]
