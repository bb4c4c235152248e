"""What two commands take on a finished full study: the plan, and one figure drawn again.

Usage: python benchmarks/commands.py --out FILE.json

The study is that of config/config.yaml. Its files are made up, small, and recorded as finished by Snakemake itself, so
that no model is needed; only the curves, which figure 2 reads, have the content of real ones. A `torch` that cannot be
imported stands in the way of all jobs.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import ROOT, Row, write_result

SNAKEMAKE = (str(Path(sys.executable).with_name("snakemake")), "--workflow-profile", "profiles/local", "--cores", "1")
PROJECT = ("Snakefile", "CITATION.cff", "workflow", "config", "profiles", "envs")
ROUNDS = 3


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder)
        files = finished_study(study)
        plans = [timed(study, "--dry-run", says="Nothing to be done") for _ in range(ROUNDS)]
        before = (study / "results/figures/figure2.svg").stat().st_mtime_ns
        figures = [
            timed(study, "--forcerun", "figure", "--", "figures", says="steps (100%) done") for _ in range(ROUNDS)
        ]
        assert (study / "results/figures/figure2.svg").stat().st_mtime_ns > before, "figure 2 was not drawn"
        (study / "Snakefile").write_text("rule all:\n    output: 'x'\n    shell: 'touch x'\n")
        empty = [timed(study, "--dry-run", says="total") for _ in range(ROUNDS)]
    detail = f"slowest of {ROUNDS}; {files} files made up; the plan of a single rule takes up to {max(empty):.1f} s"
    rows = [
        Row("nothing to do (snakemake -n, finished full study)", "-", "< 4 s", max(plans), detail),
        Row("snakemake --forcerun figure figures", "-", "< 15 s", max(figures), f"slowest of {ROUNDS}; no torch"),
    ]
    write_result(options.out, rows, seconds={"plan": plans, "figure2": figures, "plan of a single rule": empty})


def finished_study(folder: Path) -> int:
    """Makes the finished study; returns how many files and folders its rules write."""
    for name in PROJECT:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    (folder / "torch.py").write_text("raise ImportError('no job of these commands is to load torch')\n")
    summary = snakemake(folder, "--summary").stdout.splitlines()
    outputs = [folder / line.split("\t")[0] for line in summary[1:] if "\t" in line]
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name in ("adapter", "checkpoints") or path.parent.name in ("tokenizers", "models"):
            path.mkdir()
        else:
            path.write_text(curve() if path.name == "curve.json" else "made up\n")
    snakemake(folder, "--touch", "--forceall")
    return len(outputs)


def curve() -> str:
    """A curve of 50 evaluations, as rule score_curve writes it."""

    def score(value: float) -> dict[str, Any]:
        return {"score": value, "interval": [value - 0.05, value + 0.05]}

    points = [{"step": 15 * n, "truncated": 0.0, "scores": {"rouge_l": score(0.3 + n / 500)}} for n in range(51)]
    return json.dumps({"samples": 200, "points": points})


def timed(folder: Path, *arguments: str, says: str) -> float:
    """Seconds of one command, which has to say something."""
    start = time.perf_counter()
    done = snakemake(folder, *arguments)
    seconds = time.perf_counter() - start
    assert says in done.stdout + done.stderr, done.stdout + done.stderr
    return seconds


def snakemake(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs Snakemake in the study."""
    return subprocess.run(
        [*SNAKEMAKE, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        check=True,
        capture_output=True,
        text=True,
    )


if __name__ == "__main__":
    main()
