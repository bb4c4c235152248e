"""The folder of unfinished work: what is taken up from it and what is not."""

import pytest
from codetune.base.files import write_json
from codetune.base.unfinished import is_whole, save_sealed, unfinished_work

IDENTITY = {"settings": {"rate": 0.1, "modules": ("a", "b")}, "data": {"train": "ab"}, "code": "c"}


def leave(folder, identity=IDENTITY):
    with pytest.raises(KeyboardInterrupt), unfinished_work(folder, identity) as work:
        (work / "something").write_text("done so far")
        raise KeyboardInterrupt


def test_what_an_attempt_left_is_there_for_the_next_and_gone_in_the_end(tmp_path):
    folder = tmp_path / "unfinished" / "finetune"
    leave(folder)
    with unfinished_work(folder, IDENTITY) as work:
        assert (work / "something").read_text() == "done so far"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", [("settings", {"rate": 0.2}), ("data", {"train": "xy"}), ("code", "d"), ("more", 1)])
def test_what_was_done_for_something_else_is_not_used(tmp_path, capsys, part):
    folder = tmp_path / "unfinished" / "finetune"
    leave(folder)
    with unfinished_work(folder, {**IDENTITY, part[0]: part[1]}) as work:
        assert not (work / "something").exists()
    assert f"unfinished work discarded: {part[0]} changed since" in capsys.readouterr().out


def test_a_folder_without_its_description_is_not_used(tmp_path):
    folder = tmp_path / "unfinished" / "finetune"
    leave(folder)
    (folder / "identity.json").write_bytes(b"")
    with unfinished_work(folder, IDENTITY) as work:
        assert not (work / "something").exists()


def test_another_stage_s_work_is_left_alone(tmp_path):
    leave(tmp_path / "unfinished" / "curve")
    with unfinished_work(tmp_path / "unfinished" / "generate", IDENTITY):
        pass
    assert [path.name for path in (tmp_path / "unfinished").iterdir()] == ["curve"]


def test_a_seal_shows_any_change(tmp_path):
    def write(folder):
        write_json(folder / "a.json", {"a": 1})
        (folder / "b").write_bytes(bytes(100))

    save_sealed(tmp_path / "x", write)
    assert is_whole(tmp_path / "x")
    (tmp_path / "x" / "b").write_bytes(bytes(99) + b"1")
    assert not is_whole(tmp_path / "x")
    assert not is_whole(tmp_path / "none")
