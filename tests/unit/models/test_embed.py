"""Vectors of requests: those of sentence-transformers itself, the same bytes twice; and encoders that are refused."""

import json
import shutil

import numpy as np
import pytest
from codetune.base.errors import StudyError
from codetune.base.manifests import read_manifest
from codetune.models.checkpoints import fetch_encoder
from codetune.models.embed import embed_requests
from codetune.study.model import Source
from downloads import fetch
from hubserver import REVISION, declare, running_hub
from make_encoder import LONGEST, make_encoder
from safetensors.numpy import load_file, save_file
from sentence_transformers import SentenceTransformer


@pytest.fixture(scope="module")
def requests(records):
    """Generated ones, one of which is longer than the encoder reads and one asked twice."""
    texts = [f"{record['instruction']}\n{record['input']}".strip() for record in records[:80]]
    return [*texts, " ".join(texts[:30]), texts[0]]


@pytest.fixture(scope="module")
def source(tmp_path_factory, requests):
    return make_encoder(tmp_path_factory.mktemp("encoder") / "small", requests)


@pytest.fixture
def fetched(source, tmp_path):
    fetch_encoder(Source(path=str(source)), tmp_path / "encoder")
    return tmp_path / "encoder"


def embed(requests, folder, target):
    targets = {"vectors": str(target / "train.npy"), "facts": str(target / "train.json")}
    target.mkdir()
    embed_requests(requests, "sha", "small", folder, targets)
    return np.load(targets["vectors"], allow_pickle=False), json.loads((target / "train.json").read_text())


def test_vectors_are_those_of_sentence_transformers_and_the_same_bytes_twice(requests, source, fetched, tmp_path):
    vectors, facts = embed(requests, fetched, tmp_path / "one")
    theirs = SentenceTransformer(str(source), device="cpu", local_files_only=True).encode(requests)
    assert (vectors.dtype, vectors.shape) == (np.float32, (len(requests), 32))
    np.testing.assert_allclose(vectors, theirs, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.array_equal(vectors[0], vectors[-1])
    assert (facts["samples"], facts["dimension"], facts["truncated"]) == (len(requests), 32, 1)
    assert facts["encoder"] == "small"
    origin = f"sha256:{facts['checkpoint']['sha256']}"
    assert facts["signature"].startswith(f"{origin}|tokens:{LONGEST}|norm:L2|float32|cpu|sentence-transformers:")
    embed(requests, fetched, tmp_path / "two")
    for name in ("train.npy", "train.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_encoder_is_fetched_with_its_modules_and_nothing_else(source, fetched, tmp_path):
    assert set(read_manifest(fetched / "manifest.json").files) == {
        *("1_Pooling/config.json", "config.json", "model.safetensors", "modules.json", "sentence_bert_config.json"),
        *("tokenizer.json", "tokenizer_config.json"),
    }
    copy = shutil.copytree(source, tmp_path / "more")
    (copy / "modeling.py").write_text("raise SystemExit")
    (copy / "onnx").mkdir()
    (copy / "onnx" / "config.json").write_text("{}")
    taken = [file.relative_to(copy).as_posix() for file in Source(path=str(copy)).files_of_encoder()]
    assert sorted(taken) == sorted(read_manifest(fetched / "manifest.json").files)
    fetch_encoder(Source(path=str(copy)), tmp_path / "again")
    assert not (tmp_path / "again" / "onnx").exists()
    assert not (tmp_path / "again" / "modeling.py").exists()


def test_an_encoder_of_the_hub_comes_with_its_modules_at_its_commit(source, tmp_path):
    names = [file.relative_to(source).as_posix() for file in source.rglob("*") if file.is_file()]
    with running_hub() as hub:
        held = {name: (source / name).read_bytes() for name in names} | {"onnx/config.json": b"{}", "own.py": b"1 / 0"}
        hub.files["org/encoder", REVISION] = held
        hub.declared["org/encoder", REVISION] = {name: declare(name, body) for name, body in held.items()}
        done = fetch(hub, Source(repo="org/encoder", revision=REVISION), tmp_path / "encoder", "encoder")
    assert not done.error
    manifest = read_manifest(tmp_path / "encoder" / "manifest.json")
    assert (manifest.repo, manifest.revision) == ("org/encoder", REVISION)
    assert set(manifest.files) == set(names)
    assert (tmp_path / "encoder/1_Pooling/config.json").read_bytes() == held["1_Pooling/config.json"]


def without(name):
    return lambda folder: (folder / name).unlink()


def with_module(kind):
    def change(folder):
        modules = json.loads((folder / "modules.json").read_text())
        modules[1]["type"] = kind
        (folder / "modules.json").write_text(json.dumps(modules))

    return change


REFUSED = [
    (without("modules.json"), "there is no modules.json; this is not an encoder"),
    (without("model.safetensors"), "there are no weights in the safetensors format"),
    (with_module("modeling.Own"), "modules.json names the module 'modeling.Own'; known are Transformer, Pooling"),
    (with_module("sentence_transformers.models.Dense"), "names the module 'sentence_transformers.models.Dense'"),
    (with_module("sentence_transformers.models.Normalize"), "does not begin with a Transformer and a Pooling"),
    (lambda folder: (folder / "modules.json").write_text("{"), "modules.json: not what it should be"),
]


@pytest.mark.parametrize(("damage", "message"), REFUSED)
def test_what_is_no_encoder_is_refused_in_one_line(source, tmp_path, damage, message):
    copy = shutil.copytree(source, tmp_path / "copy")
    damage(copy)
    with pytest.raises(StudyError) as caught:
        fetch_encoder(Source(path=str(copy)), tmp_path / "encoder")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "encoder").exists()


def test_an_encoder_that_lacks_weights_is_refused_and_so_is_one_that_cannot_be_loaded(source, tmp_path):
    copy = shutil.copytree(source, tmp_path / "copy")
    weights = load_file(copy / "model.safetensors")
    weights.pop("encoder.layer.1.output.dense.weight")
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(StudyError, match=r"they lack encoder\.layer\.1\.output\.dense\.weight"):
        embed(["a"], copy, tmp_path / "one")
    (copy / "1_Pooling" / "config.json").unlink()
    with pytest.raises(StudyError, match="the encoder cannot be loaded"):
        embed(["a"], copy, tmp_path / "two")
