"""Counts and the memory model against what PEFT's own comparison published (benchmarks/peft_comparison.py)."""

import json

import peft_comparison
import pytest
from common import read_architectures
from peft_comparison import RUNS, UnknownError, WorkedOut, markdown, row, work_out

CONFIG = read_architectures()["llama-3.2-3b"]["config"]
PUBLISHED = {run["name"]: run for run in json.loads(RUNS.read_text())["runs"]}


def test_all_published_counts_are_ours():
    """Of every published run, trainable and total, at full size."""
    counts = {name: peft_comparison.count(run, CONFIG) for name, run in PUBLISHED.items()}
    assert counts == {name: (run["trainable"], run["total"]) for name, run in PUBLISHED.items()}
    assert len(counts) == 46


@pytest.mark.parametrize("name", ["lora--llama-3.2-3B-rank32", "ia3--llama-3.2-3B-default"])
def test_the_published_memory_is_near_what_is_worked_out(name):
    run = PUBLISHED[name]
    found = work_out(run, CONFIG)
    assert found.peak == pytest.approx(run["memory_max"], rel=0.06)
    assert found.evaluation < found.training
    scores = 0.352e9  # those of the average batch, which a step leaves
    assert found.between + scores == pytest.approx(run["allocated_avg"], rel=0.001)


@pytest.mark.parametrize("published", [{"peft_type": "UNHEARD_OF"}, {"peft_type": "LORA", "use_unheard_of": True}])
def test_what_the_installed_peft_lacks_is_said(published):
    run = PUBLISHED["lora--llama-3.2-3B-rank32"] | {"peft_config": published}
    with pytest.raises(UnknownError, match="no (type|setting)"):
        work_out(run, CONFIG)
    assert row(run, CONFIG).startswith("no ")
    off = run | {"peft_config": {"peft_type": "LORA", "r": 32, "target_modules": ["q_proj", "v_proj"], "unheard": None}}
    assert peft_comparison.count(off, CONFIG) == (run["trainable"], run["total"])


def test_the_table_says_what_is_equal_and_what_is_near():
    runs = list(PUBLISHED.values())[:3]
    first, second = (WorkedOut(run["trainable"], run["total"], run["memory_max"], 1, 0) for run in runs[:2])
    off = WorkedOut(second.trainable + 1, second.total, 2 * second.training, 1, 0)
    text = markdown(runs, [first, off, "no type OF_TOMORROW in PEFT 0"], "somewhere")
    assert "equal for **1 of 2**" in text
    assert "within 15 % for **1 of 2**" in text
    lines = text.splitlines()[-3:]
    assert "| equal |" in lines[0]
    assert f"| {second.trainable + 1:,} |" in lines[1]
    assert "| no type OF_TOMORROW in PEFT 0 |" in lines[2]
