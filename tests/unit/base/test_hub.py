"""Downloads, from a stand-in for the hub that runs here and fails as it is told."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import hubserver
import pytest
from conftest import ROOT
from hubserver import DATA, MODEL, OTHER_REVISION, REVISION, WEIGHTS, Hub, refuse

TOKEN = "hf_secret"
ENTRY = {"repo": "org/model", "revision": REVISION}
DATA_ENTRY = {"repo": "org/data", "revision": REVISION, "file": "data/train.json"}
ALWAYS = 10**6
CODE = """
import json, sys, time
from codetune.base import hub
from codetune.base.errors import StudyError
from codetune.data.sources import dataset_file
from codetune.models.checkpoints import fetch_model
hub.WAITS, hub.LONGEST_WAIT = (0.01, 0.02, 0.03), 0.04
entry, target = json.loads(sys.argv[1]), sys.argv[2]
try:
    if "file" in entry:
        with dataset_file(entry, target) as file:
            print("read:", file.read_text())
    else:
        fetch_model(entry, target, weights=sys.argv[3] == "weights")
except StudyError as error:
    print("error:", error)
"""


@pytest.fixture
def hub():
    server = Hub()
    yield server
    server.go_on.set()
    server.shutdown()


def start(address, entry, target, what="weights", **settings):
    """Starts a download in a process of its own: the hub library reads its settings once."""
    settings = {
        "HF_ENDPOINT": address,
        "HF_TOKEN": TOKEN,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **settings,
    }
    settings |= {"PYTHONPATH": str(ROOT / "workflow/scripts"), "HF_HOME": str(target.parent / "hf")}
    return subprocess.Popen(
        [sys.executable, "-c", CODE, json.dumps(entry), str(target), what],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def fetch(hub, entry, target, what="weights", **settings):
    """Runs a download to its end. Gives its log, its error line, and the lines on further tries."""
    address = hub if isinstance(hub, str) else hub.address
    log, _ = start(address, entry, target, what, **settings).communicate(timeout=60)
    assert "hf_s" not in log, "the token must not appear"
    assert "Traceback" not in log, log
    lines = log.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) <= 1
    assert not errors or errors == lines[-1:], "an error is one line, and the last"
    assert target.exists() == (not errors) or "file" in entry
    return SimpleNamespace(log=log, error="".join(errors), tries=[line for line in lines if "next try in" in line])


def assert_whole(target, revision=REVISION):
    """The target holds one revision's files, as declared, and no rest of a download lies beside it."""
    weights = WEIGHTS if revision == REVISION else WEIGHTS[::-1]
    assert (target / "model.safetensors").read_bytes() == weights
    assert sorted(path.name for path in target.iterdir()) == [
        "config.json",
        "manifest.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    manifest = json.loads((target / "manifest.json").read_text())
    assert manifest["revision"] == revision
    for name, facts in manifest["files"].items():
        body = (target / name).read_bytes()
        assert facts == {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    assert not target.with_name(target.name + ".partial").exists()


def test_a_pinned_checkpoint_arrives_checked_and_without_code_or_pickles(hub, tmp_path):
    fetch(hub, ENTRY, tmp_path / "model")
    assert_whole(tmp_path / "model")
    assert not any(name in r.path for r in hub.requests for name in ("pytorch_model.bin", "evil", "models/model."))
    assert all(request.authorization == f"Bearer {TOKEN}" for request in hub.requests)
    assert TOKEN not in (tmp_path / "model" / "manifest.json").read_text()


def test_the_tokenizer_comes_without_the_weights(hub, tmp_path):
    fetch(hub, ENTRY, tmp_path / "tokenizer", "tokenizer")
    names = sorted(path.name for path in (tmp_path / "tokenizer").iterdir())
    assert names == ["config.json", "manifest.json", "tokenizer.json"]
    assert not hub.asked_for("safetensors")


def test_a_redirect_takes_the_range_along_and_leaves_the_token(hub, tmp_path):
    hub.cdn = hub.address.replace("127.0.0.1", "localhost")
    hub.fault("/cdn/", hubserver.cut(1_000_000))
    fetch(hub, ENTRY, tmp_path / "model")
    assert_whole(tmp_path / "model")
    sent = [request for request in hub.asked_for("/cdn/") if request.host.startswith("localhost")]
    assert [request.range for request in sent] == [None, "bytes=1000000-"]
    assert all(request.authorization is None for request in sent)


@pytest.mark.parametrize(
    ("entry", "where", "answer", "message"),
    [
        ({}, "/resolve/", refuse(401, "GatedRepo"), "asks for consent first. Accept the licence"),
        ({}, "/resolve/", refuse(403, "GatedRepo"), "the token in use has no access to it"),
        ({}, "/api/", refuse(403, "GatedRepo"), "asks for consent first. Accept the licence"),
        ({"revision": "b" * 40}, "", None, f"there is no revision {'b' * 40}. Check 'revision' in the config"),
        ({"repo": "org/none"}, "", None, "no such repository, or it is private. Check 'repo' in the config"),
        ({}, "", refuse(401, "RepoNotFound"), "no such repository, or it is private"),
        ({"repo": "org/a--b"}, "", None, "Cannot have -- or .. in repo_id: 'org/a--b'. Check 'repo' in the config"),
        ({}, "tokenizer.json", refuse(404, "EntryNotFound"), "the hub answered 404 Not Found"),
        (
            {},
            "",
            refuse(401, message="Invalid credentials in Authorization header"),
            "401 Unauthorized (Invalid credentials in Authorization header). Is the token in HF_TOKEN valid",
        ),
        ({}, "model.safetensors", refuse(416), "the hub answered 416"),
        ({}, "/api/", hubserver.login_page, "the answer is not the hub's"),
        ({**DATA_ENTRY, "file": "no.json"}, "", None, "there is no file no.json. Check 'file' in the config"),
        (DATA_ENTRY, "/resolve/", refuse(403, "GatedRepo"), "asks for consent first"),
        ({**DATA_ENTRY, "revision": "b" * 40}, "", None, "there is no revision"),
    ],
)
def test_refusals_say_what_to_do_at_once(hub, tmp_path, entry, where, answer, message):
    if answer:
        hub.fault(where, answer, ALWAYS)
    done = fetch(hub, {**ENTRY, **entry}, tmp_path / "model")
    assert message in done.error
    assert not done.tries
    assert len(hub.requests) <= 4


def test_without_a_token_consent_asks_for_one(hub, tmp_path):
    hub.fault("/resolve/", refuse(401, "GatedRepo"), ALWAYS)
    assert "set HF_TOKEN to a token of your account" in fetch(hub, ENTRY, tmp_path / "model", HF_TOKEN=" ").error


@pytest.mark.parametrize("token", ["hf_sec\tret", "hf_s\u00e9cret"])
def test_a_token_with_a_stray_character_is_not_repeated(hub, tmp_path, token):
    assert "HF_TOKEN holds a character that no token has" in fetch(hub, ENTRY, tmp_path / "model", HF_TOKEN=token).error
    assert not hub.requests


PASSING = {
    "408": refuse(408),
    "429": refuse(429),
    "429, Retry-After in seconds": refuse(429, Retry_After="1"),
    "429, Retry-After as a date": refuse(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
    "429, window of the hub": refuse(429, RateLimit='"resolvers";r=0;t=55'),
    "500": refuse(500),
    "502": refuse(502),
    "503": refuse(503, Retry_After="3600"),
    "504": refuse(504),
    "no answer": hubserver.hold(0),
    "connection cut": hubserver.cut(0),
    "echo of the token": hubserver.echo_the_token,
}


@pytest.mark.parametrize("answer", PASSING.values(), ids=PASSING)
def test_a_fault_that_passes_is_waited_out(hub, tmp_path, answer):
    hub.fault("/api/", answer)
    hub.fault("/resolve/", answer, 2)
    done = fetch(hub, ENTRY, tmp_path / "model", HF_HUB_DOWNLOAD_TIMEOUT="1")
    assert_whole(tmp_path / "model")
    assert len(done.tries) == 3


@pytest.mark.parametrize("answer", PASSING.values(), ids=PASSING)
def test_a_fault_that_stays_ends_after_some_tries(hub, tmp_path, answer):
    hub.fault("tokenizer.json", answer, ALWAYS)
    done = fetch(hub, ENTRY, tmp_path / "model", HF_HUB_DOWNLOAD_TIMEOUT="1")
    assert re.search("Try again later|what has arrived is kept", done.error)
    assert len(done.tries) == 3
    assert len(hub.asked_for("tokenizer.json")) == 4


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({}, [0.01, 0.02, 0.03]),
        ({"Retry_After": "0"}, [0.01, 0.02, 0.03]),
        ({"Retry_After": "3600"}, [0.04] * 3),
        ({"RateLimit": '"resolvers";r=0;t=55'}, [0.04] * 3),
        ({"RateLimit": '"resolvers";r=7;t=55'}, [0.01, 0.02, 0.03]),
    ],
)
def test_waits_grow_and_are_the_hub_s_own_up_to_a_limit(hub, tmp_path, headers, waits):
    hub.fault("/api/", refuse(429, **headers), ALWAYS)
    tries = fetch(hub, ENTRY, tmp_path / "model").tries
    assert [float(line.split()[-2]) for line in tries] == waits
    assert all(line.startswith("org/model: the hub answered 429 Too Many Requests; next try in ") for line in tries)


def test_no_network_says_what_to_do(tmp_path):
    done = fetch("http://127.0.0.1:9", ENTRY, tmp_path / "model")
    assert "the hub cannot be reached ([Errno 111] Connection refused)" in done.error
    assert "give a local 'path'" in done.error
    assert len(done.tries) == 3


def test_a_forbidden_network_is_not_asked_again(hub, tmp_path):
    done = fetch(hub, ENTRY, tmp_path / "model", HF_HUB_OFFLINE="1")
    assert "offline mode is enabled" in done.error
    assert not done.tries
    assert not hub.requests


@pytest.mark.parametrize(
    "fault", [hubserver.cut(500_000), hubserver.claim_length(500_000)], ids=["cut", "false length"]
)
def test_a_download_goes_on_at_the_byte_where_it_stopped(hub, tmp_path, fault):
    hub.fault("model.safetensors", fault, 5)  # more often than the tries: each gains
    done = fetch(hub, ENTRY, tmp_path / "model")
    assert_whole(tmp_path / "model")
    assert len(done.tries) == 5
    asked = hub.asked_for("model.safetensors")
    assert [request.range for request in asked] == [None] + [f"bytes={n * 500_000}-" for n in range(1, 6)]
    assert sum(request.sent for request in asked) == len(WEIGHTS)


def test_a_server_without_ranges_sends_the_file_again(hub, tmp_path):
    hub.fault("model.safetensors", hubserver.cut(500_000))
    hub.fault("model.safetensors", hubserver.ignore_range)
    fetch(hub, ENTRY, tmp_path / "model")
    assert_whole(tmp_path / "model")
    assert len(hub.asked_for("model.safetensors")) == 2


def kill_in_the_middle(hub, entry, target):
    """Kills a download when a third of the weights has arrived. Returns the number of bytes that it left."""
    hub.fault("model.safetensors", hubserver.hold(1_000_000))
    process = start(hub.address, entry, target)
    part = target.with_name("model.partial") / entry["revision"] / "model.safetensors"
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


def test_a_killed_download_goes_on_in_the_next_process(hub, tmp_path):
    left = kill_in_the_middle(hub, ENTRY, tmp_path / "model")
    hub.requests.clear()
    log = fetch(hub, ENTRY, tmp_path / "model").log
    assert_whole(tmp_path / "model")
    assert f"model.safetensors: {left:,} of {len(WEIGHTS):,} bytes are here from before" in log
    (asked,) = hub.asked_for("model.safetensors")
    assert asked.range == f"bytes={left}-"
    assert asked.sent == len(WEIGHTS) - left
    assert len(hub.requests) == 2, "the files that were whole are not asked for again"


def test_another_revision_takes_nothing_from_an_unfinished_one(hub, tmp_path):
    kill_in_the_middle(hub, ENTRY, tmp_path / "model")
    hub.requests.clear()
    fetch(hub, {**ENTRY, "revision": OTHER_REVISION}, tmp_path / "model")
    assert_whole(tmp_path / "model", OTHER_REVISION)
    assert [request.range for request in hub.asked_for("model.safetensors")] == [None]


def test_an_attempt_that_ended_before_the_last_step_loses_nothing(hub, tmp_path):
    code = CODE.replace("\ntry:", "\nfrom pathlib import Path\nPath.rename = lambda *_: sys.exit('killed')\ntry:")
    environment = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0"}
    environment["PYTHONPATH"] = str(ROOT / "workflow/scripts")
    arguments = [sys.executable, "-c", code, json.dumps(ENTRY), str(tmp_path / "model"), "weights"]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60)
    assert "killed" in done.stderr
    assert not (tmp_path / "model").exists()
    hub.requests.clear()
    fetch(hub, ENTRY, tmp_path / "model")
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
    assert f"{name} arrived damaged" in fetch(hub, ENTRY, tmp_path / "model").error
    hub.files["org/model", REVISION][name] = MODEL[name]
    fetch(hub, ENTRY, tmp_path / "model")
    assert_whole(tmp_path / "model")


def test_a_file_shorter_than_declared_is_an_error(hub, tmp_path):
    hub.files["org/model", REVISION]["tokenizer.json"] = b"{}"
    error = fetch(hub, ENTRY, tmp_path / "model").error
    assert "tokenizer.json ended after 2 of 18 bytes" in error


def test_a_full_disk_is_named_and_costs_nothing_that_arrived(hub, tmp_path):
    part = tmp_path / "model.partial" / REVISION / "model.safetensors"
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    done = fetch(hub, ENTRY, tmp_path / "model")
    assert f"org/model: {part}: No space left on device" in done.error
    assert not done.tries
    part.unlink()
    hub.requests.clear()
    fetch(hub, ENTRY, tmp_path / "model")
    assert_whole(tmp_path / "model")
    assert not hub.asked_for("config.json")


def test_what_cannot_fit_is_not_begun(hub, tmp_path):
    hub.declared["org/model", REVISION]["model.safetensors"]["size"] = 10**18
    error = fetch(hub, ENTRY, tmp_path / "model").error
    assert "1000000000.0 GB are to be downloaded, but" in error
    assert "let 'resources' in the config name a folder on a larger disk" in error
    assert not hub.asked_for("/resolve/")


def test_a_data_set_file_arrives_and_leaves_no_copy(hub, tmp_path):
    done = fetch(hub, DATA_ENTRY, tmp_path / "data.jsonl")
    assert f"read: {DATA['data/train.json'].decode()}" in done.log
    assert not (tmp_path / "data.jsonl.partial").exists()


def test_a_damaged_data_set_file_is_not_read(hub, tmp_path):
    hub.files["org/data", REVISION]["data/train.json"] = DATA["data/train.json"].replace(b"a", b"c")
    done = fetch(hub, DATA_ENTRY, tmp_path / "data.jsonl")
    assert "data/train.json arrived damaged" in done.error
    assert "read:" not in done.log


def test_a_data_set_survives_a_fault_that_passes(hub, tmp_path):
    hub.fault("/resolve/", hubserver.cut(10))
    hub.fault("/resolve/", refuse(503))
    done = fetch(hub, DATA_ENTRY, tmp_path / "data.jsonl")
    assert "read:" in done.log
    assert [request.range for request in hub.asked_for("/resolve/")] == [None, "bytes=10-", "bytes=10-"]
