"""The folder of results: a study in an earlier layout is refused, and left as it is."""

import subprocess
import sys
from pathlib import Path

import pytest
from codetune.base.errors import StudyError
from codetune.study import layout
from codetune.study.folders import check_old_results
from codetune.study.runs import Evaluation, Run
from conftest import ROOT

OLD = [
    "data/codealpaca-20k/train.jsonl",
    "runs/codealpaca-20k/gemma-2-2b/base/seed0/predictions.jsonl",
    "runs/codealpaca-20k/gemma-2-2b/qlora/seed0/predictions.jsonl",
    "runs/codealpaca-20k/gemma-2-2b/qlora/seed0/adapter/adapter_config.json",
    "tables/table2.md",
]
EVALUATIONS = [
    Evaluation(Run("codealpaca-20k", "gemma-2-2b", "qlora", 0), "codealpaca-20k"),
    Evaluation(Run("none", "gemma-2-2b", "base", 0), "codealpaca-20k"),
]


def make_files(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"the content of {name}")


def content_of(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_results_in_the_layout_before_0_2_are_refused_in_one_line_and_left_as_they_are(tmp_path):
    results = tmp_path / "results"
    make_files(results, OLD)
    before = content_of(results)
    with pytest.raises(StudyError) as error:
        check_old_results(str(results))
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"{results} holds a study in the layout of releases before 0.2 ({results}/runs/")
    assert f"Move it away (mv {results} {results}-0.1), or let 'results' in the config name another folder." in message
    assert content_of(results) == before


def test_one_old_run_among_new_ones_is_refused(tmp_path):
    make_files(tmp_path, [layout.fill(layout.PREDICTIONS, evaluation) for evaluation in EVALUATIONS])
    check_old_results(str(tmp_path))
    make_files(tmp_path, OLD[1:2])
    with pytest.raises(StudyError, match=OLD[1]):
        check_old_results(str(tmp_path))


def test_results_in_the_present_layout_and_no_results_are_accepted(tmp_path):
    check_old_results(str(tmp_path / "none"))
    check_old_results(str(tmp_path))
    patterns = [
        value
        for name, value in vars(layout).items()
        if name.isupper() and "{stage}" not in value and "{file}" not in value
    ]
    of_runs = [pattern for pattern in patterns if "{model}" in pattern and pattern.startswith("runs/")]
    assert layout.PREDICTIONS in of_runs
    make_files(tmp_path, {layout.fill(pattern, EVALUATIONS[0]) for pattern in of_runs})
    check_old_results(str(tmp_path))


def test_the_workflow_refuses_them_before_it_plans_anything(tmp_path):
    make_files(tmp_path / "results", OLD)
    before = content_of(tmp_path / "results")
    command = [Path(sys.executable).parent / "snakemake", "-n", "--cores", "1", "--directory", tmp_path]
    command += ["--snakefile", ROOT / "Snakefile", "--configfile", ROOT / "config/config.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "error: results holds a study in the layout of releases before 0.2 (results/runs/" in done.stderr
    assert "Traceback" not in done.stderr
    assert content_of(tmp_path / "results") == before
