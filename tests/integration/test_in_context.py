"""Untuned with 0, 1 or 2, and 3 examples, through a miniature model: its runs, records, table, and what reruns.

Each prompt has two candidates, which are drawn.
"""

import csv
import json
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT
from make_encoder import make_encoder
from small_study import LOCAL, make_project, plan, snakemake

DATA, MODEL = "codealpaca-20k", "llama-3.2-1b"
RUN = f"{DATA}/{MODEL}/few/seed0"
OVERLAY = {
    "templates": {"task": {"user": "### Task\n{{ request }}\n", "assistant": "### Code\n{{ output }}"}},
    "prompts": {
        "few": {"template": "task", "examples": {"count": [1, 2], "choose": "random"}},
        "three": {"template": "chat", "examples": {"count": 3, "choose": "random"}},
        "near": {"template": "paper", "examples": {"count": 3, "choose": "similar", "encoder": "small"}},
    },
    "encoders": {"small": {"path": "encoder"}},
    "methods": {name: {"prompt": name} for name in ("few", "three", "near")},
    "runs": [
        {"datasets": [DATA], "models": [MODEL], "methods": ["base", "few", "near"], "seeds": [0]},
        {"datasets": [DATA], "models": [MODEL], "methods": ["three"], "seeds": [0, 1]},
        {"datasets": [DATA], "models": ["none"], "methods": ["retrieval"], "seeds": [0]},
    ],
    "questions": {
        "examples": {
            "asks": "Do three examples help?",
            "of": {"method": "three"},
            "over": {"methods": ["base", "few"]},
            "metric": "em_at_2",
        },
        "left-out": None,
    },
    "generation": {"max_new_tokens": 16, "decoding": "sample", "candidates": 2, "temperature": 0.8, "top_p": 0.95},
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
        *(f"{DATA}/{MODEL}/{name}" for name in ("few/seed0", "near/seed0", "three/seed0", "three/seed1")),
        f"{DATA}/none/retrieval/seed0",
    }
    with open(in_context / "results/tables/table2.csv") as stream:
        rows = {row["method"]: row for row in csv.DictReader(stream) if row["source"] == "this study"}
    assert {name: int(row["seeds"]) for name, row in rows.items()} == {
        **dict.fromkeys(("base", "few", "near", "retrieval"), 1),
        "three": 2,
    }
    assert rows["three"]["deviation"] != ""
    note = (in_context / "results/tables/table2.md").read_text()
    choice = json.loads((in_context / f"results/runs/{RUN}/count.json").read_text())
    random = f"few ({choice['chosen']} of 1, 2, at random, by seed), three (3, at random, by seed)"
    assert f"{random}, near (3, the most similar by small)." in note
    assert f"best ROUGE-L on {choice['samples']} samples of the validation part" in note
    assert "over test samples and seeds" in note


def test_each_prompt_has_its_candidates_and_of_more_of_them_more_match(in_context):
    written = {}
    for path in in_context.glob(f"results/runs/{DATA}/{MODEL}/three/*/tests/*/predictions.jsonl"):
        lines = [json.loads(line)["candidates"] for line in path.read_text().splitlines()]
        assert {len(candidates) for candidates in lines} == {2}
        assert any(one["text"] != other["text"] for one, other in lines)
        written[path.parts[-4]] = lines
    assert written["seed0"] != written["seed1"]
    with open(in_context / "results/tables/metrics.csv") as stream:
        scores = {(row["method"], row["metric"]): row["score"] for row in csv.DictReader(stream)}
    for method in ("base", "few", "near", "three", "retrieval"):
        assert float(scores[method, "em_at_1"]) <= float(scores[method, "em_at_2"])
    assert scores["retrieval", "em_at_1"] == scores["retrieval", "em_at_2"]


def test_the_study_s_question_is_answered_first(in_context):
    (answer,) = json.loads((in_context / "results/answers.json").read_text())["answers"]
    assert (answer["test"], answer["methods"], answer["label"]) == (DATA, ["base", "few"], "EM@2")
    (compared,) = answer["compared"]
    assert (compared["system"][2], compared["seeds"]) == ("three", 2)
    assert compared["gain"] == answer["gain"]
    summary = (in_context / "results/report/summary.md").read_text().splitlines()
    first = next(line for line in summary if line.startswith("- "))
    assert first.startswith("- Do three examples help? ")
    assert f"EM@2 on {DATA}" in first


def test_a_record_says_what_its_examples_are_of(in_context):
    record = json.loads((in_context / f"results/runs/{DATA}/{MODEL}/three/seed1/record.json").read_text())
    split = json.loads((in_context / f"results/data/{DATA}/split.json").read_text())
    assert record["training"] is None
    assert record["data_sha256"] == {"train": split["sha256"]["train"]}
    fixed = {"count": 3, "choose": "random", "order": "most-similar-last", "encoder": None, "counts": []}
    assert record["method"]["prompt"]["examples"] == fixed
    assert (record["template"], record["count"]) == ("chat", None)


def test_the_number_of_examples_is_that_with_the_best_score_on_the_validation_part_alone(in_context):
    found = json.loads((in_context / f"results/runs/{RUN}/count.json").read_text())
    scores = {}
    for trial in found["trials"]:
        folder = in_context / f"results/runs/{DATA}/{MODEL}/{trial['method']}/seed0"
        (summary,) = folder.glob("tests/*/summary.json")  # and nothing on the test set
        assert summary.parent.name == f"{DATA}@validation"
        scores[trial["count"]] = json.loads(summary.read_text())["scores"]["rouge_l"]
        assert trial["score"] == scores[trial["count"]]
    assert list(scores) == [1, 2]
    assert found["samples"] == len((in_context / f"results/data/{DATA}/validation.jsonl").read_text().splitlines())
    assert found["chosen"] == max(scores, key=scores.__getitem__)
    stats = in_context / f"results/prompts/{DATA}/{MODEL}/few/{DATA}/seed0/stats.json"
    assert json.loads(stats.read_text())["examples"]["asked"] == found["chosen"]
    record = json.loads((in_context / f"results/runs/{RUN}/record.json").read_text())
    assert record["count"] == found
    assert list(record["tests"]) == [DATA]
    shown = "".join(path.read_text() for path in in_context.glob("results/tables/*.csv"))
    assert all(name not in shown for name in ("few@", f"{DATA}@"))
    for pattern in ("leaks/*/*@*", "comparisons/*@*", "report/samples/*@*"):
        assert not list((in_context / "results").glob(pattern))


def test_what_is_there_is_not_made_again_and_of_more_counts_only_the_new_one_is_tried(in_context):
    options = (*LOCAL, "in-context.yaml")
    assert not plan(*options, cwd=in_context)
    changed = OVERLAY["prompts"] | {"few": {"template": "task", "examples": {"count": [1, 2, 3], "choose": "random"}}}
    (in_context / "more.yaml").write_text(yaml.safe_dump({"prompts": changed}))
    jobs = plan(*options, "more.yaml", cwd=in_context)
    of_trial_and_run = ("examples", "prompt", "generate", "score")
    assert {name: jobs[name] for name in (*of_trial_and_run, "choose_count", "record")} == {
        **dict.fromkeys(of_trial_and_run, 2),
        **dict.fromkeys(("choose_count", "record"), 1),
    }


def test_similar_examples_are_chosen_by_vectors_that_provenance_names(in_context):
    facts = json.loads((in_context / f"results/data/{DATA}/embeddings/small/train.json").read_text())
    chosen = json.loads((in_context / f"results/data/{DATA}/examples/{DATA}/near/seed0.json").read_text())
    assert chosen["signature"] == f"cosine|decimals:6|ties:first|{facts['signature']}|count:3"
    provenance = (in_context / "results/report/provenance.md").read_text()
    assert "## Encoders" in provenance
    assert facts["checkpoint"]["sha256"] in provenance


def test_check_results_makes_the_choices_of_examples_and_of_their_number_anew(in_context):
    configs = ("config/config.yaml", "small.yaml", "in-context.yaml")
    command = [sys.executable, ROOT / "workflow/scripts/check_results.py", *configs]
    done = subprocess.run(command, cwd=in_context, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    choice = in_context / f"results/data/{DATA}/examples/{DATA}/three/seed1.json"
    count = in_context / f"results/runs/{RUN}/count.json"
    vectors = in_context / f"results/data/{DATA}/embeddings/small/test.json"
    there = {path: path.read_text() for path in (choice, count, vectors)}
    for path, change in ((choice, {"left_out": 99}), (count, {"samples": 99}), (vectors, {"encoder": "other"})):
        path.write_text(json.dumps(json.loads(there[path]) | change))
    try:
        done = subprocess.run(command, cwd=in_context, capture_output=True, text=True)
    finally:
        for path, text in there.items():
            path.write_text(text)
    said = done.stdout + done.stderr
    assert all(name in said for name in ("seed1.json", "count.json", "test.json: encoder: found other, expected small"))
    assert done.returncode != 0
