"""A small study of a tiny encoder-decoder: untuned, by LoRA and by a soft prompt, from config to tables and cards."""

import csv
import json
import subprocess
import sys

import jsonschema
import pytest
from conftest import ROOT
from small_study import LOCAL, plan
from tiny_t5 import SIZES, build_t5
from two_texts import read_result, run_small_study

DATA, METHODS = "codealpaca-20k", ("base", "lora", "prompt")
OVERLAY = {
    "methods": {
        "base": {"quantization": "none"},
        "lora": {
            "quantization": "none",
            "peft": {"type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q", "v"]},
        },
        "prompt": {"quantization": "none", "peft": {"type": "PROMPT_TUNING", "num_virtual_tokens": 5}},
    },
    "runs": [{"datasets": [DATA], "models": ["t5"], "methods": list(METHODS), "seeds": [0]}],
    "generation": {"max_new_tokens": 16, "decoding": "beam", "candidates": 2},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory, records):
    return run_small_study(
        tmp_path_factory.mktemp("encoder-decoder"), records, "t5", build_t5, "encoder-decoder", OVERLAY
    )


def test_each_method_has_scores_of_its_candidates(study):
    with open(study / "results/tables/table2.csv") as stream:
        rows = {row["method"]: row for row in csv.DictReader(stream) if row["source"] == "this study"}
    assert rows.keys() == set(METHODS)
    assert all(0 <= float(row["score"]) <= 1 for row in rows.values())
    for method in METHODS:
        data = DATA if method != "base" else "none"
        path = study / f"results/runs/{data}/t5/{method}/seed0/tests/{DATA}/predictions.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert {len(line["candidates"]) for line in lines} == {2}


def test_trainings_count_prompts_and_completions_and_pack_nothing(study):
    part = read_result(study, f"tokens/{DATA}/t5/instruction/stats.json")["parts"]["train"]
    for method, count in (("lora", 6 * 2 * 4 * 2 * SIZES["d_model"]), ("prompt", 2 * 5 * SIZES["d_model"])):
        facts = read_result(study, f"runs/{DATA}/t5/{method}/seed0/training.json")
        assert facts["data"]["packed_sequences"] == part["samples"]
        assert facts["data"]["tokens"] == part["tokens"]
        assert facts["data"]["packing_fill"] == part["packing_fill"]
        assert (
            facts["trainable_parameters"]
            == count
            == read_result(study, "sizes/t5.json")["methods"][method]["trainable"]
        )
        assert facts["result"]["best_validation_loss"] < facts["result"]["untrained_validation_loss"]
        jsonschema.validate(facts, json.loads((ROOT / "workflow/schemas/training.schema.json").read_text()))


def test_a_record_says_what_the_model_is(study):
    record = read_result(study, f"runs/{DATA}/t5/lora/seed0/record.json")
    assert record["model"]["kind"] == "encoder-decoder"
    jsonschema.validate(record, json.loads((ROOT / "workflow/schemas/record.schema.json").read_text()))


def test_its_model_card_loads_it_by_its_class(study):
    card = (study / f"results/runs/{DATA}/t5/lora/seed0/published/README.md").read_text()
    assert "from transformers import AutoModelForSeq2SeqLM, AutoTokenizer" in card


def test_the_results_can_be_made_anew_and_nothing_is_left_to_do(study):
    command = [sys.executable, ROOT / "workflow/scripts/check_results.py", "config/config.yaml", "small.yaml"]
    done = subprocess.run(command, cwd=study, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all cells are equal" in done.stdout
    assert not plan(*LOCAL, cwd=study)
