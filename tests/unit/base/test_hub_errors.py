"""What a download says of faults of the hub, and which of them it waits out."""

import re
from dataclasses import replace

import hubserver
import pytest
from downloads import ALWAYS, CHECKPOINT, DATASET, assert_whole, fetch
from hubserver import refuse, running_hub


@pytest.fixture
def hub():
    with running_hub() as server:
        yield server


@pytest.mark.parametrize(
    ("wanted", "where", "answer", "message"),
    [
        (CHECKPOINT, "/resolve/", refuse(401, "GatedRepo"), "asks for consent first. Accept the licence"),
        (CHECKPOINT, "/resolve/", refuse(403, "GatedRepo"), "the token in use has no access to it"),
        (CHECKPOINT, "/api/", refuse(403, "GatedRepo"), "asks for consent first. Accept the licence"),
        (
            replace(CHECKPOINT, revision="b" * 40),
            "",
            None,
            f"there is no revision {'b' * 40}. Check 'revision' in the config",
        ),
        (
            replace(CHECKPOINT, repo="org/none"),
            "",
            None,
            "there is no such repository, or it is private. Check 'repo' in the config",
        ),
        (CHECKPOINT, "", refuse(401, "RepoNotFound"), "there is no such repository, or it is private"),
        (
            replace(CHECKPOINT, repo="org/a--b"),
            "",
            None,
            "Cannot have -- or .. in repo_id: 'org/a--b'. Check 'repo' in the config",
        ),
        (CHECKPOINT, "tokenizer.json", refuse(404, "EntryNotFound"), "the hub answered 404 Not Found"),
        (
            CHECKPOINT,
            "",
            refuse(401, message="Invalid credentials in Authorization header"),
            "401 Unauthorized (Invalid credentials in Authorization header). Is the token in HF_TOKEN valid",
        ),
        (CHECKPOINT, "model.safetensors", refuse(416), "the hub answered 416"),
        (CHECKPOINT, "/api/", hubserver.login_page, "the answer is not the hub's"),
        (replace(DATASET, file="no.json"), "", None, "there is no file no.json. Check 'file' in the config"),
        (
            replace(DATASET, parts={"train": "data/train.json", "test": "no.json"}),
            "",
            None,
            "Check 'parts' in the config",
        ),
        (DATASET, "/resolve/", refuse(403, "GatedRepo"), "asks for consent first"),
        (replace(DATASET, source=replace(DATASET.source, revision="b" * 40)), "", None, "there is no revision"),
    ],
)
def test_refusals_say_what_to_do_at_once(hub, tmp_path, wanted, where, answer, message):
    if answer:
        hub.fault(where, answer, ALWAYS)
    done = fetch(hub, wanted, tmp_path / "model")
    assert message in done.error
    assert not done.tries
    assert len(hub.requests) <= 4


def test_without_a_token_consent_asks_for_one(hub, tmp_path):
    hub.fault("/resolve/", refuse(401, "GatedRepo"), ALWAYS)
    assert "set HF_TOKEN to a token of your account" in fetch(hub, CHECKPOINT, tmp_path / "model", HF_TOKEN=" ").error


@pytest.mark.parametrize("token", ["hf_sec\tret", "hf_s\u00e9cret"])
def test_a_token_with_a_stray_character_is_not_repeated(hub, tmp_path, token):
    assert (
        "HF_TOKEN holds a character that no token has"
        in fetch(hub, CHECKPOINT, tmp_path / "model", HF_TOKEN=token).error
    )
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
    done = fetch(hub, CHECKPOINT, tmp_path / "model", HF_HUB_DOWNLOAD_TIMEOUT="1")
    assert_whole(tmp_path / "model")
    assert len(done.tries) == 3


@pytest.mark.parametrize("answer", PASSING.values(), ids=PASSING)
def test_a_fault_that_stays_ends_after_some_tries(hub, tmp_path, answer):
    hub.fault("tokenizer.json", answer, ALWAYS)
    done = fetch(hub, CHECKPOINT, tmp_path / "model", HF_HUB_DOWNLOAD_TIMEOUT="1")
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
    tries = fetch(hub, CHECKPOINT, tmp_path / "model").tries
    assert [float(line.split()[-2]) for line in tries] == waits
    assert all(line.startswith("org/model: the hub answered 429 Too Many Requests; next try in ") for line in tries)


def test_no_network_says_what_to_do(tmp_path):
    done = fetch("http://127.0.0.1:9", CHECKPOINT, tmp_path / "model")
    assert "the hub cannot be reached ([Errno 111] Connection refused)" in done.error
    assert "give a local 'path'" in done.error
    assert len(done.tries) == 3


def test_a_forbidden_network_is_not_asked_again(hub, tmp_path):
    done = fetch(hub, CHECKPOINT, tmp_path / "model", HF_HUB_OFFLINE="1")
    assert "offline mode is enabled" in done.error
    assert not done.tries
    assert not hub.requests
