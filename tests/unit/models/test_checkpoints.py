"""Checkpoints from local folders: linked, listed, and refused where they lack files."""

import hashlib
import json
import os

import pytest
from codetune.base.errors import StudyError
from codetune.models.checkpoints import fetch_model
from codetune.study.model import Source


def test_a_local_checkpoint_is_linked_and_listed(checkpoints, tmp_path):
    fetch_model(Source(path=str(checkpoints / "llama-3.2-1b")), tmp_path / "model", weights=True)
    assert (tmp_path / "model" / "model.safetensors").is_symlink()
    manifest = json.loads((tmp_path / "model" / "manifest.json").read_text())
    weights = (checkpoints / "llama-3.2-1b" / "model.safetensors").read_bytes()
    assert manifest["files"]["model.safetensors"]["sha256"] == hashlib.sha256(weights).hexdigest()


def test_what_is_not_a_file_is_not_opened(tmp_path):
    (tmp_path / "source").mkdir()
    os.mkfifo(tmp_path / "source/config.json")
    with pytest.raises(StudyError, match="source/config.json is not a file on a disk"):
        fetch_model(Source(path=str(tmp_path / "source")), tmp_path / "model", weights=False)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


INDEX = '{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}'


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"tokenizer.json": "{}", "model.safetensors": ""}, "there is no config.json"),
        ({"config.json": "{}", "model.safetensors": ""}, "there is no tokenizer"),
        (
            {"config.json": "{}", "tokenizer.json": "{}", "pytorch_model.bin": ""},
            "no weights in the safetensors format",
        ),
        (
            {"config.json": "{}", "vocab.json": "{}", "model.safetensors.index.json": INDEX, "model-1.safetensors": ""},
            "names model-2.safetensors, which is not there",
        ),
        (
            {
                "config.json": "{}",
                "tokenizer.json": "{}",
                "model.safetensors": "version https://git-lfs.github.com/spec/v1",
            },
            "model.safetensors is a Git LFS pointer to the weights",
        ),
    ],
)
def test_an_incomplete_checkpoint_is_an_error(tmp_path, files, message):
    (tmp_path / "source").mkdir()
    for name, text in files.items():
        (tmp_path / "source" / name).write_text(text)
    with pytest.raises(StudyError, match=message):
        fetch_model(Source(path=str(tmp_path / "source")), tmp_path / "model", weights=True)
    assert not (tmp_path / "model").exists()
