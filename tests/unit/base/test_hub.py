"""Downloads, from a stand-in for the hub that fails as it is told: what arrives, what is resumed, what is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import hubserver
import pytest
from codetune.base.plain import to_plain
from conftest import ROOT
from downloads import CHECKPOINT, CODE, DATASET, TOKEN, assert_whole, fetch, start
from hubserver import DATA, MODEL, OTHER_REVISION, REVISION, WEIGHTS, declare, refuse, running_hub


@pytest.fixture
def hub():
    with running_hub() as server:
        yield server


def test_a_pinned_checkpoint_arrives_checked_and_without_code_or_pickles(hub, tmp_path):
    fetch(hub, CHECKPOINT, tmp_path / "model")
    assert_whole(tmp_path / "model")
    assert not any(name in r.path for r in hub.requests for name in ("pytorch_model.bin", "evil", "models/model."))
    assert all(request.authorization == f"Bearer {TOKEN}" for request in hub.requests)
    assert TOKEN not in (tmp_path / "model" / "manifest.json").read_text()


def test_the_tokenizer_comes_without_the_weights(hub, tmp_path):
    fetch(hub, CHECKPOINT, tmp_path / "tokenizer", "tokenizer")
    names = sorted(path.name for path in (tmp_path / "tokenizer").iterdir())
    assert names == ["config.json", "manifest.json", "tokenizer.json"]
    assert not hub.asked_for("safetensors")


def test_a_redirect_takes_the_range_along_and_leaves_the_token(hub, tmp_path):
    hub.cdn = hub.address.replace("127.0.0.1", "localhost")
    hub.fault("/cdn/", hubserver.cut(1_000_000))
    fetch(hub, CHECKPOINT, tmp_path / "model")
    assert_whole(tmp_path / "model")
    sent = [request for request in hub.asked_for("/cdn/") if request.host.startswith("localhost")]
    assert [request.range for request in sent] == [None, "bytes=1000000-"]
    assert all(request.authorization is None for request in sent)


@pytest.mark.parametrize(
    "fault", [hubserver.cut(500_000), hubserver.claim_length(500_000)], ids=["cut", "false length"]
)
def test_a_download_resumes_at_the_byte_where_it_stopped(hub, tmp_path, fault):
    hub.fault("model.safetensors", fault, 5)  # more often than the tries: each gains
    done = fetch(hub, CHECKPOINT, tmp_path / "model")
    assert_whole(tmp_path / "model")
    assert len(done.tries) == 5
    asked = hub.asked_for("model.safetensors")
    assert [request.range for request in asked] == [None] + [f"bytes={n * 500_000}-" for n in range(1, 6)]
    assert sum(request.sent for request in asked) == len(WEIGHTS)


def test_a_server_without_ranges_sends_the_file_again(hub, tmp_path):
    hub.fault("model.safetensors", hubserver.cut(500_000))
    hub.fault("model.safetensors", hubserver.ignore_range)
    fetch(hub, CHECKPOINT, tmp_path / "model")
    assert_whole(tmp_path / "model")
    assert len(hub.asked_for("model.safetensors")) == 2


def kill_in_the_middle(hub, source, target):
    """Kills a download when a third of the weights has arrived. Returns the number of bytes that it left."""
    hub.fault("model.safetensors", hubserver.hold(1_000_000))
    process = start(hub.address, source, target)
    part = target.with_name("model.partial") / source.revision / "model.safetensors"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 900_000):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    hub.go_on.set()
    assert not target.exists()
    return part.stat().st_size


def test_a_killed_download_is_resumed_by_the_next_process(hub, tmp_path):
    left = kill_in_the_middle(hub, CHECKPOINT, tmp_path / "model")
    hub.requests.clear()
    log = fetch(hub, CHECKPOINT, tmp_path / "model").log
    assert_whole(tmp_path / "model")
    assert f"model.safetensors: {left:,} of {len(WEIGHTS):,} bytes are here from before" in log
    (asked,) = hub.asked_for("model.safetensors")
    assert asked.range == f"bytes={left}-"
    assert asked.sent == len(WEIGHTS) - left
    assert len(hub.requests) == 2, "files that were complete are not requested again"


def test_another_revision_takes_nothing_from_an_unfinished_one(hub, tmp_path):
    kill_in_the_middle(hub, CHECKPOINT, tmp_path / "model")
    hub.requests.clear()
    fetch(hub, replace(CHECKPOINT, revision=OTHER_REVISION), tmp_path / "model")
    assert_whole(tmp_path / "model", OTHER_REVISION)
    assert [request.range for request in hub.asked_for("model.safetensors")] == [None]


def test_an_attempt_that_ended_before_the_last_step_loses_nothing(hub, tmp_path):
    code = CODE.replace("\ntry:", "\nfrom pathlib import Path\nPath.rename = lambda *_: sys.exit('killed')\ntry:")
    environment = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0"}
    environment["PYTHONPATH"] = str(ROOT / "workflow/scripts")
    arguments = [sys.executable, "-c", code, json.dumps(to_plain(CHECKPOINT)), str(tmp_path / "model"), "weights"]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60)
    assert "killed" in done.stderr
    assert not (tmp_path / "model").exists()
    hub.requests.clear()
    fetch(hub, CHECKPOINT, tmp_path / "model")
    assert_whole(tmp_path / "model")
    assert not hub.asked_for("/resolve/")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("model.safetensors", WEIGHTS[:-1] + b"x"),
        ("model.safetensors", WEIGHTS + b"x"),
        ("tokenizer.json", b'{"version": "2.0"}'),
    ],
)
def test_damaged_files_are_not_used_and_fetched_anew(hub, tmp_path, name, body):
    hub.files["org/model", REVISION][name] = body
    assert f"{name} arrived damaged" in fetch(hub, CHECKPOINT, tmp_path / "model").error
    hub.files["org/model", REVISION][name] = MODEL[name]
    fetch(hub, CHECKPOINT, tmp_path / "model")
    assert_whole(tmp_path / "model")


def test_a_file_shorter_than_declared_is_an_error(hub, tmp_path):
    hub.files["org/model", REVISION]["tokenizer.json"] = b"{}"
    error = fetch(hub, CHECKPOINT, tmp_path / "model").error
    assert "tokenizer.json ended after 2 of 18 bytes" in error


def test_a_full_disk_is_named_and_costs_nothing_that_arrived(hub, tmp_path):
    part = tmp_path / "model.partial" / REVISION / "model.safetensors"
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    done = fetch(hub, CHECKPOINT, tmp_path / "model")
    assert f"org/model: {part}: No space left on device" in done.error
    assert not done.tries
    part.unlink()
    hub.requests.clear()
    fetch(hub, CHECKPOINT, tmp_path / "model")
    assert_whole(tmp_path / "model")
    assert not hub.asked_for("config.json")


def test_what_cannot_fit_is_not_begun(hub, tmp_path):
    hub.declared["org/model", REVISION]["model.safetensors"]["size"] = 10**18
    error = fetch(hub, CHECKPOINT, tmp_path / "model").error
    assert "1000000000.0 GB are to be downloaded, but" in error
    assert "let 'resources' in the config name a folder on a larger disk" in error
    assert not hub.asked_for("safetensors")  # config.json is looked at first


@pytest.mark.parametrize("what", ["weights", "tokenizer"])
def test_weights_that_are_quantised_already_are_refused_before_they_come(hub, tmp_path, what):
    body = b'{"model_type": "llama", "quantization_config": {"quant_method": "gptq"}}'
    hub.files["org/model", REVISION]["config.json"] = body
    hub.declared["org/model", REVISION]["config.json"] = declare("config.json", body)
    error = fetch(hub, CHECKPOINT, tmp_path / "model", what).error
    assert "org/model: config.json says that the weights are quantised already (gptq)" in error
    assert not hub.asked_for("safetensors")


def test_a_data_set_file_arrives_and_leaves_no_copy(hub, tmp_path):
    done = fetch(hub, DATASET, tmp_path / "data.jsonl")
    assert f"read: {DATA['data/train.json'].decode()}" in done.log
    assert not (tmp_path / "data.jsonl.partial").exists()


def test_the_files_of_a_data_set_s_parts_arrive_in_their_order_and_leave_no_copy(hub, tmp_path):
    for files in (hub.files, hub.declared):
        body = b"[]" if files is hub.files else declare("dev/test.json", b"[]")
        files["org/data", REVISION] = {"dev/test.json": body, **files["org/data", REVISION]}
    parts = {"train": "data/train.json", "test": "dev/test.json"}
    done = fetch(hub, replace(DATASET, file=None, parts=parts), tmp_path / "data.jsonl")
    assert f"read: {DATA['data/train.json'].decode()}\nread: []" in done.log
    assert not (tmp_path / "data.jsonl.partial").exists()


def test_a_damaged_data_set_file_is_not_read(hub, tmp_path):
    hub.files["org/data", REVISION]["data/train.json"] = DATA["data/train.json"].replace(b"a", b"c")
    done = fetch(hub, DATASET, tmp_path / "data.jsonl")
    assert "data/train.json arrived damaged" in done.error
    assert "read:" not in done.log


def test_a_data_set_survives_a_fault_that_passes(hub, tmp_path):
    hub.fault("/resolve/", hubserver.cut(10))
    hub.fault("/resolve/", refuse(503))
    done = fetch(hub, DATASET, tmp_path / "data.jsonl")
    assert "read:" in done.log
    assert [request.range for request in hub.asked_for("/resolve/")] == [None, "bytes=10-", "bytes=10-"]
