"""What `make check-results` sees and what it does not let pass."""

import copy
import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from codetune.base.errors import StudyError
from codetune.base.files import read_json, read_jsonl, sha256_of_file, write_json, write_jsonl
from codetune.base.manifests import write_manifest
from codetune.base.plain import to_plain
from codetune.data.predictions import Candidate, Prediction, write_predictions
from codetune.evaluation.registry import metrics
from codetune.evaluation.score import score_predictions
from codetune.evaluation.significance import measure_significance
from codetune.report.checking import check_results
from codetune.report.table import write_table
from codetune.study.config import load_study
from codetune.study.layout import GENERATION, PREDICTIONS, RECORD, SCORES, SUMMARY, TRAINING, TUNED, fill
from codetune.study.record import RecordInputs, read_records, write_record
from conftest import ROOT
from fake_records import fake_record, write_split

OUTPUTS = [f"def f{i}(x):\n    return x + {i}" for i in range(12)]
REVISION = "f" * 40


def make_config():
    """The study's config, with other runs: two models, untuned and tuned, the tuned ones with two seeds."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    split = {"train": 0.8, "validation": 0.1, "test": 0.1, "seed": 0, "near_duplicates": "together"}
    config["datasets"] = {"d": {"repo": "x/d", "revision": REVISION, "file": "d.json", "split": split}}
    mine = {"label": "Mine", "family": "Mine", "repo": "x/mine", "revision": REVISION, "parameters": 1.0}
    tuned = {"batch_size": 8, "epochs": 1, "micro_batch": 4}
    config["models"] = {"llama-3.2-1b": config["models"]["llama-3.2-1b"], "mine": mine | tuned}
    runs = {"datasets": ["d"], "models": list(config["models"])}
    config["runs"] = [runs | {"methods": ["base"], "seeds": [0]}, runs | {"methods": ["qlora"], "seeds": [0, 1]}]
    config["evaluation"] = {"metric": "rouge_l", "resamples": 200, "seed": 0}
    return config


def make_run(results, evaluation, study):
    """Predictions, scores and record of one run."""
    run = evaluation.run
    texts = [text if i % (3 + run.seed) else "x" for i, text in enumerate(OUTPUTS)]
    texts = texts if run.trains else [text[:9] for text in OUTPUTS]
    files = {
        name: str(results / fill(pattern, evaluation))
        for name, pattern in (
            ("generation", GENERATION),
            ("predictions", PREDICTIONS),
            ("scores", SCORES),
            ("summary", SUMMARY),
        )
    }
    write_predictions(
        files["predictions"], [Prediction(i, [Candidate(text, 5, False)]) for i, text in enumerate(texts)]
    )
    split, references = str(results / "data/d/split.json"), str(results / "data/d/test.jsonl")
    score_predictions(references, split, files["predictions"], files["scores"], files["summary"])
    fake = fake_record(run.model, run.method, "d", run.seed, test="d")
    samples = read_json(split)["sha256"]
    generation = fake.tests["d"].generation
    used = generation.inputs_sha256 | {"prompts_samples": samples["test"]}
    made = {"inputs_sha256": used, "predictions_sha256": sha256_of_file(files["predictions"])}
    write_json(files["generation"], to_plain(replace(generation, **made)))
    training = str(results / fill(TRAINING, run)) if run.trains else None
    if training:
        used = fake.training.inputs_sha256 | {f"{part}_samples": samples[part] for part in ("train", "validation")}
        write_json(training, to_plain(replace(fake.training, inputs_sha256=used)))
        tuned = (results / fill(TUNED, run)).parent
        tuned.mkdir(parents=True)
        (tuned / "adapter_model.safetensors").write_text("weights")
        write_manifest(tuned)
    target = str(results / fill(RECORD, run))
    inputs = RecordInputs({"d": split}, training, {}, {"d": files})
    write_record(run, study.models[run.model], study.methods[run.method], inputs, target)
    return target


@pytest.fixture
def config():
    return make_config()


@pytest.fixture
def results(tmp_path, monkeypatch, config):
    """A finished study in small."""
    monkeypatch.chdir(tmp_path)
    results, study = Path("results"), load_study(config)
    samples = [{"id": i, "instruction": f"Task {i} in Python", "input": "", "output": o} for i, o in enumerate(OUTPUTS)]
    write_jsonl(results / "data/d/test.jsonl", samples)
    write_split(results / "data/d/split.json", "d", [3], test=results / "data/d/test.jsonl")
    paths = [make_run(results, evaluation, study) for evaluation in study.evaluations]
    comparisons = str(results / "comparisons/d.json")
    measure_significance(read_records(paths), "d", 200, 0, comparisons)
    inputs = {"records": paths, "comparisons": [comparisons], "paper": str(ROOT / "config/paper.yaml")}
    outputs = {kind: str(results / f"tables/table2.{kind}") for kind in ("csv", "md", "tex")}
    write_table("table2", inputs, {"metric": "rouge_l"}, outputs)
    return results


def path_of(results, model, method, name, seed=0):
    data = "none" if method == "base" else "d"
    return results / "runs" / data / model / method / f"seed{seed}" / "tests/d" / name


def test_an_untouched_study_passes(results, config):
    findings = check_results(results, config)
    assert findings.problems == []
    in_records, in_table = 6, 2 * 3 + 2 * 8  # of tuned models the deviation, gain, its interval and p-value, too
    in_comparisons = in_table + 2  # and the uncorrected p-value
    assert findings.compared == len(metrics()) * (in_records + in_comparisons) + in_table


@pytest.mark.parametrize("method", ["base", "qlora"])
def test_a_changed_prediction_does_not(results, config, method):
    path = path_of(results, "mine", method, "predictions.jsonl")
    rows = read_jsonl(path)
    rows[4]["candidates"][0]["text"] = "something else"
    write_jsonl(path, rows)
    problems = check_results(results, config).problems
    assert f"{path}: changed since record.json was written" in problems
    assert f"{path.with_name('scores.jsonl')}: not the scores of predictions.jsonl" in problems
    data = "none" if method == "base" else "d"
    assert [one for one in problems if one.startswith(f"{data}, d, Mine, {method}, score: Table 2 says")]
    assert [
        one for one in problems if one.startswith(f"{data}, mine, {method}, rouge_l, score: comparisons/d.json says")
    ]


def edit_table(results, **changes):
    """Changes cells of the last row of Table 2."""
    path = results / "tables/table2.csv"
    with path.open() as stream:
        rows = list(csv.DictReader(stream))
    rows[-1] |= changes
    with path.open("w") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return rows[-1]


@pytest.mark.parametrize("column", ["score", "score_low", "gain", "gain_high", "p_holm"])
def test_a_changed_number_of_table_2_does_not(results, config, column):
    edit_table(results, **{column: "0.99"})
    (problem,) = check_results(results, config).problems
    assert problem.startswith(f"d, d, Mine, qlora, {column}: Table 2 says 0.99, the predictions ")


def test_a_row_that_the_config_does_not_have_and_one_that_is_missing_do_not(results, config):
    edit_table(results, method="dora")
    assert check_results(results, config).problems == [
        "Table 2: has no row of d, d, Mine, qlora, rouge_l",
        "results/tables/table2.csv: has a row of d, d, Mine, dora, rouge_l, which the config does not have",
    ]


def test_table_2_of_another_metric_than_the_config_s_does_not(results, config):
    config = copy.deepcopy(config)
    config["evaluation"]["metric"] = "bleu"
    problems = check_results(results, config).problems
    assert "Table 2: has no row of d, d, Mine, qlora, bleu" in problems


def test_a_changed_comparison_does_not(results, config):
    path = results / "comparisons/d.json"
    path.write_text(path.read_text().replace('"p": ', '"p": 1', 1))
    (problem,) = check_results(results, config).problems
    assert ", p: comparisons/d.json says 1" in problem


def test_changed_scores_do_not(results, config):
    path = path_of(results, "mine", "base", "scores.jsonl")
    path.write_text(path.read_text().replace('"length": ', '"length": 1', 1))
    assert check_results(results, config).problems == [
        f"{path}: not the scores of predictions.jsonl",
        f"{path}: changed since record.json was written",
    ]


def test_a_changed_adapter_does_not(results, config):
    path = next(results.glob("runs/d/*/qlora/seed1/tuned/adapter_model.safetensors"))
    path.write_text("WEIGHTS")
    assert check_results(results, config).problems == [
        f"{path} has changed since the manifest beside it was made. Delete {path.parent} and run again, and it is made "
        "anew."
    ]


def test_missing_runs_and_missing_studies_are_errors(results, config, tmp_path):
    path_of(results, "mine", "base", "predictions.jsonl").unlink()
    with pytest.raises(StudyError, match=r"predictions.jsonl: not there .*Finish the study first"):
        check_results(results, config)
    (path_of(results, "mine", "base", "predictions.jsonl").parents[2] / "record.json").unlink()
    with pytest.raises(StudyError, match=r"record.json: not there .*Finish the study first"):
        check_results(results, config)
    with pytest.raises(StudyError, match=r"table2.csv: not there .*Finish the study first"):
        check_results(tmp_path / "none", config)


def test_a_run_that_the_config_names_and_nobody_computed_is_an_error(results, config):
    config["runs"][1]["seeds"] = [0, 1, 2]
    with pytest.raises(StudyError, match=r"qlora/seed2/record.json: not there"):
        check_results(results, config)


def test_a_rouge_l_that_is_not_the_package_s_does_not_pass(results, config, monkeypatch):
    """Scores and check would agree if both had the same wrong ROUGE-L: the package decides."""
    monkeypatch.setattr("codetune.report.checking._by_the_package", lambda *_: [0.5] * 12)
    problems = check_results(results, config).problems
    assert len(problems) == 6
    assert all("ROUGE-L is not what the package rouge-score gives" in problem for problem in problems)


def test_the_command_merges_overlays_as_snakemake_does(results, config, tmp_path):
    overlay = {"evaluation": {"resamples": 300}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    command = [sys.executable, str(ROOT / "workflow/scripts/check_results.py"), "study.yaml"]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run([*command, "overlay.yaml"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "numbers derived anew from the predictions: all equal" in done.stdout
    (tmp_path / "overlay.yaml").write_text(yaml.safe_dump({"results": "elsewhere"}))
    done = subprocess.run([*command, "overlay.yaml"], capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert "error: elsewhere/tables/table2.csv: not there" in done.stderr
