"""Local sources: of the right kind, readable, and apart from all that the workflow writes, through links too."""

import os
import re
import socket

import pytest
from codetune.base.errors import StudyError
from codetune.study.folders import find_outputs
from codetune.study.sources import MADE_BY, check_sources
from conftest import ROOT

SPLIT = {"train": 0.8, "validation": 0.1, "test": 0.1}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A user's folder, with a study that has downloaded a data set and a checkpoint."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "resources/models/m",
        "resources/data",
        "results/runs",
        "model",
        "disk/models/m",
        "blobs",
        "outer/results",
    ):
        (tmp_path / name).mkdir(parents=True)
    for name in ("resources/data/d.jsonl", "results/d.json", "data.json", "blobs/1", "disk/d.json"):
        (tmp_path / name).write_text("[]")
    for folder in ("resources/models/m", "model", "disk/models/m"):
        (tmp_path / folder / "config.json").write_text("{}")
    for link, target in (
        *(("to_resources", "resources"), ("to_m", "resources/models/m"), ("to_model", "model")),
        *(("resources/models/other", tmp_path / "model"), ("through", "resources/models/other")),
        *(("results/tables", tmp_path / "disk"), ("loop", "loop"), ("nowhere", "nothing"), ("to_data", "data.json")),
    ):
        (tmp_path / link).symlink_to(target)
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def check(path, kind="models", results="results"):
    """Checks a data set or a model with this path."""
    config = {"results": results, "resources": "resources", "datasets": {}, "models": {}}
    config[kind]["x"] = {"path": str(path), "split": SPLIT}
    check_sources(config, find_outputs(config))


INSIDE = ["resources/models/m", "./resources/models/m", "disk/../resources/models/m", "resources/models/../models/m"]
INSIDE += [
    "to_resources/models/m",
    "to_m",
    "to_model/../resources/models/m",
    "resources",
    "resources/models",
    "through",
]


@pytest.mark.parametrize("path", [*INSIDE, "absolute"])
def test_a_checkpoint_in_an_output_is_refused_with_the_remedy(here, path):
    path = here / "resources/models/m" if path == "absolute" else path
    with pytest.raises(
        StudyError, match=r"^config: models\.x\.path: .* lies in resources.*the folder of resources"
    ) as error:
        check(path)
    assert "Move it to another folder and name that; or, if this workflow has downloaded it, give 'repo'" in str(
        error.value
    )
    assert str(error.value).isprintable()
    assert (here / "resources/models/m/config.json").exists()


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("resources/data/d.jsonl", "resources"),
        ("to_resources/data/d.jsonl", "resources"),
        ("results/d.json", "results"),
    ],
)
def test_a_data_file_in_an_output_is_refused(here, path, key):
    with pytest.raises(StudyError, match=f"^config: datasets.x.path: {path} lies in {key}, the folder of {key}"):
        check(path, "datasets")


def test_where_a_link_within_an_output_leads_is_an_output_too(here):
    with pytest.raises(
        StudyError, match="disk/d.json lies in results through a link to .*/disk, the folder of results"
    ):
        check("disk/d.json", "datasets")
    with pytest.raises(StudyError, match="model lies in resources through a link to .*/model, the folder of resources"):
        check("model")


def test_a_checkpoint_whose_files_are_links_into_an_output_is_refused(here):
    (here / "linked").mkdir()
    (here / "linked/config.json").symlink_to(here / "resources/models/m/config.json")
    with pytest.raises(StudyError, match="linked/config.json lies in resources, the folder of resources"):
        check("linked")


def test_a_checkpoint_whose_files_are_links_to_elsewhere_is_accepted(here):
    (here / "linked").mkdir()
    (here / "linked/config.json").symlink_to(here / "blobs/1")
    (here / "again").symlink_to("linked")
    check("linked")
    check("again")


@pytest.mark.parametrize("path", [".", "..", "/", "outer", "to_resources/.."])
def test_a_folder_that_holds_an_output_is_no_checkpoint(here, path):
    with pytest.raises(StudyError, match="holds .*, the folder of .*, where the workflow writes. Move the checkpoint"):
        check(path, results="outer/results")


@pytest.mark.parametrize("path", ["data.json", "to_data", "./data.json", "blobs/../data.json"])
def test_a_data_file_elsewhere_is_accepted(here, path):
    check(path, "datasets")


ODD = [
    ("pipe", "pipe is a pipe, a socket or a device. Name a file or a folder on a disk"),
    ("/dev/zero", "/dev/zero is a pipe, a socket or a device"),
    ("socket", "socket is a pipe, a socket or a device"),
    ("loop", "loop: Too many levels of symbolic links. Name another one"),
    ("nowhere", "nowhere is a link that leads to nothing. Mend or remove it"),
    ("data.json/x", "data.json/x: Not a directory. Name another one"),
    ("none", "there is no none .seen from .*. Give the path of a file or folder that exists"),
    ("~/x", "there is no ~/x .*'~' and .* are not expanded"),
    ("x" * 300, "x{100}: File name too long. Name another one"),
    (
        "build/demo/x",
        "there is no build/demo/x .seen from .*. Run `make demo`, for another paper with STUDY=its-name[.]$",
    ),
    ("./build/smollm2/model", "there is no build/smollm2/model .seen from .*. Run `make smollm2`[.]$"),
    ("build/smollm2-own", "there is no build/smollm2-own .seen from .*. Give the path"),
]


@pytest.mark.parametrize("kind", ["datasets", "models"])
@pytest.mark.parametrize(("path", "message"), ODD, ids=[path[:20] for path, _ in ODD])
def test_what_is_no_file_or_folder_is_named_and_never_opened(here, kind, path, message):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket")
        with pytest.raises(StudyError, match=f"^config: {kind}.x.path: {message}"):
            check(path, kind)


@pytest.mark.parametrize(("path", "message"), ODD[:6], ids=[path for path, _ in ODD[:6]])
def test_so_it_is_in_a_folder_of_a_checkpoint(here, path, message):
    (here / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket")
        (here / "folder/config.json").symlink_to(here / path)
        said = "config.json.*" + (message.partition(" ")[2] if path != "nowhere" else "is a link that leads to nothing")
        with pytest.raises(StudyError, match=f"^config: models.x.path: folder/{said}"):
            check("folder")


def test_the_wrong_kind_is_named(here):
    with pytest.raises(StudyError, match="model is a folder, but has to be a file"):
        check("model", "datasets")
    with pytest.raises(StudyError, match="data.json is a file, but has to be a folder"):
        check("data.json")


def test_what_makes_a_file_is_a_target_of_the_makefile():
    heads = re.findall(r"^([\w-][\w -]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    targets = {name for head in heads for name in head.split()}
    assert {re.search("`make ([\\w-]+)", command)[1] for command in MADE_BY.values()} <= targets
