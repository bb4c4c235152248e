"""Examples that an encoder finds: the nearest by cosine, no near-duplicates; vectors that do not belong are refused."""

import re
from dataclasses import asdict

import numpy as np
import pytest
from codetune.base.errors import StudyError
from codetune.base.files import read_json, sha256_of_file, write_json, write_jsonl
from codetune.base.identity import CheckpointIdentity
from codetune.base.plain import to_plain
from codetune.data.samples import Sample, sha256_of_samples
from codetune.prompts import dense
from codetune.prompts.dense import rank_by_vectors
from codetune.prompts.examples import ExampleInputs, choose_examples, groups_of
from codetune.study.examples import EmbeddingFacts
from codetune.study.prompt import Examples
from fake_records import write_split
from small_study import generated_records

SIGNATURE = "org/encoder@0123|norm:L2|sentence-transformers:6.2.0"
SETTINGS = Examples(3, "similar", encoder="small")


def samples_of(records, first=0):
    return [Sample(first + number, *record.values()) for number, record in enumerate(records)]


RECORDS = [{key: record[key] for key in ("instruction", "input", "output")} for record in generated_records()]
TRAIN = samples_of(RECORDS[:120])
TEST = samples_of([*RECORDS[120:150], RECORDS[5]], 500)  # the last is a sample of the training part


def vectors_of(samples, seed):
    found = np.random.default_rng(seed).normal(size=(len(samples), 16)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def write_vectors(folder, part, samples, vectors, **facts):
    """Vectors and their facts as rule embed writes them; gives both paths."""
    paths = folder / f"{part}.npy", folder / f"{part}.embedding.json"
    np.save(paths[0], vectors)
    known = EmbeddingFacts(
        encoder="small",
        checkpoint=CheckpointIdentity("c"),
        inputs_sha256={"samples": sha256_of_samples(samples)},
        vectors_sha256=sha256_of_file(paths[0]),
        signature=SIGNATURE,
        samples=len(samples),
        dimension=vectors.shape[1],
        truncated=0,
    )
    write_json(paths[1], to_plain(known) | facts)
    return tuple(map(str, paths))


@pytest.fixture
def inputs(tmp_path):
    """What the choice reads, with vectors that belong to the samples."""
    paths = {"train": tmp_path / "train.jsonl", "test": tmp_path / "test.jsonl"}
    for path, samples in zip(paths.values(), (TRAIN, TEST), strict=True):
        write_jsonl(path, map(asdict, samples))
    split = write_split(tmp_path / "split.json", **paths)
    made = [
        write_vectors(tmp_path, part, samples, vectors_of(samples, seed))
        for part, samples, seed in (("train", TRAIN, 0), ("test", TEST, 1))
    ]
    vectors, embeddings = zip(*made, strict=True)
    return ExampleInputs(str(paths["train"]), str(paths["test"]), split, split, vectors, embeddings)


def choose(inputs, folder):
    choose_examples(inputs, SETTINGS, 0, str(folder / "examples.json"))
    return read_json(folder / "examples.json")


@pytest.mark.parametrize("block", [7, 1000])
def test_examples_are_the_nearest_of_a_brute_force_search_without_near_duplicates(inputs, tmp_path, monkeypatch, block):
    monkeypatch.setattr(dense, "BLOCK", block)
    facts = choose(inputs, tmp_path)
    train, test = (np.load(path).astype(np.float64) for path in inputs.vectors)
    groups = groups_of([*TRAIN, *TEST])
    for place, chosen in enumerate(facts["examples"]):
        taken, expected = {groups[len(TRAIN) + place]}, []
        for one in sorted(range(len(TRAIN)), key=lambda one: -float(test[place] @ train[one])):
            if groups[one] not in taken and len(expected) < 3:
                taken.add(groups[one])
                expected.append(TRAIN[one].id)
        assert chosen == expected
    assert 5 not in facts["examples"][-1]
    assert facts["signature"] == f"cosine|decimals:6|ties:first|{SIGNATURE}|count:3"


def test_the_nearest_by_far_is_left_out_where_it_is_the_sample_itself(inputs, tmp_path):
    vectors = vectors_of(TRAIN, 0)
    test = vectors_of(TEST, 1)
    test[-1] = vectors[5]
    write_vectors(tmp_path, "test", TEST, test)
    assert next(iter(rank_by_vectors(vectors, test[-1:])))[0] == 5
    assert 5 not in choose(inputs, tmp_path)["examples"][-1]


def test_of_equally_similar_samples_the_first_comes_first_whatever_rounding_says():
    train = np.array([[0.6, 0.8], [1, 0], [np.nextafter(np.float32(1), 0), 0], [1, 0]], dtype=np.float32)
    assert list(rank_by_vectors(train[[0, 2, 1, 3]], np.array([[1, 0]], dtype=np.float32))) == [[1, 2, 3, 0]]


def damaged(folder, inputs):
    content = bytearray((folder / "train.npy").read_bytes())
    content[-1] ^= 1
    (folder / "train.npy").write_bytes(content)


def pickled(folder, inputs):
    """An array of objects, which NumPy would unpickle, with the right hash."""
    np.save(folder / "train.npy", np.array([{}], dtype=object), allow_pickle=True)
    facts = read_json(folder / "train.embedding.json")
    write_json(folder / "train.embedding.json", facts | {"vectors_sha256": sha256_of_file(folder / "train.npy")})


def of_others(folder, inputs):
    write_vectors(folder, "train", TRAIN[1:], vectors_of(TRAIN[1:], 0))


def of_another_shape(folder, inputs):
    write_vectors(folder, "train", TRAIN, vectors_of(TRAIN[1:], 0))


def of_another_encoder(folder, inputs):
    write_vectors(folder, "test", TEST, vectors_of(TEST, 1), signature="org/other@4567")


REFUSED = [
    (damaged, r"train\.npy is not the file that .*train\.embedding\.json describes"),
    (pickled, r"train\.npy: not what it should be \(.*Object arrays cannot be loaded.*\)\. Delete it and run again"),
    (of_others, r"train\.embedding\.json: the vectors are of other samples\. Delete it and run again"),
    (of_another_shape, r"train\.npy: float32 \(119, 16\), not float32 \(120, 16\)"),
    (of_another_encoder, r"made by org/other@4567, but the training samples' vectors by org/encoder@0123"),
]


@pytest.mark.parametrize(("damage", "message"), REFUSED)
def test_vectors_that_do_not_belong_are_one_line(inputs, tmp_path, damage, message):
    damage(tmp_path, inputs)
    with pytest.raises(StudyError) as caught:
        choose(inputs, tmp_path)
    assert re.search(message, str(caught.value))
    assert "\n" not in str(caught.value)
