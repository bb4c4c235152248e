"""Checkpoints as they are loaded, in 4 bits."""

import pytest
from codetune.base.errors import StudyError
from codetune.models.loading import load_base
from miniatures import FP32


def test_a_checkpoint_without_safetensors_is_an_error(checkpoints, tmp_path):
    (tmp_path / "config.json").write_text((checkpoints / "llama-3.2-1b" / "config.json").read_text())
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickled")
    with pytest.raises(StudyError, match="cannot be loaded"):
        load_base(tmp_path, FP32)
