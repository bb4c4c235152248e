"""The benchmarks of training and generation as for a GPU, tried on a CPU with the architectures made small."""

import gzip
import json
import os
import subprocess
import sys

import pytest
import unit_tests
from codetune.report.figure import FIGURES, draw_figure
from codetune.study import layout
from codetune.study.runs import Run
from codetune.study.tested import figure_pages_of
from common import Row, full_study, reached
from conftest import ROOT
from made_up import METRICS, write_results
from recorded import Recorded
from subjects import SHARES, TINY, draw_samples, quantization
from suite import table

BENCHMARKS = ROOT / "benchmarks"
SMALLER = {**TINY, "vocab_size": 64}


@pytest.fixture(scope="module")
def shrunk(tmp_path_factory):
    """All architectures with their own kinds and settings, in small."""
    whole = json.loads((BENCHMARKS / "architectures.json").read_text())
    path = tmp_path_factory.mktemp("shrunk") / "architectures.json"
    small = {name: {**facts, "config": {**facts["config"], **SMALLER}} for name, facts in whole.items()}
    path.write_text(json.dumps(small))
    return path


ONE_AFTER_ANOTHER = """
import runpy, sys
script, folder, *arguments = sys.argv[1:]
for model in arguments.pop(0).split():
    sys.argv = [script, "--model", model, "--out", f"{folder}/{model}.json", "--rounds", "1", *arguments]
    runpy.run_path(script, run_name="__main__")
"""


def rows_of(script, models, folder, *arguments):
    """The rows that a benchmark gives for each model, all measured by one process, which loads the libraries once."""
    command = [sys.executable, "-c", ONE_AFTER_ANOTHER, BENCHMARKS / script, folder, " ".join(models), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(BENCHMARKS)}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {model: json.loads((folder / f"{model}.json").read_text())["rows"] for model in models}


def test_training_is_measured_at_full_size(shrunk, tmp_path):
    models = ["qwen2.5-3b", "gemma-2-2b"]
    found = rows_of("training.py", models, tmp_path, "--architectures", shrunk, "--samples", 20)
    for model, (defaults, fastest, padding) in found.items():
        assert defaults["part"] == f"fine-tuning, {model}, cpu"
        assert defaults["against"] == "TRL's defaults"
        assert fastest["against"].startswith("TRL, ")
        assert defaults["result"] > 0
        assert padding["result"] == 100


def test_generation_is_measured_at_full_size_with_identical_tokens(shrunk, tmp_path):
    models = ["llama-3.2-1b", "gemma-2-2b", "qwen2.5-3b", "phi-3-mini"]
    found = rows_of("generation.py", models, tmp_path, "--architectures", shrunk, "--prompts", 20)
    for model, (row,) in found.items():
        assert row["part"] == f"generation, {model}, cpu"
        assert row["detail"].endswith("identical tokens")
        assert row["result"] > 0


def test_samples_are_as_long_as_codealpaca_s():
    samples = draw_samples(4000, 1000)
    assert sum(map(len, samples)) / len(samples) == pytest.approx(97.8, rel=0.03)
    assert max(map(len, samples)) <= 1024
    assert sorted(SHARES) == SHARES
    assert quantization().type == "nf4"


def test_the_made_up_results_of_the_full_study_have_all_that_figures_read(tmp_path):
    study = full_study()
    write_results(study, tmp_path)
    records = [tmp_path / layout.fill(layout.RECORD, run) for run in study.runs]
    comparisons = [tmp_path / layout.COMPARISONS.format(test=test) for test in study.tests]
    inputs = {"records": records, "comparisons": comparisons, "paper": ROOT / "config/papers/slm-qlora.yaml"}
    pages = figure_pages_of(study)
    assert {page.figure for page in pages.values()} == set(FIGURES)
    for name in pages:
        path = tmp_path / f"{name}.png"
        draw_figure(name, inputs, next(iter(METRICS)), {"png": path})
        assert path.stat().st_size > 10_000


DOUBLE = {
    "prompt": 'def double(number):\n    """Doubles a number."""\n',
    "entry_point": "double",
    "canonical_solution": "    return 2 * number\n",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n",
}
HALF = {
    "prompt": "Write a function to halve a number.",
    "code": "def half(number):\n    return number / 2",
    "test_imports": [],
    "test_list": ["assert half(4) == 2"],
}


def test_unit_tests_are_timed_beside_a_runner_that_may_be_missing(sandbox, tmp_path, monkeypatch):
    for folder in ("humaneval", "mbpp"):
        (tmp_path / folder).mkdir()
    with gzip.open(tmp_path / "humaneval/HumanEval.jsonl.gz", "wt") as stream:
        stream.write(json.dumps(DOUBLE) + "\n")
    (tmp_path / "mbpp/sanitized-mbpp.json").write_text(json.dumps([HALF]))
    monkeypatch.setattr(unit_tests, "open_sandbox", lambda: sandbox)
    options = {"--out": tmp_path / "found.json", "--data": tmp_path, "--peer": tmp_path / "none"}
    monkeypatch.setattr(sys, "argv", ["unit_tests.py", *(str(one) for option in options.items() for one in option)])
    unit_tests.main()
    ours, peer = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert 0 < ours["result"] < 240
    assert ours["detail"].startswith("HumanEval: 1 of 1 pass, ")
    assert "; MBPP sanitized: 1 of 1 pass, " in ours["detail"]
    assert peer["result"] is None
    assert peer["detail"].startswith(f"{tmp_path / 'none'} is not there; ")
    theirs = {"answers": 2, "passed": 2, "seconds": 0.4, "version": "0"}
    assert unit_tests.peer_row({"answers": 1, "seconds": 0.8}, theirs).result == pytest.approx(0.25)


def test_the_table_says_what_was_reached():
    rows = [
        Row("a", "b", ">= 2.0 x", 2.0, "d"),
        Row("a", "b", "< 4 s", 4.0, "d"),
        Row("a", "b", ">= 6.0 x", None, "no GPU"),
    ]
    assert [reached(row) for row in rows] == [True, False, None]
    assert [line.split(" | ")[3:5] for line in table(rows).splitlines()[2:]] == [
        ["2 x", "yes"],
        ["4 s", "**no**"],
        ["not run", "-"],
    ]


def test_evaluations_are_counted_by_the_log_since_not_all_keep_a_checkpoint(tmp_path):
    run, recorded = Run("d", "m", "full", 0), Recorded.__new__(Recorded)
    recorded._results = tmp_path
    log = tmp_path / layout.fill(layout.TRAINING_LOG, run)
    log.parent.mkdir(parents=True)
    rows = [{"step": step, key: 1.0} for step in range(3) for key in ("eval_loss", "loss")]
    log.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert recorded._evaluations(run) == 3
