"""What the user's own cache of the hub holds is taken from there, if it is what the hub lists, and left as it is."""

import hashlib
import json
import os
import shutil

import pytest
from codetune.base.files import link_or_copy
from downloads import CHECKPOINT, DATASET, assert_whole, fetch
from hubserver import OTHER_REVISION, REVISION, WEIGHTS, running_hub


@pytest.fixture
def hub():
    with running_hub() as server:
        yield server


def fill(hub, home, kind="model", revision=REVISION, listed=False):
    """Puts a repository into a cache as the hub's own library does. Returns the folder of the commit's files."""
    key = (f"org/{kind}", revision)
    cache = home / "hub" / f"{'models' if kind == 'model' else 'datasets'}--org--{kind}"
    snapshot = cache / "snapshots" / revision
    for name, body in hub.files[key].items():
        facts = hub.declared[key][name]
        blob = cache / "blobs" / facts.get("lfs", {}).get("sha256", facts["blobId"])
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(body)
        (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / name).symlink_to(os.path.relpath(blob, (snapshot / name).parent))
    if listed:
        files = {}
        for name, facts in hub.declared[key].items():
            files[name] = {"size": facts["size"], "blob_id": facts["blobId"]}
            files[name] |= {"lfs_sha256": facts["lfs"]["sha256"], "lfs_size": facts["size"]} if "lfs" in facts else {}
        (cache / "trees").mkdir()
        (cache / "trees" / f"{revision}.json").write_text(json.dumps({"format_version": 1, "files": files}))
    return snapshot


def state(folder):
    return {
        str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_is_cached_is_linked_and_survives_the_cache(hub, tmp_path):
    cached = fill(hub, tmp_path / "hf")
    before = state(tmp_path / "hf")
    log = fetch(hub, CHECKPOINT, tmp_path / "model").log
    assert_whole(tmp_path / "model")
    assert not hub.asked_for("/resolve/")
    assert f"model.safetensors: {len(WEIGHTS):,} bytes, from the cache of the hub" in log
    assert (tmp_path / "model" / "model.safetensors").samefile(cached / "model.safetensors")
    assert not (tmp_path / "model" / "model.safetensors").is_symlink()
    assert state(tmp_path / "hf") == before
    shutil.rmtree(tmp_path / "hf")
    assert_whole(tmp_path / "model")


def test_where_there_are_no_links_across_folders_it_is_copied(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "blob").write_bytes(WEIGHTS)
    (tmp_path / "model").write_bytes(b"part")
    link_or_copy(tmp_path / "blob", tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == WEIGHTS
    assert not (tmp_path / "model").samefile(tmp_path / "blob")


def test_a_partial_download_gives_way_to_the_whole_file(hub, tmp_path):
    fill(hub, tmp_path / "hf")
    part = tmp_path / "model.partial" / REVISION / "model.safetensors"
    part.parent.mkdir(parents=True)
    part.write_bytes(WEIGHTS[:1000])
    fetch(hub, CHECKPOINT, tmp_path / "model")
    assert_whole(tmp_path / "model")
    assert not hub.asked_for("/resolve/")


def replaced(body):
    def damage(file):
        file.resolve().write_bytes(body)

    return damage


def directory(file):
    file.unlink()
    file.mkdir()


def circle(file):
    file.unlink()
    file.symlink_to(file.name)


DAMAGES = {
    "other bytes": replaced(WEIGHTS[::-1]),
    "truncated": replaced(WEIGHTS[:-1]),
    "longer": replaced(WEIGHTS + b"x"),
    "empty": replaced(b""),
    "blob missing": lambda file: file.resolve().unlink(),
    "a folder": directory,
    "a circle of links": circle,
    "a pipe": lambda file: (file.unlink(), os.mkfifo(file)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_cached_otherwise_than_listed_is_fetched(hub, tmp_path, damage):
    cached = fill(hub, tmp_path / "hf")
    damage(cached / "model.safetensors")
    before = state(tmp_path / "hf")
    fetch(hub, CHECKPOINT, tmp_path / "model")
    assert_whole(tmp_path / "model")
    assert [request.path.rpartition("/")[2] for request in hub.asked_for("/resolve/")] == ["model.safetensors"]
    assert state(tmp_path / "hf") == before


def test_another_commit_of_the_cache_is_not_used(hub, tmp_path):
    fill(hub, tmp_path / "hf", revision=OTHER_REVISION)
    fetch(hub, CHECKPOINT, tmp_path / "model")
    assert_whole(tmp_path / "model")
    assert len(hub.asked_for("/resolve/")) == 3


def test_a_data_set_comes_from_the_cache(hub, tmp_path):
    cached = fill(hub, tmp_path / "hf", "data")
    assert "read:" in fetch(hub, DATASET, tmp_path / "data.jsonl").log
    assert not hub.asked_for("/resolve/")
    assert (cached / "data/train.json").exists()


@pytest.mark.parametrize("offline", ["0", "1"])
def test_without_a_network_a_cached_commit_is_used_if_its_list_of_files_is_there(hub, tmp_path, offline):
    fill(hub, tmp_path / "hf", listed=True)
    log = fetch("http://127.0.0.1:9", CHECKPOINT, tmp_path / "model", HF_HUB_OFFLINE=offline).log
    assert_whole(tmp_path / "model")
    assert "The list of files is taken from the cache of the hub." in log


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"files": {"a": 1}}', b"\xff", b"[" * 100_000])
def test_without_a_network_and_a_list_of_files_nobody_knows_what_is_missing(hub, tmp_path, content):
    cached = fill(hub, tmp_path / "hf", listed=content is not None)
    if content is not None:
        (cached.parents[1] / "trees" / f"{REVISION}.json").write_bytes(content)
    assert "the hub cannot be reached" in fetch("http://127.0.0.1:9", CHECKPOINT, tmp_path / "model").error


def test_a_file_that_is_listed_but_not_cached_needs_the_network(hub, tmp_path):
    cached = fill(hub, tmp_path / "hf", listed=True)
    (cached / "tokenizer.json").unlink()
    done = fetch("http://127.0.0.1:9", CHECKPOINT, tmp_path / "model")
    assert "the hub cannot be reached" in done.error
