"""Names of files from the hub and from the config: nothing is written or removed outside of a download's folder."""

from types import SimpleNamespace

import pytest
from codetune.base.errors import StudyError
from codetune.base.hub import download_files, partial_folder
from codetune.base.hub_errors import Repository
from codetune.data import sources
from codetune.data.sources import dataset_files
from codetune.study.dataset import Published
from codetune.study.model import Source

REPO = Repository("org/data", "a" * 40, "dataset")
OUTSIDE = ["../victim.json", "../../victim.json", "data/../../victim.json", "..\\victim.json", "a\nb", None]


@pytest.fixture
def victim(tmp_path):
    """A file of the user's beside the folder of downloads."""
    path = tmp_path / "data" / "victim.json"
    path.parent.mkdir()
    path.write_text("mine")
    return path


@pytest.mark.parametrize("name", [*OUTSIDE, "absolute"])
def test_a_hub_that_lists_a_name_outside_of_the_folder_is_refused_before_anything_is_written(victim, name):
    folder = partial_folder(victim.parent / "d.jsonl", REPO.revision)
    good = SimpleNamespace(rfilename="good.json", size=5)
    bad = SimpleNamespace(rfilename=str(victim) if name == "absolute" else name, size=5)
    with pytest.raises(StudyError, match="^org/data: .* is not a hub's name of a file"):
        download_files(REPO, [good, bad], folder)
    assert victim.read_text() == "mine"
    assert list(folder.iterdir()) == []


def test_a_data_set_s_file_from_the_config_is_not_sought_outside_either(victim, monkeypatch):
    listed = [SimpleNamespace(rfilename="../victim.json", size=5, lfs=None, blob_id="")]
    monkeypatch.setattr(sources, "list_files", lambda _: listed)
    published = Published(Source(repo="org/data", revision=REPO.revision), "../victim.json")
    with pytest.raises(StudyError, match="victim"), dataset_files(published, victim.parent / "d.jsonl"):
        pass
    assert victim.read_text() == "mine"


def test_of_what_lies_beside_a_download_only_other_revisions_are_removed(tmp_path):
    home = tmp_path / "m.partial"
    for name in ("a" * 40, "b" * 40, "mine"):
        (home / name).mkdir(parents=True)
    (home / "config.json").touch()
    partial_folder(tmp_path / "m", "a" * 40)
    assert sorted(path.name for path in home.iterdir()) == ["a" * 40, "config.json", "mine"]
