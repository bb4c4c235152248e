"""What the runs were computed from and with, gathered from their records into one document."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from tabulate import tabulate

from codetune.base.files import reading, write_text
from codetune.base.identity import CheckpointIdentity
from codetune.base.machine import Environment
from codetune.base.text import markdown, markdown_block, markdown_cell, markdown_code
from codetune.report.flags import MEANING, problems_of
from codetune.report.stamp import stamped_sections
from codetune.study.examples import EmbeddingFacts
from codetune.study.facts import GenerationFacts
from codetune.study.record import Record

RUNS = ["trained on", "model", "method", "seed", "training minutes:", "generation minutes:", "GPU or processor"]
CHECKPOINTS = ["model", "source", "revision", "SHA-256 over its files' hashes"]
ENCODERS = ["encoder", *CHECKPOINTS[1:], "signature of its vectors"]


def write_provenance(
    records: Sequence[Record], config: Mapping[str, Any], target: str, embeddings: Sequence[EmbeddingFacts] = ()
) -> None:
    """Writes checkpoints, times, machines, versions and the whole configuration as Markdown.

    Args:
        records: Of all runs of the study.
        config: The configuration as used.
        target: The Markdown to write.
        embeddings: Facts of all vectors by which examples were chosen.
    """
    sections = [
        "# Provenance: what the runs were computed from and with",
        "From each run's `record.json`. Generation is that of all its test sets, and the machine that of generation.",
        "## Runs",
        _table(RUNS, [_run(record) for record in records]),
        *_trainings_with_problems(records),
        "## Checkpoints",
        _table(CHECKPOINTS, [_checkpoint(name, found) for name, found in checkpoints_of(records).items()]),
        *_encoders(embeddings),
        "## Versions",
        _table(["package", "version"], [list(map(markdown_cell, found)) for found in versions_of(records).items()]),
        "## Configuration",
        markdown_block(yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True), "yaml"),
    ]
    write_text(target, "\n\n".join(stamped_sections(sections)) + "\n")


def _trainings_with_problems(records: Sequence[Record]) -> list[str]:
    """A section on them; none if there are none."""
    found = [f"- {markdown(problem)}" for problem in problems_of(records)]
    return [f"## {MEANING.capitalize()}", "\n".join(found)] if found else []


def read_config(path: str | Path) -> dict[str, Any]:
    """Reads the configuration out of a document that `write_provenance` wrote.

    Raises:
        StudyError: The document holds none.
    """
    with reading(path):
        text = Path(path).read_text(encoding="utf-8")
        mark, block = re.findall(r"^## Configuration\n\n(`{3,})yaml\n(.*)", text, re.MULTILINE | re.DOTALL)[-1]
        found = yaml.safe_load(block.removesuffix(f"{mark}\n"))
        if not isinstance(found, dict):
            raise ValueError("no configuration")
    return found


def checkpoints_of(records: Iterable[Record]) -> dict[str, CheckpointIdentity]:
    """The checkpoint of each model, by its name."""
    return {record.run.model: one.checkpoint for record in records for one in _generations_of(record)}


def _generations_of(record: Record) -> list[GenerationFacts]:
    """The facts of the generation on each test set; none for a run without a model."""
    return [tested.generation for tested in record.tests.values() if tested.generation]


def versions_of(records: Iterable[Record]) -> dict[str, str]:
    """The version of Python and of each package; all of them, should the runs differ."""
    found: dict[str, set[str]] = {}
    for record in records:
        for environment in _environments_of(record):
            for name, version in {"Python": environment.python, **environment.packages}.items():
                found.setdefault(name, set()).add(version)
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}


def _environments_of(record: Record) -> list[Environment]:
    generations = [generation.environment for generation in _generations_of(record)]
    return [*generations, *([record.training.environment] if record.training else [])]


def _run(record: Record) -> list[Any]:
    """Times in minutes; the machines are those of generation."""
    run, training = record.run, record.training
    generations = _generations_of(record)
    machines = [", ".join(one.environment.gpus) or one.environment.processor for one in generations]
    return [
        markdown_cell(run.data) if record.trains else "-",
        markdown_cell(run.model),
        markdown_cell(run.method),
        run.seed,
        f"{training.cost.seconds / 60:.1f}" if training else "-",
        f"{sum(generation.seconds for generation in generations) / 60:.1f}" if generations else "-",
        markdown_cell("; ".join(dict.fromkeys(machines)) or "-"),
    ]


def _encoders(embeddings: Sequence[EmbeddingFacts]) -> list[str]:
    """A section on the encoders of these vectors; none if there are none."""
    known = {(one.encoder, one.signature): one for one in embeddings}.values()
    rows = [[*_checkpoint(one.encoder, one.checkpoint), markdown_code(one.signature)] for one in known]
    return ["## Encoders", _table(ENCODERS, rows)] if rows else []


def _checkpoint(model: str, found: CheckpointIdentity) -> list[str]:
    names = [model, found.origin, found.revision or "-"]
    return [*map(markdown_cell, names), markdown_code(found.sha256)]


def _table(head: list[str], rows: list[list[Any]]) -> str:
    """A table of Markdown cells; a column whose name ends in a colon is aligned to the right."""
    sides = ["right" if name.endswith(":") else "left" for name in head]
    names = [name.rstrip(":") for name in head]
    return str(tabulate(rows, names, tablefmt="pipe", colalign=sides, disable_numparse=True))
