"""Generates a data set in parts, of which no test record is like one of the others.

Usage: PYTHONPATH=workflow/scripts python demo/make_parts.py OUTPUT_FOLDER [--train N] [--validation N] [--test N]
                                                             [--seed S]

It writes train.json, test.json and, if it has any records, validation.json: records without an input, as
demo/make_samples.py makes them.
"""

import argparse
import json
from pathlib import Path

from codetune.data.leaks import find_leaks
from codetune.data.samples import Sample
from make_samples import make_records


def make_parts(train: int, validation: int, test: int, seed: int) -> dict[str, list[dict[str, str]]]:
    """Makes the records of each part; a record of the test part that is like one of the others is exchanged."""
    count, known = train + validation + 4 * test, train + validation
    records = [record for record in make_records(3 * count, seed) if not record["input"]][:count]
    samples = [Sample(number, **record) for number, record in enumerate(records)]
    tested, spare = samples[known:][:test], iter(samples[known + test :])
    while leaked := {leak.id for leak in find_leaks({"train": samples[:known]}, tested)}:
        tested = [next(spare) if sample.id in leaked else sample for sample in tested]
    chosen = [records[sample.id] for sample in tested]
    return {"train": records[:train], "validation": records[train:known], "test": chosen}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Generates a data set in parts.")
    parser.add_argument("output", type=Path)
    parser.add_argument("--train", type=int, default=320)
    parser.add_argument("--validation", type=int, default=0)
    parser.add_argument("--test", type=int, default=40)
    parser.add_argument("--seed", type=int, default=4)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for part, found in make_parts(options.train, options.validation, options.test, options.seed).items():
        if found:
            (options.output / f"{part}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            print(f"{len(found)} records in {options.output}/{part}.json")
