"""What the runs were computed from and with, gathered from their records into one document."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml
from tabulate import tabulate

from codetune.base.files import Row, read_json, write_text


def write_provenance(runs: list[Row], generations: list[str], trainings: list[str], config: Row, target: str) -> None:
    """Writes checkpoints, times, machines, versions and the whole configuration as Markdown.

    Args:
        runs: All runs of the study.
        generations: Path of each run's record of generation.
        trainings: Path of the training record of each tuned run, in the order of the runs.
        config: The configuration as used.
        target: The Markdown to write.
    """
    generated = [read_json(path) for path in generations]
    remaining = iter([read_json(path) for path in trainings])
    trained = [next(remaining) if run["tuned"] else None for run in runs]
    sections = [
        "# Provenance: what the runs were computed from and with",
        "From the records `training.json` and `generation.json` beside each run's predictions.",
        "## Runs",
        _table(
            "dataset, model, method, seed, training minutes:, generation minutes:, GPU or processor".split(", "),
            _runs(runs, generated, trained),
        ),
        "## Checkpoints",
        _table(["model", "source", "revision", "SHA-256 over its files' hashes"], _checkpoints(runs, generated)),
        "## Versions",
        _table(["package", "version"], versions([*generated, *filter(None, trained)])),
        "## Configuration",
        f"```yaml\n{yaml.safe_dump(config, sort_keys=False, allow_unicode=True)}```",
    ]
    write_text(target, "\n\n".join(sections) + "\n")


def _runs(runs: list[Row], generated: list[Row], trained: Sequence[Row | None]) -> list[list[Any]]:
    """Times in minutes; the machine is that of the generation."""
    return [
        [
            *(run[key] for key in ("dataset", "model", "method", "seed")),
            f"{training['cost']['seconds'] / 60:.1f}" if training else "-",
            f"{generation['seconds'] / 60:.1f}",
            ", ".join(generation["environment"]["gpus"]) or generation["environment"]["processor"],
        ]
        for run, generation, training in zip(runs, generated, trained, strict=True)
    ]


def _checkpoints(runs: list[Row], generated: list[Row]) -> list[list[str]]:
    found = {run["model"]: record["checkpoint"] for run, record in zip(runs, generated, strict=True)}
    return [
        [model, entry.get("repo", entry.get("path", "-")), entry.get("revision", "-"), f"`{entry['sha256']}`"]
        for model, entry in found.items()
    ]


def versions(records: Iterable[Row]) -> list[list[str]]:
    """Each package with its version; with all of them, should the runs differ."""
    found: dict[str, set[str]] = {}
    for record in records:
        environment: Mapping[str, Any] = record["environment"]
        for name, version in {"Python": environment["python"], **environment["packages"]}.items():
            found.setdefault(name, set()).add(version)
    return [[name, ", ".join(sorted(versions))] for name, versions in found.items()]


def _table(head: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table; a column whose name ends in a colon is aligned to the right."""
    sides = ["right" if name.endswith(":") else "left" for name in head]
    names = [name.rstrip(":") for name in head]
    return str(tabulate(rows, names, tablefmt="pipe", colalign=sides, disable_numparse=True))
