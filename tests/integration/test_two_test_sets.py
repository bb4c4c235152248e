"""Two data sets and both together: a model trained on each is tested on the test sets of the two, in miniature."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from codetune.evaluation.comparisons import read_comparisons
from codetune.study import layout
from codetune.study.records import read_records
from codetune.study.runs import System
from markdown_reader import rows_of
from small_study import copy_workflow, plan, snakemake

LOCAL = ("--workflow-profile", "profiles/local", "--configfile", "small.yaml")
MODEL, TESTS, ALL = "llama-3.2-1b", ["alpha", "beta"], ["alpha", "beta", "both"]
SPLIT = {"train": 0.6, "validation": 0.2, "test": 0.2, "seed": 0, "near_duplicates": "together"}


def small_config(checkpoints):
    on = {"seeds": [0], "tests": TESTS}
    return {
        "runs": [
            on | {"datasets": ["alpha", "both"], "models": [MODEL], "methods": ["base", "qlora"]},
            on | {"datasets": ALL, "models": ["none"], "methods": ["retrieval"]},
        ],
        "datasets": {name: {"path": f"{name}.json", "split": SPLIT} for name in TESTS} | {"both": {"joint": TESTS}},
        "models": {MODEL: {"path": str(checkpoints / MODEL), "batch_size": 8, "micro_batch": 4, "epochs": 1}},
        "methods": {"qlora": {"baselines": ["base"]}},
        "quantization": {"compute_dtype": "float32"},
        "tokenization": {"max_length": 256},
        "training": {"learning_rate": 2e-3},
        "generation": {"max_new_tokens": 24},
        "curve": {"samples": 4},
        "evaluation": {"resamples": 200},
        "threads": {"training": 1, "generation": 1},
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory, checkpoints):
    """A finished study. Two test samples of alpha leak from beta."""
    from make_samples import make_records

    folder = copy_workflow(tmp_path_factory.mktemp("two"))
    for name, count, seed in (("alpha", 150, 1), ("beta", 120, 5)):
        (folder / f"{name}.json").write_text(json.dumps(make_records(count, seed=seed)))
    (folder / "small.yaml").write_text(yaml.safe_dump(small_config(checkpoints)))
    done = snakemake(*LOCAL, "--cores", "2", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def results(project, monkeypatch):
    """The folder of results, seen from the project, as paths in records are."""
    monkeypatch.chdir(project)
    return Path("results")


def facts_of(results, data, test):
    return json.loads((results / layout.LEAKS.format(dataset=data, test=test)).read_text())


def test_each_run_has_a_record_with_both_tests_and_the_untuned_model_is_one_run(results):
    records = read_records(sorted(results.glob(layout.glob_of(layout.RECORD))))
    assert {record.run.system for record in records} == {
        System("none", MODEL, "base"),
        *(System(data, MODEL, "qlora") for data in ("alpha", "both")),
        *(System(data, "none", "retrieval") for data in ALL),
    }
    assert len(records) == 6
    assert all(list(record.tests) == TESTS for record in records)
    assert not list(results.glob("data/both/test.jsonl"))


def test_joint_data_have_the_sums_of_the_parts(results):
    for part in ("train", "validation"):
        lines = {name: len((results / "data" / name / f"{part}.jsonl").read_text().splitlines()) for name in ALL}
        assert lines["both"] == lines["alpha"] + lines["beta"] > 0


def test_what_leaks_is_found_across_the_sets_and_in_the_joint_data(results):
    leaked = {
        (data, test): [one["id"] for one in facts_of(results, data, test)["leaked"]] for data in ALL for test in TESTS
    }
    assert leaked["alpha", "alpha"] == leaked["beta", "beta"] == leaked["alpha", "beta"] == leaked["both", "beta"] == []
    assert leaked["beta", "alpha"] == leaked["both", "alpha"]
    assert len(leaked["beta", "alpha"]) == 2
    alpha, beta = (read_comparisons(results / layout.COMPARISONS.format(test=test)) for test in TESTS)
    assert alpha.leaked == leaked["beta", "alpha"]
    assert beta.leaked == []
    assert all(
        one.without_leaked is not None for one in alpha.scores if one.score is not None and one.metric == "rouge_l"
    )
    assert [one.without_leaked for one in beta.scores] == pytest.approx([one.score for one in beta.scores], nan_ok=True)


def test_the_tables_say_which_data_and_which_test_set_a_row_is_of(results):
    with (results / "tables/table2.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "this study"]
    names = [(row["test"], row["data"], row["method"]) for row in rows]
    expected = [("none", "base"), ("alpha", "qlora"), ("both", "qlora"), *((data, "retrieval") for data in ALL)]
    assert sorted(names) == sorted((test, *name) for test in TESTS for name in expected)
    assert {row["leaked"] for row in rows if row["test"] == "alpha"} == {"2"}
    assert {row["leaked"] for row in rows if row["test"] == "beta"} == {"0"}
    shown = rows_of(results / "tables/table2.md")
    assert {"Test", "Data", "ROUGE-L without 2 leaked"} <= {name for row in shown for name in row}
    assert (
        "Leaked: test samples that are in training data of the rows, or have a near-duplicate there, 2 of 30 (alpha)."
        in (results / "tables/table2.md").read_text()
    )
    assert "| alpha / both" in (results / "tables/pairs.md").read_text().replace("both / alpha", "alpha / both")


def test_the_conclusions_name_the_test_set_and_the_training_data(results):
    text = (results / layout.CONCLUSIONS).read_text()
    for test in TESTS:
        assert f"On {test}: by qlora trained on both" in text
        for data in ALL:
            assert (
                f"On {test}: without any model, the output of the most similar training sample of {data} scores" in text
            )
    assert "2 of 30 test samples of alpha are in the training data or have a near-duplicate there" in text


def test_nothing_is_planned_again_and_the_results_check(project):
    assert not plan(*LOCAL, cwd=project)
    check = project / "workflow/scripts/check_results.py"
    configs = [project / "config/config.yaml", project / "small.yaml"]
    done = subprocess.run([sys.executable, check, *configs], cwd=project, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_test_set_of_which_too_much_leaks_ends_the_study_before_anything_is_trained(tmp_path, checkpoints):
    from make_samples import make_records

    folder = copy_workflow(tmp_path)
    records = make_records(150, seed=1)
    (folder / "alpha.json").write_text(json.dumps(records))
    (folder / "beta.json").write_text(json.dumps(records[20:]))
    (folder / "small.yaml").write_text(yaml.safe_dump(small_config(checkpoints)))
    # Of all that leaks one job is the first to say so: the others are let through to say it, too.
    done = snakemake(*LOCAL, "--cores", "2", "--keep-going", "--until", "leaks", cwd=folder)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert (
        "test samples of 'beta' are in the training data 'alpha', or have a near-duplicate there, which is more" in said
    )
    assert not list((folder / "results").glob("leaks/alpha/beta.json"))
