"""Untuned with 0, 1 and 3 examples, through a miniature model: its runs, records and table, and what reruns."""

import csv
import json
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT
from small_encoder import make_encoder
from small_study import LOCAL, make_project, plan, snakemake

DATA, MODEL = "codealpaca-20k", "llama-3.2-1b"
OVERLAY = {
    "templates": {"task": {"user": "### Task\n{{ request }}\n", "assistant": "### Code\n{{ output }}"}},
    "prompts": {
        "one": {"template": "task", "examples": {"count": 1, "choose": "random"}},
        "three": {"template": "chat", "examples": {"count": 3, "choose": "random"}},
        "near": {"template": "paper", "examples": {"count": 3, "choose": "similar", "encoder": "small"}},
    },
    "encoders": {"small": {"path": "encoder"}},
    "methods": {name: {"prompt": name} for name in ("one", "three", "near")},
    "runs": [
        {"datasets": [DATA], "models": [MODEL], "methods": ["base", "one", "near"], "seeds": [0]},
        {"datasets": [DATA], "models": [MODEL], "methods": ["three"], "seeds": [0, 1]},
        {"datasets": [DATA], "models": ["none"], "methods": ["retrieval"], "seeds": [0]},
    ],
    "generation": {"max_new_tokens": 16},
}


@pytest.fixture(scope="module")
def in_context(tmp_path_factory, checkpoints, records):
    folder = make_project(tmp_path_factory.mktemp("in-context") / "project", checkpoints, records[:120])
    make_encoder(folder / "encoder", [record["instruction"] for record in records])
    (folder / "in-context.yaml").write_text(yaml.safe_dump(OVERLAY))
    done = snakemake(*LOCAL, "in-context.yaml", "--cores", "2", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_each_run_lies_under_the_data_of_its_examples_and_has_scores(in_context):
    runs = {
        str(path.parent.relative_to(in_context / "results/runs"))
        for path in in_context.glob("results/runs/**/record.json")
    }
    assert runs == {
        f"none/{MODEL}/base/seed0",
        *(f"{DATA}/{MODEL}/{name}" for name in ("one/seed0", "near/seed0", "three/seed0", "three/seed1")),
        f"{DATA}/none/retrieval/seed0",
    }
    with open(in_context / "results/tables/table2.csv") as stream:
        rows = {row["method"]: row for row in csv.DictReader(stream) if row["source"] == "this study"}
    assert {name: int(row["seeds"]) for name, row in rows.items()} == {
        **dict.fromkeys(("base", "one", "near", "retrieval"), 1),
        "three": 2,
    }
    assert rows["three"]["deviation"] != ""
    note = (in_context / "results/tables/table2.md").read_text()
    assert "one (1, at random, by seed), near (3, the most similar by small), three (3, at random, by seed)" in note
    assert "over test samples and seeds" in note


def test_a_record_says_what_its_examples_are_of(in_context):
    record = json.loads((in_context / f"results/runs/{DATA}/{MODEL}/three/seed1/record.json").read_text())
    split = json.loads((in_context / f"results/data/{DATA}/split.json").read_text())
    assert record["training"] is None
    assert record["data_sha256"] == {"train": split["sha256"]["train"]}
    expected = {"count": 3, "choose": "random", "order": "most-similar-last", "encoder": None}
    assert record["method"]["prompt"]["examples"] == expected
    assert record["template"] == "chat"


def test_what_is_there_is_not_made_again_and_another_count_makes_its_own_prompts_alone(in_context):
    options = (*LOCAL, "in-context.yaml")
    assert not plan(*options, cwd=in_context)
    changed = OVERLAY["prompts"] | {"one": {"template": "task", "examples": {"count": 2, "choose": "random"}}}
    (in_context / "more.yaml").write_text(yaml.safe_dump({"prompts": changed}))
    jobs = plan(*options, "more.yaml", cwd=in_context)
    assert {name: jobs[name] for name in ("examples", "prompt", "generate", "score", "record")} == {
        "examples": 1,
        **dict.fromkeys(("prompt", "generate", "score", "record"), 1),
    }


def test_similar_examples_are_chosen_by_vectors_that_provenance_names(in_context):
    facts = json.loads((in_context / f"results/data/{DATA}/embeddings/small/train.json").read_text())
    chosen = json.loads((in_context / f"results/data/{DATA}/examples/{DATA}/near/seed0.json").read_text())
    assert chosen["signature"] == f"cosine|decimals:6|ties:first|{facts['signature']}|count:3"
    provenance = (in_context / "results/report/provenance.md").read_text()
    assert "## Encoders" in provenance
    assert facts["checkpoint"]["sha256"] in provenance


def test_check_results_makes_the_choice_of_examples_anew(in_context):
    configs = ("config/config.yaml", "small.yaml", "in-context.yaml")
    command = [sys.executable, ROOT / "workflow/scripts/check_results.py", *configs]
    done = subprocess.run(command, cwd=in_context, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    there = {
        path: path.read_bytes()
        for path in (
            in_context / f"results/data/{DATA}/examples/{DATA}/three/seed1.json",
            in_context / f"results/data/{DATA}/embeddings/small/test.json",
        )
    }
    for path, content in there.items():
        path.write_text(json.dumps(json.loads(content) | {"left_out": 99, "encoder": "other"}))
    try:
        done = subprocess.run(command, cwd=in_context, capture_output=True, text=True)
    finally:
        for path, content in there.items():
            path.write_bytes(content)
    assert "seed1.json" in done.stdout + done.stderr
    assert "test.json: encoder: found other, expected small" in done.stdout + done.stderr
    assert done.returncode != 0
