"""A small study with several candidates per prompt, from the config to its tables, browser and check."""

import csv
import json
import subprocess
import sys

import yaml
from conftest import ROOT
from small_study import LOCAL, make_project, snakemake

SAMPLE = {"decoding": "sample", "candidates": 3, "temperature": 0.8, "top_p": 0.95}


def test_a_study_of_several_candidates_goes_from_its_config_to_its_tables(tmp_path, checkpoints, records):
    project = make_project(tmp_path / "project", checkpoints, records[:150])
    config = yaml.safe_load((project / "small.yaml").read_text())
    on = {"datasets": ["codealpaca-20k"], "seeds": [0, 1]}
    config["runs"] = [
        on | {"models": ["llama-3.2-1b"], "methods": ["base"]},
        on | {"models": ["none"], "methods": ["retrieval"]},
    ]
    config["generation"] |= SAMPLE
    (project / "small.yaml").write_text(yaml.safe_dump(config))
    done = snakemake(*LOCAL, "--cores", "2", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = sorted((project / "results/runs/none/llama-3.2-1b/base").glob("seed*/tests/codealpaca-20k"))
    assert len(runs) == 2  # what is drawn differs by seed, also of an untuned model
    wrote = [(run / "predictions.jsonl").read_text().splitlines() for run in runs]
    assert {len(json.loads(line)["candidates"]) for lines in wrote for line in lines} == {3}
    assert len({tuple(lines) for lines in wrote}) == len(runs)
    table = list(csv.DictReader((project / "results/tables/metrics.csv").open()))
    scores = {(row["method"], row["metric"]): float(row["score"]) for row in table if row["metric"].startswith("em_at")}
    for method in ("base", "retrieval"):
        found = [scores[method, f"em_at_{k}"] for k in (1, 2, 3)]
        assert found == sorted(found)
        assert method == "base" or len(set(found)) == 1
    command = [sys.executable, ROOT / "workflow/scripts/check_results.py", "config/config.yaml", "small.yaml"]
    checked = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")
    again = snakemake("-n", *LOCAL, "--cores", "2", cwd=project)
    assert "Nothing to be done" in again.stdout + again.stderr
