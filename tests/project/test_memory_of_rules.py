"""What a rule declares as its memory suffices: what it takes grows no faster with what it reads."""

import json
import random
import re
import subprocess
import sys

import pytest
from conftest import ROOT

RULES = ROOT / "workflow" / "rules"
SPLIT = """
import json, re, sys
sys.path.insert(0, sys.argv[1])
from codetune.base.files import write_json
from codetune.data.samples import check_imported, sha256_of_records
from codetune.data.split import split_dataset
from codetune.study.dataset import Split

source, folder = sys.argv[2:]
with open(source) as lines:
    write_json(folder + "/import.json", {"records": 1, "sha256": sha256_of_records(map(json.loads, lines))})
check_imported(source, folder + "/import.json")
targets = {name: f"{folder}/{name}.jsonl" for name in ("train", "validation", "test", "facts")}
split_dataset(source, "d", Split(0.8, 0.1, 0.1, 0, "together"), targets)
print(1024 * int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1]))
"""


def memory_of_split(folder, records):
    """The most memory that a split of so many records took, and the size of their file, both in bytes."""
    folder.mkdir()
    rng = random.Random(0)
    words = [f"word{number}" for number in range(20000)]
    with (folder / "records.jsonl").open("w") as lines:
        for _ in range(records):
            instruction, output = (" ".join(rng.choices(words, k=rng.randint(5, 50))) for _ in range(2))
            lines.write(json.dumps({"instruction": instruction, "input": "", "output": output}) + "\n")
    arguments = [str(ROOT / "workflow/scripts"), str(folder / "records.jsonl"), str(folder)]
    printed = subprocess.run(
        [sys.executable, "-c", SPLIT, *arguments], check=True, capture_output=True, text=True
    ).stdout
    return int(printed.split()[-1]), (folder / "records.jsonl").stat().st_size


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much a process took at most since it began")
def test_a_split_takes_no_more_memory_per_byte_than_its_rule_declares(tmp_path):
    rule = re.search(r"rule split:.*?mem_mb=memory\(per_mb=(\d+)\)", (RULES / "data.smk").read_text(), re.DOTALL)
    (low, small), (high, large) = (memory_of_split(tmp_path / str(count), count) for count in (500, 15000))
    assert high - low < int(rule[1]) * (large - small)
    assert low < 300e6  # which a rule declares beside


@pytest.mark.parametrize("path", sorted(RULES.glob("*.smk")), ids=lambda path: path.name)
def test_every_rule_that_declares_memory_declares_a_gigabyte_or_by_what_it_reads(path):
    for declared in re.findall(r"mem_mb=(.*?),?\s*(?:#.*)?$", path.read_text(), re.MULTILINE):
        assert re.fullmatch(r"\d{4,}|memory\(.*\)|memory_of_bootstrap", declared), declared
