"""What is left of a training's checkpoints once its curve is drawn."""

import pytest
from codetune.base.errors import StudyError
from codetune.base.files import read_json
from codetune.base.manifests import MANIFEST, write_manifest
from codetune.generation.checkpoints import drop_checkpoints, kept_checkpoints
from codetune.study import layout


@pytest.fixture
def manifest(tmp_path):
    for step in (5, 10):
        folder = tmp_path / "checkpoints" / f"step-{step:06d}"
        folder.mkdir(parents=True)
        (folder / "adapter_model.safetensors").write_bytes(b"x" * step)
    write_manifest(tmp_path / "checkpoints")
    return str(tmp_path / "checkpoints" / MANIFEST)


def test_dropping_leaves_the_manifest_and_a_note(tmp_path, manifest):
    before = read_json(manifest)
    note = tmp_path / "checkpoints" / layout.DROPPED.rpartition("/")[2]
    drop_checkpoints(manifest, str(note))
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [note.name, MANIFEST]
    assert read_json(manifest) == before
    assert read_json(note) == {"deleted": 2, "bytes": 15}
    drop_checkpoints(manifest, str(note))  # an interrupted one is repeated
    assert read_json(note) == {"deleted": 2, "bytes": 15}


def test_a_curve_that_needs_them_again_says_what_can_be_done(tmp_path, manifest):
    assert kept_checkpoints(manifest) == tmp_path / "checkpoints"
    drop_checkpoints(manifest, str(tmp_path / "checkpoints" / "dropped.json"))
    with pytest.raises(StudyError, match=r"were deleted after the curve was drawn \(keep_checkpoints: none\)") as error:
        kept_checkpoints(manifest)
    assert "\n" not in str(error.value)


def test_damaged_checkpoints_are_no_curve(tmp_path, manifest):
    (tmp_path / "checkpoints" / "step-000005" / "adapter_model.safetensors").write_bytes(b"y" * 5)
    with pytest.raises(StudyError, match="step-000005/adapter_model.safetensors has changed"):
        kept_checkpoints(manifest)
