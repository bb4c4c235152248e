"""Generates the data of the studies in small: data sets in parts, of which no test record is like one of the others.

Usage: PYTHONPATH=workflow/scripts python demo/make_parts.py OUTPUT_FOLDER

It writes into that folder, from a fixed seed:
- conala/train.json, validation.json, test.json: records in Python without an input, as demo/make_samples.py makes them;
- codealpaca-py.json: more of these, of which none is like another or like one of conala/;
- apps/train.jsonl, test.jsonl: problems in the format of APPS, as demo/make_problems.py makes them.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codetune.data.duplicates import near_duplicates
from codetune.data.leaks import find_leaks
from codetune.data.samples import Sample
from make_problems import make_programs
from make_samples import make_records

Record = dict[str, Any]
CONALA = {"train": 320, "validation": 40, "test": 40}
APPS = {"train": 160, "test": 16}
PYTHON = 240  # records
SEED = 4


def python_records(count: int, seed: int) -> list[Record]:
    """Makes records in Python without an input."""
    made = make_records(9 * count, seed)
    return [record for record in made if not record["input"] and "Python" in record["instruction"]][:count]


def divide(samples: Sequence[Sample], sizes: Mapping[str, int]) -> dict[str, list[int]]:
    """Divides samples into parts, of which `test` is the last; those that are left over take the place of leaks.

    Args:
        samples: More than the parts have, their ids being their places.
        sizes: Number of samples of each part.

    Returns:
        The ids in each part.
    """
    known = sum(sizes.values()) - sizes["test"]
    tested, spare = list(samples[known:][: sizes["test"]]), iter(samples[known + sizes["test"] :])
    while leaked := {leak.id for leak in find_leaks({"train": samples[:known]}, tested)}:
        tested = [next(spare) if sample.id in leaked else sample for sample in tested]
    train = sizes["train"]
    parts = {"train": range(train), "validation": range(train, known), "test": [sample.id for sample in tested]}
    return {part: list(parts[part]) for part in sizes}


def make_conala(seed: int) -> dict[str, list[Record]]:
    """Makes the parts of a data set of short requests, all in Python as CoNaLa's are."""
    records = python_records(CONALA["train"] + CONALA["validation"] + 4 * CONALA["test"], seed)
    samples = [Sample(number, **record) for number, record in enumerate(records)]
    return {part: [records[place] for place in places] for part, places in divide(samples, CONALA).items()}


def make_apps(seed: int) -> dict[str, list[Record]]:
    """Makes the parts of a data set of programming problems."""
    records = make_programs(APPS["train"] + 8 * APPS["test"], seed)
    texts = [{"instruction": one["question"], "input": "", "output": one["solutions"]} for one in records]
    samples = [Sample(number, **text) for number, text in enumerate(texts)]
    return {part: [records[place] for place in places] for part, places in divide(samples, APPS).items()}


def make_python(count: int, seed: int, others: Sequence[Record]) -> list[Record]:
    """Makes records in Python, of which none is like another or like one of the others."""
    kept = [f"{record['instruction']}\n{record['output']}" for record in others]
    chosen: list[Record] = []
    while len(chosen) < count:
        seed += 1
        more = python_records(count, seed)
        texts = [f"{record['instruction']}\n{record['output']}" for record in more]
        like = {place for group in near_duplicates([*kept, *texts]) for place in group[1:]}
        new = [place for place in range(len(more)) if len(kept) + place not in like]
        chosen += [more[place] for place in new]
        kept += [texts[place] for place in new]
    return chosen[:count]


def write(path: Path, records: Sequence[Record]) -> None:
    """Writes records as a JSON list, or a line each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(record) + "\n" for record in records)
    path.write_text(lines if path.suffix == ".jsonl" else json.dumps(records, indent=1) + "\n", encoding="utf-8")
    print(f"{len(records)} records in {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Generates the data of the studies in small.")
    parser.add_argument("output", type=Path)
    folder = parser.parse_args().output
    conala = make_conala(SEED)
    for part, records in conala.items():
        write(folder / "conala" / f"{part}.json", records)
    write(folder / "codealpaca-py.json", make_python(PYTHON, SEED, [one for part in conala.values() for one in part]))
    for part, records in make_apps(SEED).items():
        write(folder / "apps" / f"{part}.jsonl", records)


if __name__ == "__main__":
    main()
