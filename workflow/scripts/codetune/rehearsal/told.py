"""What a finished rehearsal tells: what the study will give, where the time went, and what disk the study takes."""

import csv
from collections.abc import Mapping
from pathlib import Path

from codetune.models.disk import describe_disk
from codetune.study.study import Study

SLOWEST = 8  # rules that are told one by one
SHOWN = {"tables": "*.csv", "figures": "*.png", "report/pages": "*.html", "report/samples": "*.html"}
MADE_UP = ("finetune", "curve", "generate")  # rules whose jobs take a GPU in the study


def tell_rehearsal(study: Study, results: str, keeps_checkpoints: bool, budget: float) -> list[str]:
    """Says in some lines what came of a rehearsal.

    Args:
        study: The study.
        results: The folder of the rehearsal's results.
        keeps_checkpoints: Whether the checkpoint of each evaluation is kept after the curve is drawn.
        budget: Most GB of the checkpoints of one training.
    """
    folder = Path(results)
    given = ", ".join(f"{len(list((folder / name).glob(pattern)))} in {name}/" for name, pattern in SHOWN.items())
    spent = seconds_by_rule(folder / "benchmarks")
    ours = {rule: found for rule, found in spent.items() if rule not in MADE_UP}
    total = sum(seconds for seconds, _ in ours.values())
    told = [f"{rule} {_minutes(seconds)} ({jobs} jobs)" for rule, (seconds, jobs) in list(ours.items())[:SLOWEST]]
    return [
        f"Rehearsed: {len(study.runs)} runs. {results} holds what the study will give, made up and stamped: {given}.",
        f"Time of the jobs that need no GPU: {_minutes(total)} one after the other, most of it {', '.join(told)}.",
        describe_disk(study, keeps_checkpoints, budget),
        f"Beside the checkpoints: {_megabytes(folder)} of data, tokens, predictions, scores and figures, as here.",
    ]


def seconds_by_rule(benchmarks: Path) -> Mapping[str, tuple[float, int]]:
    """Adds up what the jobs of each rule took, by their benchmark files.

    Args:
        benchmarks: The folder of these files.

    Returns:
        For each rule the seconds of all its jobs, on the clock, and their number; the longest first.
    """
    found: dict[str, tuple[float, int]] = {}
    for path in sorted(benchmarks.rglob("*.tsv")):
        rule = path.relative_to(benchmarks).parts[0].removesuffix(".tsv")
        with path.open(encoding="utf-8") as stream:
            for row in csv.DictReader(stream, delimiter="\t"):
                seconds, jobs = found.get(rule, (0.0, 0))
                found[rule] = seconds + float(row["s"]), jobs + 1
    return dict(sorted(found.items(), key=lambda entry: -entry[1][0]))


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"


def _megabytes(folder: Path) -> str:
    """What the files of a rehearsal take, without the sparse ones."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".safetensors"]
    return f"{sum(path.stat().st_size for path in files) / 1e6:,.0f} MB"
