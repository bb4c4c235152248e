"""A small study of a tiny encoder with a fresh decoder: fully tuned, from config to tables and a model card."""

import csv
import json
import subprocess
import sys

import jsonschema
import pytest
from conftest import ROOT
from small_study import LOCAL, plan
from tiny_roberta import POSITIONS, build_roberta
from two_texts import read_result, run_small_study

DATA = "codealpaca-20k"
OVERLAY = {
    "methods": {"full": {"quantization": "none", "full": True, "training": {"learning_rate": 3e-3}}},
    "runs": [
        {"datasets": [DATA], "models": ["roberta"], "methods": ["full"], "seeds": [0]},
        {"datasets": [DATA], "models": ["none"], "methods": ["retrieval"], "seeds": [0]},
    ],
    "tokenization": {"max_length": 2 * POSITIONS},  # more than the model has positions
    "generation": {"max_new_tokens": 16, "decoding": "beam", "candidates": 2},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory, records):
    return run_small_study(tmp_path_factory.mktemp("encoder"), records, "roberta", build_roberta, "encoder", OVERLAY)


def test_it_has_scores_and_no_gain(study):
    with open(study / "results/tables/table2.csv") as stream:
        rows = {row["method"]: row for row in csv.DictReader(stream) if row["source"] == "this study"}
    assert rows.keys() == {"full", "retrieval"}
    assert 0 <= float(rows["full"]["score"]) <= 1
    assert (rows["full"]["gain"], rows["full"]["verdict"]) == ("", "")
    text = (study / "results/tables/table2.md").read_text()
    assert "CodeBERT" in text and "Code2seq is only quoted" in text
    path = study / f"results/runs/{DATA}/roberta/full/seed0/tests/{DATA}/predictions.jsonl"
    assert {len(json.loads(line)["candidates"]) for line in path.read_text().splitlines()} == {2}


def test_encoder_and_decoder_are_trained(study):
    facts = read_result(study, f"runs/{DATA}/roberta/full/seed0/training.json")
    size = read_result(study, "sizes/roberta.json")["methods"]["full"]
    assert facts["trainable_parameters"] == size["trainable"] == size["total"]
    assert facts["result"]["best_validation_loss"] < facts["result"]["untrained_validation_loss"]
    assert read_result(study, f"tokens/{DATA}/roberta/instruction/stats.json")["context"] == POSITIONS
    jsonschema.validate(facts, json.loads((ROOT / "workflow/schemas/training.schema.json").read_text()))


def test_a_record_says_what_the_model_is(study):
    record = read_result(study, f"runs/{DATA}/roberta/full/seed0/record.json")
    assert record["model"]["kind"] == "encoder"
    jsonschema.validate(record, json.loads((ROOT / "workflow/schemas/record.schema.json").read_text()))


def test_its_model_card_loads_encoder_and_decoder_by_their_class(study):
    card = (study / f"results/runs/{DATA}/roberta/full/seed0/published/README.md").read_text()
    assert "from transformers import AutoModelForSeq2SeqLM, AutoTokenizer" in card


def test_the_results_can_be_made_anew_and_nothing_is_left_to_do(study):
    command = [sys.executable, ROOT / "workflow/scripts/check_results.py", "config/config.yaml", "small.yaml"]
    done = subprocess.run(command, cwd=study, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all cells are equal" in done.stdout
    assert not plan(*LOCAL, cwd=study)
