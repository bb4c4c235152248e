"""A small study of a tiny encoder-decoder: untuned, by LoRA and by a soft prompt, from config to tables and cards."""

import csv
import json
import subprocess
import sys

import jsonschema
import pytest
import yaml
from conftest import ROOT
from small_study import LOCAL, copy_workflow, plan, small_config, snakemake
from tiny_t5 import SIZES, build_t5

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
    folder = copy_workflow(tmp_path_factory.mktemp("encoder-decoder"))
    (folder / "records.json").write_text(json.dumps(records[:120]))
    config = small_config(folder, folder / "records.json", 120) | OVERLAY
    model = {"path": str(build_t5(folder / "t5")), "kind": "encoder-decoder", "template": "instruction", "epochs": 2}
    config["models"] = {"t5": model | {"batch_size": 8, "micro_batch": 4, "training": {"packing": False}}}
    (folder / "small.yaml").write_text(yaml.safe_dump(config))
    done = snakemake(*LOCAL, "--cores", "2", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def read(study, pattern):
    return json.loads((study / "results" / pattern).read_text())


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
    part = read(study, f"tokens/{DATA}/t5/instruction/stats.json")["parts"]["train"]
    for method, count in (("lora", 6 * 2 * 4 * 2 * SIZES["d_model"]), ("prompt", 2 * 5 * SIZES["d_model"])):
        facts = read(study, f"runs/{DATA}/t5/{method}/seed0/training.json")
        assert facts["data"]["packed_sequences"] == part["samples"]
        assert facts["data"]["tokens"] == part["tokens"]
        assert facts["data"]["packing_fill"] == part["packing_fill"]
        assert facts["trainable_parameters"] == count == read(study, "sizes/t5.json")["methods"][method]["trainable"]
        assert facts["result"]["best_validation_loss"] < facts["result"]["untrained_validation_loss"]
        jsonschema.validate(facts, json.loads((ROOT / "workflow/schemas/training.schema.json").read_text()))


def test_a_record_says_what_the_model_is(study):
    record = read(study, f"runs/{DATA}/t5/lora/seed0/record.json")
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
