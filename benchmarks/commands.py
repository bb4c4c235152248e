"""What two commands take on a finished full study: the plan, and all figures drawn again.

Usage: python benchmarks/commands.py --out FILE.json

The study is that of config/config.yaml. Its files are made up, and Snakemake itself records them as finished, so that
no model is needed. Only what figures read has the content of real files: records, logs, curves and comparisons. A
`torch` that cannot be imported stands in the way of all jobs.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, Row, full_study, write_result

# isort: split

from made_up import write_results

SNAKEMAKE = (str(Path(sys.executable).with_name("snakemake")), "--workflow-profile", "profiles/local", "--cores", "1")
PROJECT = ("Snakefile", "CITATION.cff", "workflow", "config", "profiles", "envs")
ROUNDS = 3


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = finish_study(folder)
        plans = [timed(folder, "--dry-run", says="Nothing to be done") for _ in range(ROUNDS)]
        figures = [draw_figures(folder) for _ in range(ROUNDS)]
        (folder / "Snakefile").write_text("rule all:\n    output: 'x'\n    shell: 'touch x'\n")
        empty = [timed(folder, "--dry-run", says="total") for _ in range(ROUNDS)]
    detail = f"slowest of {ROUNDS}; {files} files made up; the plan of a single rule takes up to {max(empty):.1f} s"
    rows = [
        Row("nothing to do (snakemake -n, finished full study)", "-", "< 4 s", max(plans), detail),
        Row("snakemake --forcerun figure figures", "-", "< 15 s", max(figures), f"slowest of {ROUNDS}; no torch"),
    ]
    write_result(options.out, rows, seconds={"plan": plans, "figures": figures, "plan of a single rule": empty})


def finish_study(folder: Path) -> int:
    """Makes the finished study; returns how many files its rules write."""
    for name in PROJECT:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    (folder / "torch.py").write_text("raise ImportError('no job of these commands may load torch')\n")
    summary = snakemake(folder, "--summary").stdout.splitlines()
    outputs = [folder / line.split("\t")[0] for line in summary[1:] if "\t" in line]
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("made up\n")
    write_results(full_study(), folder / "results")
    snakemake(folder, "--touch", "--forceall")
    return len(outputs)


def draw_figures(folder: Path) -> float:
    """Draws all figures again; returns the seconds that it took."""
    drawn = sorted((folder / "results/figures").iterdir())
    before = [path.stat().st_mtime_ns for path in drawn]
    seconds = timed(folder, "--forcerun", "figure", "--", "figures", says="steps (100%) done")
    for path, then in zip(drawn, before, strict=True):
        assert path.stat().st_mtime_ns > then, f"{path.name} was not drawn"
    return seconds


def timed(folder: Path, *arguments: str, says: str) -> float:
    """Runs a command, which has to say something; returns the seconds that it took."""
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
