"""From the entries of the config's `runs` to evaluations, and to the targets that some of them are asked for by."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from codetune.base.errors import StudyError
from codetune.study.joint import Joint
from codetune.study.method import Method
from codetune.study.runs import NONE, Evaluation, Run

KEY = "targets"  # of an entry of the config's `runs`
MOST_RUNS = 10_000  # of one study: the plan of so many takes a quarter of an hour
Entry = Mapping[str, Any]  # an entry of the config's `runs`, with its defaults


@dataclass(frozen=True)
class Choices:
    """What decides which runs an entry stands for.

    Attributes:
        methods: The methods by name.
        joints: The data sets that are made from others, by name.
        draws: Whether completions are drawn. Then all runs that have a model differ by their seeds.
    """

    methods: Mapping[str, Method]
    joints: Mapping[str, Joint]
    draws: bool


def build_evaluations(entries: list[Entry], choices: Choices) -> list[Evaluation]:
    """Pairs each run with its test sets. An untuned model is one run, whatever it is compared with.

    Args:
        entries: Of the config's `runs`.
        choices: What decides which runs they stand for.

    Raises:
        StudyError: There are too many, or one that uses data is named twice.
    """
    count = sum(prod(len(names) for key, names in entry.items() if key != KEY) for entry in entries)
    if count > MOST_RUNS:
        raise StudyError(f"config: runs: {count:,} runs are more than {MOST_RUNS:,}. Split them into several studies.")
    found = [evaluation for entry in entries for evaluation in _of_entry(entry, choices)]
    times = Counter(found)
    if twice := next((one for one in times if times[one] > 1 and one.run.data != NONE), None):
        name = f"{twice.run.data}, {twice.run.model}, {twice.run.method}, seed {twice.run.seed} on {twice.test}"
        raise StudyError(f"config: runs: {name} is named twice. Remove one of the two.")
    return list(times)


def name_targets(entries: list[Entry], choices: Choices) -> dict[str, list[Run]]:
    """Collects the runs of each target that entries name, each once, in the order of the config."""
    found: dict[str, dict[Run, None]] = {}
    for entry in entries:
        for name in entry.get(KEY, []):
            found.setdefault(name, {}).update(dict.fromkeys(one.run for one in _of_entry(entry, choices)))
    return {name: list(runs) for name, runs in found.items()}


def _of_entry(entry: Entry, choices: Choices) -> list[Evaluation]:
    found = []
    for dataset, model, name in product(entry["datasets"], entry["models"], entry["methods"]):
        method = choices.methods[name]
        data = dataset if method.uses_data else NONE
        # Neither an untuned model's greedy decoding nor a search involves randomness, so one seed suffices.
        seeds = entry["seeds"] if method.differs_by_seed(choices.draws) else [0]
        runs = [Run(data, model, name, seed) for seed in seeds]
        own = choices.joints[dataset].datasets if dataset in choices.joints else [dataset]
        found += [Evaluation(run, test) for test in entry.get("tests", own) for run in runs]
    return found
