"""The files that the paper about a study is made from, of runs that never ran."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codetune.base.files import write_json
from codetune.data.card import data_card
from codetune.data.samples import Sample
from codetune.report.provenance import write_provenance
from codetune.report.rows import EvaluatedSystem
from codetune.study.data_facts import DuplicateRequests, NearDuplicates, SplitFacts
from codetune.study.record import Record
from every_table import fake_systems, write_all
from fake_comparisons import write_fake_comparisons
from fake_records import write_fake

CONFIG = {"datasets": {"alpaca": {"path": "alpaca.json"}}}
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" width="{}pt" height="{}pt" viewBox="0 0 9 9"/>'
FIGURES = {"dumbbell": (504, 400), "figure2-a": (252, 220), "figure2-b": (252, 900)}


def write_paper_files(labels: Sequence[str], tests: Sequence[str] = ("alpaca",), seeds: int = 1) -> dict[str, Any]:
    """Writes them into `results` in the current folder; returns the inputs of the rule `paper`.

    Args:
        labels: Of the models, each of which is evaluated untuned in two templates, and tuned.
        tests: Names of the test sets.
        seeds: Of each tuned model.
    """
    evaluated = fake_systems(labels, seeds=seeds, tests=tests)
    tables = write_all(Path("results/tables"), labels, seeds=seeds, tests=tests)
    files = write_untuned_files(evaluated, tests)
    for name, (width, height) in FIGURES.items():
        path = Path(f"results/figures/{name}.svg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(DRAWING.format(width, height))
        files["figures"].append(str(path))
    return files | {name: tables[name]["csv"] for name in ("table1", "cost", "audit")}


def write_untuned_files(evaluated: Sequence[EvaluatedSystem], tests: Sequence[str]) -> dict[str, Any]:
    """Those of a study that tunes nothing: neither figures nor tables."""
    records = list({record.run: record for one in evaluated for record in one.records}.values())
    provenance = "results/report/provenance.md"
    write_provenance(records, CONFIG, provenance)
    return {
        "records": [write_fake(record, "results") for record in records],
        "comparisons": [
            write_fake_comparisons(next(one.comparisons for one in evaluated if one.test == test), "results")
            for test in tests
        ],
        "cards": [_write_card(test) for test in tests],
        "figures": [],
        "provenance": provenance,
    }


def untuned(evaluated: Sequence[EvaluatedSystem]) -> list[Record]:
    """The records of the untuned systems among these."""
    return [record for one in evaluated for record in one.records if record.training is None]


def _write_card(name: str) -> str:
    samples = [Sample(number, f"Task {number} in Python", "", f"print({number})") for number in range(1200)]
    parts = {"train": samples, "validation": samples[:50], "test": samples[:100]}
    near = NearDuplicates(0.7, 0, [], "together", [])
    hashes = dict.fromkeys(parts, "0" * 64)
    shares = {"train": 0.8, "validation": 0.1, "test": 0.1}
    facts = SplitFacts(name, 1350, "9" * 64, {}, DuplicateRequests(0, 0, "kept"), near, shares, 0, hashes)
    path = f"results/data/{name}/card.json"
    write_json(path, data_card(facts, parts))
    return path
