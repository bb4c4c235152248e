"""Access to several repositories: what is asked, and what a refusal says."""

import pytest
from downloads import ALWAYS, fetch
from hubserver import MODEL, REVISION, declare, refuse, running_hub
from misbehaving_hubs import ECHOES
from test_hub_cache import fill

FIRST, SECOND, DATA = "org/first", "org/second", "org/data"
WANTED = [
    {"name": DATA, "revision": REVISION, "kind": "dataset", "file": "data/train.json"},
    {"name": FIRST, "revision": REVISION, "kind": "model", "file": "config.json"},
    {"name": SECOND, "revision": REVISION, "kind": "model", "file": "config.json"},
]


@pytest.fixture
def hub():
    with running_hub() as server:
        for repo in (FIRST, SECOND):
            server.files[repo, REVISION] = dict(MODEL)
            server.declared[repo, REVISION] = {name: declare(name, body) for name, body in MODEL.items()}
        yield server


def test_each_repository_is_asked_once_and_no_more_than_a_byte_comes(hub, tmp_path):
    assert not fetch(hub, WANTED, tmp_path / "none").log
    assert [request.path.rpartition("/")[2] for request in hub.requests] == ["train.json", "config.json", "config.json"]
    assert [(request.range, request.sent) for request in hub.requests] == [("bytes=0-0", 1)] * 3
    assert not list(tmp_path.glob("none*"))


def test_without_anything_to_download_nobody_is_asked(hub, tmp_path):
    fetch(hub, [], tmp_path / "none")
    assert hub.requests == []


# What the hub answers for two of the repositories, and what each line says after the name.
REFUSALS = [
    (refuse(401, "GatedRepo"), "the publisher asks for consent first. Accept the licence on https://huggingface.co/"),
    (refuse(403, "GatedRepo"), "the publisher asks for consent first. Accept the licence on https://huggingface.co/"),
    (refuse(401), "the hub answered 401 Unauthorized. Is the token in HF_TOKEN valid, and may it read this?"),
    (refuse(401, "RepoNotFound"), "there is no such repository, or it is private."),
    (refuse(404, "RevisionNotFound"), f"there is no revision {REVISION}."),
    (
        refuse(403, message="Access is restricted"),
        "the hub answered 403 Forbidden (Access is restricted). Is the token",
    ),
]


@pytest.mark.parametrize(("answer", "said"), REFUSALS)
def test_all_that_are_refused_have_a_line_each_and_the_error_names_them(hub, tmp_path, answer, said):
    hub.fault(f"{DATA}/resolve", answer, ALWAYS)
    hub.fault(f"{SECOND}/resolve", answer, ALWAYS)
    done = fetch(hub, WANTED, tmp_path / "none")
    *lines, _ = done.log.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [DATA, SECOND]
    assert all(line.partition(": ")[2].startswith(said) for line in lines)
    assert f"the hub refuses 2 repositories: {DATA}, {SECOND}." in done.error


def test_a_data_set_s_licence_is_accepted_on_its_own_page(hub, tmp_path):
    hub.fault(f"{DATA}/resolve", refuse(403, "GatedRepo"), ALWAYS)
    assert f"Accept the licence on https://huggingface.co/datasets/{DATA}; " in fetch(hub, WANTED, tmp_path / "n").error


def test_a_single_refusal_is_the_error(hub, tmp_path):
    hub.fault(f"{FIRST}/resolve", refuse(401, "GatedRepo"), ALWAYS)
    log = fetch(hub, WANTED, tmp_path / "none", HF_TOKEN="").log
    page = f"https://huggingface.co/{FIRST}"
    assert log.splitlines() == [
        f"error: {FIRST}: the publisher asks for consent first. Accept the licence on {page}; set HF_TOKEN to a token "
        "of your account."
    ]


def test_a_busy_hub_is_asked_again(hub, tmp_path):
    hub.fault(f"{FIRST}/resolve", refuse(503), 2)
    done = fetch(hub, WANTED, tmp_path / "none")
    assert len(done.tries) == 2
    assert not done.error


def test_a_hub_that_cannot_be_reached_ends_it_at_the_first(tmp_path):
    done = fetch("http://127.0.0.1:9", WANTED, tmp_path / "none")
    assert done.error.startswith(f"error: {DATA}: the hub cannot be reached")
    assert FIRST not in done.log


def test_what_the_user_s_cache_holds_is_not_asked_for(hub, tmp_path):
    fill(hub, tmp_path / "hf", kind="data", listed=True)
    hub.fault("/resolve/", refuse(403, "GatedRepo"), ALWAYS)
    wanted = [{**WANTED[0], "kind": "model"}]  # the cache is filled in the name of a model
    folder = tmp_path / "hf" / "hub"
    (folder / "datasets--org--data").rename(folder / "models--org--data")
    assert not fetch(hub, wanted, tmp_path / "none").error
    assert hub.requests == []


def test_a_list_of_files_in_the_cache_without_them_is_no_access(hub, tmp_path):
    for path in fill(hub, tmp_path / "hf", kind="data", listed=True).rglob("*"):
        if path.is_symlink():
            path.unlink()
    hub.fault("/resolve/", refuse(403, "GatedRepo"), ALWAYS)
    assert "asks for consent first" in fetch(hub, WANTED[:1], tmp_path / "none").error


def test_a_file_that_is_not_there_is_left_to_its_download(hub, tmp_path):
    hub.fault(f"{FIRST}/resolve", refuse(404, "EntryNotFound"), ALWAYS)
    assert not fetch(hub, WANTED, tmp_path / "none").error


@pytest.mark.parametrize("echo", ["as it is", "in base64", "as a broken header", "as a name of an error"])
def test_an_answer_that_repeats_the_token_is_not_printed(hub, tmp_path, echo):
    hub.fault(f"{FIRST}/resolve", ECHOES[echo], ALWAYS)
    hub.fault(f"{SECOND}/resolve", ECHOES[echo], ALWAYS)
    assert fetch(hub, WANTED, tmp_path / "none").error  # which looks for the token in all that is printed
