"""Manifests: a folder is used only if it holds the files of its manifest."""

import os
import shutil

import pytest
from codetune.base import manifests
from codetune.base.errors import StudyError
from codetune.base.files import read_json, sha256_of_file
from codetune.base.manifests import MANIFEST, checked_folder, write_manifest


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "tuned"
    (folder / "step-1").mkdir(parents=True)
    (folder / "step-1" / "weights").write_bytes(b"abcd")
    (folder / "config.json").write_text("{}")
    write_manifest(folder, repo="a/b", revision="c")
    return folder


def set_times(path, seconds):
    os.utime(path, (seconds, seconds))


def test_a_manifest_names_each_file_and_where_it_came_from(folder):
    assert read_json(folder / MANIFEST) == {
        "repo": "a/b",
        "revision": "c",
        "files": {
            "config.json": {
                "bytes": 2,
                "sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            },
            "step-1/weights": {
                "bytes": 4,
                "sha256": "88d4266fd4e6338d13b845fcf289579d209c897823b9217da3e161936f031589",
            },
        },
    }
    assert checked_folder(folder / MANIFEST) == folder


def test_dates_alone_change_nothing(folder):
    for path in (folder / MANIFEST, folder / "config.json", folder / "step-1"):
        set_times(path, 1)
    assert checked_folder(folder / MANIFEST) == folder
    copy = shutil.copytree(folder, folder.with_name("copy"), copy_function=shutil.copy)
    assert checked_folder(copy / MANIFEST) == copy


def change(folder):
    (folder / "step-1" / "weights").write_bytes(b"abce")


def change_and_hide_the_date(folder):
    change(folder)
    set_times(folder / "step-1" / "weights", 1)


def change_before_the_manifest_s_date(folder):
    change(folder)
    set_times(folder / MANIFEST, 4_000_000_000)  # as `snakemake --touch` does


def shorten(folder):
    (folder / "step-1" / "weights").write_bytes(b"abc")


def delete(folder):
    (folder / "step-1" / "weights").unlink()


def delete_the_folder(folder):
    shutil.rmtree(folder / "step-1")


def break_the_link(folder):
    delete(folder)
    (folder / "step-1" / "weights").symlink_to("nowhere")


def put_a_folder_there(folder):
    delete(folder)
    (folder / "step-1" / "weights").mkdir()


def put_a_pipe_there(folder):
    delete(folder)
    os.mkfifo(folder / "step-1" / "weights")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change, "step-1/weights has changed since the manifest"),
        (change_and_hide_the_date, "step-1/weights has changed since the manifest"),
        (change_before_the_manifest_s_date, "step-1/weights has changed since the manifest"),
        (shorten, "step-1/weights has 3 bytes, but 4 by the manifest"),
        (delete, "step-1/weights is missing"),
        (delete_the_folder, "step-1/weights is missing"),
        (break_the_link, r"step-1/weights is missing, .* \(a broken link\)"),
        (put_a_folder_there, "step-1/weights is missing"),
        (put_a_pipe_there, "step-1/weights is missing"),
        (lambda folder: (folder / "chat_template.jinja").write_text("{}"), "chat_template.jinja has been added"),
        (lambda folder: (folder / MANIFEST).write_text("[]"), "manifest.json"),
        (lambda folder: (folder / MANIFEST).write_text("{"), "manifest.json"),
        (lambda folder: (folder / MANIFEST).write_text('{"files": {"a": 3}}'), "manifest.json"),
        (
            lambda folder: (folder / MANIFEST).write_text('{"files": {"../x": {"bytes": 1, "sha256": ""}}}'),
            "manifest.json: .* is no name of a file in the folder",
        ),
    ],
)
def test_a_folder_that_is_not_its_manifest_s_is_refused_in_one_line(folder, damage, message):
    damage(folder)
    with pytest.raises(StudyError, match=message) as error:
        checked_folder(folder / MANIFEST)
    assert "\n" not in str(error.value)
    assert "run again" in str(error.value)


def test_large_files_are_hashed_only_if_they_changed_later(folder, monkeypatch):
    hashed = []
    monkeypatch.setattr(manifests, "sha256_of_file", lambda path: hashed.append(path.name) or sha256_of_file(path))
    set_times(folder / MANIFEST, 4_000_000_000)
    checked_folder(folder / MANIFEST, always_hashed=3)  # config.json is small, weights are large
    assert hashed == ["config.json"]
    set_times(folder / MANIFEST, 1)
    checked_folder(folder / MANIFEST, always_hashed=3)
    assert hashed == ["config.json", "config.json", "weights"]
    change(folder)
    with pytest.raises(StudyError, match="weights has changed"):
        checked_folder(folder / MANIFEST, always_hashed=3)
