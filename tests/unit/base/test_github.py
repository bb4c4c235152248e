"""Files of a repository on GitHub: the stand-in for the hub answers, as far as a single file is asked for."""

import pytest
from codetune.study.dataset import Published
from codetune.study.model import Source
from downloads import ALWAYS, fetch
from hubserver import DATA, REVISION, cut, login_page, refuse, running_hub

FILE = Published(Source(revision=REVISION), "data/train.json", github="org/data")


@pytest.fixture
def server():
    with running_hub() as running:
        yield running


def test_a_file_arrives_whole_is_read_and_nothing_of_it_is_left(server, tmp_path):
    found = fetch(server, FILE, tmp_path / "d.jsonl")
    assert f"read: {DATA['data/train.json'].decode()}" in found.log
    assert [request.path for request in server.requests] == [f"/org/data/{REVISION}/data/train.json"]
    assert [path.name for path in tmp_path.iterdir() if path.name != "hf"] == []


def test_the_hub_s_token_is_not_sent(server, tmp_path):
    fetch(server, FILE, tmp_path / "d.jsonl")
    assert [request.authorization for request in server.requests] == [None]


@pytest.mark.parametrize("fault", [refuse(503), refuse(429), cut(10)], ids=["busy", "too many", "cut"])
def test_what_may_pass_is_tried_again(server, tmp_path, fault):
    server.fault("train.json", fault, times=2)
    found = fetch(server, FILE, tmp_path / "d.jsonl")
    assert (found.error, len(found.tries)) == ("", 2)
    assert f"read: {DATA['data/train.json'].decode()}" in found.log


ERRORS = {
    "no such file": (refuse(404), "there is no such repository, commit or file. Check 'github', 'revision' and"),
    "forbidden": (refuse(403), "GitHub answered 403"),
    "busy for ever": (refuse(503), "GitHub answered 503. Run again where there is a network, or give a 'path'."),
    "a page": (login_page, "the answer is not GitHub's (a page in place of data/train.json). Is there a proxy"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_does_not_pass_is_an_error_of_one_line(server, tmp_path, name):
    fault, said = ERRORS[name]
    server.fault("train.json", fault, times=ALWAYS)
    found = fetch(server, FILE, tmp_path / "d.jsonl")
    assert found.error.startswith("error: org/data: data/train.json: ")
    assert said in found.error
    assert len(found.tries) == (3 if name == "busy for ever" else 0)


def test_without_a_network_the_line_says_so(tmp_path):
    found = fetch("http://127.0.0.1:9", FILE, tmp_path / "d.jsonl")
    assert "org/data: data/train.json: GitHub cannot be reached (ConnectError). Run again where" in found.error
    assert "offline mode" in fetch("http://127.0.0.1:9", FILE, tmp_path / "d.jsonl", HF_HUB_OFFLINE="1").error
