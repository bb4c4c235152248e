"""Where paths lead, and which names of files stay in their folder."""

import pytest
from codetune.base.errors import StudyError
from codetune.base.places import is_plain_name, lies_in, linked_folders, path_within, places_of


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a/b", "c"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def test_a_path_leads_through_each_link_to_its_end(here):
    (here / "one").symlink_to("c/two")
    (here / "c/two").symlink_to(here / "a")
    assert places_of("one/b/file") == [here / "one", here / "c/two", here / "a/b/file"]
    assert places_of("c/two/../x") == [here / "c/two", here / "x"]
    assert places_of("a/./b/../nothing") == [here / "a/nothing"]


def test_links_in_a_circle_are_an_error_of_the_system(here):
    (here / "one").symlink_to("two")
    (here / "two").symlink_to("one")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        places_of("one/x")


def test_a_folder_is_recognised_by_any_of_its_names(here, monkeypatch):
    assert lies_in(here / "a/b/c", here / "a")
    assert lies_in(here / "a", here / "a")
    assert not lies_in(here / "ab", here / "a")
    # A second mount of a folder, and a name in another case on some disks, have the number of the first.
    stat = type(here).stat
    real = (here / "a").stat()
    monkeypatch.setattr(type(here), "stat", lambda path: real if path.name in ("a", "mounted") else stat(path))
    assert lies_in(here / "mounted/b", here / "a")


def test_links_to_folders_are_found_down_to_a_depth(here):
    for name in ("a/link", "a/b/deep"):
        (here / name).symlink_to(here / "c")
    (here / "a/file").symlink_to(here / "c/file")
    assert list(linked_folders([here / "a"], 1)) == [here / "c"]
    assert list(linked_folders([here / "a"], 2)) == [here / "c", here / "c"]
    assert list(linked_folders([here / "a/link", here / "a/file", here / "none"], 0)) == [here / "c"]


GOOD = ["train.json", "data/train.json", "a b.json", "é.json", ".hidden", "..a", "a..b/c.d"]
BAD = [
    *("../x", "a/../x", "..", "a/..", "/x", "/", ".", "./x", "a/./b", "a//b", "a/", ""),
    *("a\\b", "..\\x", "a\0b", "a\nb", "a\u2028b", "\ud800", "\u202ea", "x" * 256, "é" * 128, None, 3, ["a"]),
]


@pytest.mark.parametrize("name", GOOD)
def test_a_plain_name_gives_a_path_in_the_folder(here, name):
    assert path_within(here / "a", name, "org/data") == here / "a" / name


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_a_name_that_leads_elsewhere_is_refused_in_one_line(here, name):
    assert not is_plain_name(name)
    with pytest.raises(StudyError, match="^org/data: .* is not a hub's name of a file") as error:
        path_within(here / "a", name, "org/data")
    assert str(error.value).isprintable()


def test_no_link_leads_a_name_out_of_the_folder(here):
    (here / "a/out").symlink_to(here / "c")
    (here / "a/in").symlink_to(here / "a/b")
    (here / "c/file").touch()
    (here / "a/file").symlink_to(here / "c/file")
    assert path_within(here / "a", "in/x", "org/data")
    for name in ("out/x", "file"):
        with pytest.raises(StudyError, match="leads out of its folder through a link"):
            path_within(here / "a", name, "org/data")
