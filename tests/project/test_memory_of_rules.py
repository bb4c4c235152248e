"""What a rule declares as its memory suffices: what it takes grows no faster with what it reads."""

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from codetune.base.files import write_jsonl
from codetune.evaluation.pairs import count_resamples
from codetune.evaluation.registry import metrics
from codetune.study.record import read_record
from codetune.study.runs import Evaluation
from conftest import ROOT
from fake_records import fake_record, seal, write_fake

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
        assert re.fullmatch(
            r"(memory_on_host\()?(\d{4,}|memory\(.*\)|memory_of_bootstrap|memory_of_training|memory_of_guests)\)?",
            declared,
        ), declared


BOOTSTRAP = """
import re, sys
sys.path.insert(0, sys.argv[1])
from codetune.evaluation.significance import measure_significance
from codetune.study.records import read_records
measure_significance(read_records(sys.argv[3:]), "alpaca", [], "rouge_l", 100, 0, sys.argv[2])
print(1024 * int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1]))
"""


def scored_row(rng, number):
    """A row of scores.jsonl of a real form; the least that such a row takes."""
    counts = {"bleu": 10, "chrf": 18, "codebleu": 3}
    statistics = {
        name: [rng.randint(1, 300) for _ in range(counts.get(name.removesuffix("_on_code"), 1))] for name in metrics()
    }
    statistics = {name: found if len(found) > 1 else [rng.random(), 1.0] for name, found in statistics.items()}
    return {"id": number, "language": "C", "length": 9} | dict.fromkeys(metrics(), 0.5) | {"statistics": statistics}


def bootstrap(folder, models, samples):
    """A study of so many models: the most memory of its bootstrap in bytes, and what its rule reads and knows."""
    rng, paths, scores, evaluations, methods = random.Random(0), [], [], [], {}
    for model in range(models):
        for method in ("base", "qlora"):
            record = fake_record(f"m{model}", method)
            path = Path(write_fake(record, folder))
            read = read_record(path)
            place = read.path_of("scores", "alpaca")
            write_jsonl(place, [scored_row(rng, number) for number in range(samples)])
            seal(path)
            paths.append(path)
            scores.append(place)
            methods[method] = record.method
            evaluations.append(Evaluation(record.run, "alpaca"))
    printed = subprocess.run(
        [sys.executable, "-c", BOOTSTRAP, str(ROOT / "workflow/scripts"), str(folder / "c.json"), *map(str, paths)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ).stdout
    size = sum(path.stat().st_size for path in (*paths, *scores)) / 1e6
    trained = [one.run.system for one in evaluations if one.run.method == "qlora"]
    study = SimpleNamespace(of_test=lambda _: evaluations, methods=methods, trained_systems=trained)
    return int(printed.split()[-1]) / 1e6, declared(study, SimpleNamespace(scores=scores, size_mb=size))


def declared(study, read):
    """What `memory_of_bootstrap` says, without the least that each rule declares."""
    found = re.search(r"def memory_of_bootstrap.*?\n\n\n", (RULES / "common.smk").read_text(), re.DOTALL)
    known = {
        "STUDY": study,
        "count_resamples": count_resamples,
        "config": {"evaluation": {"resamples": 100}},
        "max": lambda _, value: value,
    }
    exec(found[0], known)
    return known["memory_of_bootstrap"](SimpleNamespace(test="alpaca"), read)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much a process took at most since it began")
def test_a_bootstrap_takes_no_more_memory_than_its_rule_declares_however_many_comparisons_there_are(tmp_path):
    few, many = bootstrap(tmp_path / "few", 2, 300), bootstrap(tmp_path / "many", 10, 1000)
    assert few[0] < few[1]
    assert many[0] < many[1]
    assert many[0] - few[0] < many[1] - few[1]
    assert many[0] < 500
