"""Rule retrieve: outputs of training samples in place of what a model would write."""

import subprocess
import sys
from dataclasses import asdict

import pytest
from codetune.base.errors import StudyError
from codetune.base.files import read_json, sha256_of_file, write_jsonl
from codetune.data.predictions import read_predictions
from codetune.data.samples import Sample, sha256_of_samples
from codetune.generation.retrieve import RetrieveInputs, retrieve_outputs
from conftest import ROOT
from fake_records import write_split

# Outputs that anything which tidies a prediction would change.
OUTPUTS = ["\n  indented\n\n", "<|end|> after", "```python\nx\n```", "", "\u00e9\u2028"]
TRAIN = [Sample(number, f"Task number{number}", "", output) for number, output in enumerate(OUTPUTS)]
TEST = [Sample(100 + number, f"A task, NUMBER{number}!", "", "x") for number in reversed(range(len(OUTPUTS)))]
VALIDATION = [Sample(50 + number, sample.request, "", "of validation") for number, sample in enumerate(TEST)]


@pytest.fixture
def parts(tmp_path):
    paths = {name: tmp_path / f"{name}.jsonl" for name in ("train", "validation", "test")}
    for path, samples in zip(paths.values(), (TRAIN, VALIDATION, TEST), strict=True):
        write_jsonl(path, map(asdict, samples))
    split = write_split(tmp_path / "split.json", **paths)
    return RetrieveInputs(str(paths["train"]), str(paths["test"]), split, split)


def test_each_prediction_is_the_output_of_the_most_similar_training_sample_unchanged(parts, tmp_path):
    predictions, facts = str(tmp_path / "predictions.jsonl"), str(tmp_path / "retrieval.json")
    retrieve_outputs(parts, predictions, facts)
    found = read_predictions(predictions)
    assert [prediction.id for prediction in found] == [sample.id for sample in TEST]
    assert [prediction.first.text for prediction in found] == OUTPUTS[::-1]
    assert {(prediction.first.tokens, prediction.first.truncated) for prediction in found} == {(0, False)}
    written = read_json(facts)
    assert written["inputs_sha256"] == {
        "train_samples": sha256_of_samples(TRAIN),
        "test_samples": sha256_of_samples(TEST),
    }
    assert written["predictions_sha256"] == sha256_of_file(predictions)
    assert (written["training_samples"], written["predictions"]) == (5, 5)


def test_the_same_samples_give_the_same_bytes(parts, tmp_path):
    made = []
    for name in ("one", "other"):
        paths = [tmp_path / f"{name}-{kind}" for kind in ("predictions.jsonl", "retrieval.json")]
        retrieve_outputs(parts, *map(str, paths))
        made.append([path.read_bytes() for path in paths])
    assert made[0] == made[1]


@pytest.mark.parametrize("part", ["train", "test"])
def test_samples_that_the_split_did_not_write_are_refused(parts, tmp_path, part):
    path = tmp_path / f"{part}.jsonl"
    path.write_text(path.read_text().replace("ask", "usk"))
    with pytest.raises(StudyError, match=rf"{part}\.jsonl is not the file that .*split\.json describes"):
        retrieve_outputs(parts, str(tmp_path / "p.jsonl"), str(tmp_path / "r.json"))
    assert not (tmp_path / "p.jsonl").exists()


def test_nothing_of_torch_is_loaded():
    code = "import sys, codetune.generation.retrieve; print({'torch', 'transformers', 'pandas'} & {*sys.modules})"
    scripts = str(ROOT / "workflow/scripts")
    done = subprocess.run([sys.executable, "-c", code], cwd=scripts, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_retrieval_says_how_far_it_is(parts, tmp_path, stretches):
    retrieve_outputs(parts, str(tmp_path / "predictions.jsonl"), str(tmp_path / "retrieval.json"))
    found = {one.what: (one.done, one.total) for one in stretches}
    assert found["retrieval"] == (5, 5)
    assert "indexing the training samples" in found
