"""The table of costs: what was trained, and what that and decoding took, on a GPU and without one."""

import csv
from dataclasses import replace

import pytest
from codetune.base.machine import PeakMemory
from codetune.base.manifests import MANIFEST, write_manifest
from codetune.report.cost import cost_table, write_costs
from codetune.study.method import Quantization, TuningSettings
from codetune.study.sizes import Size, SizeFacts
from fake_records import fake_generation, fake_method, fake_record, with_test
from latex_reader import read_latex
from markdown_reader import read_markdown, rows_of

GIB = 2**30
METHODS = {
    "base": fake_method("base"),
    "qlora": fake_method("qlora"),
    "full": fake_method(
        "full", kind="full", tuning=TuningSettings("full"), quantization=Quantization("none", True, "x")
    ),
}
SIZES = [
    SizeFacts(
        model, {"qlora": Size(METHODS["qlora"].tuning, 5_636_096, 10**9), "full": Size(TuningSettings("full"), 1, 1)}
    )
    for model in ("a", "b")
]


@pytest.fixture
def disk(tmp_path):
    """Returns the manifest of a folder with a file of so many bytes."""

    def made(size):
        folder = tmp_path / str(size)
        folder.mkdir(exist_ok=True)
        (folder / "weights").write_bytes(bytes(size))
        write_manifest(folder)
        return str(folder / MANIFEST)

    return made


def a_run(method, seed=0, model="a", memory=None, **cost):
    """The record of a run; `memory` is that of training and generation, `cost` what training took."""
    record = fake_record(model, METHODS[method], seed=seed)
    memory = memory or PeakMemory("GPU", (10 + seed) * GIB, 9 * GIB)
    tested = record.tests["alpaca"]
    tests = {"alpaca": replace(tested, generation=fake_generation(peak_memory=memory, tokens=900, seconds=60.0))}
    if record.training is None:
        return replace(record, tests=tests)
    spent = replace(record.training.cost, peak_memory=memory, **cost)
    return replace(record, tests=tests, training=replace(record.training, cost=spent))


def written(tmp_path, records, tuned):
    outputs = {form: str(tmp_path / f"cost.{form}") for form in ("csv", "md", "tex")}
    write_costs(cost_table(records, tuned, SIZES), outputs)
    with open(outputs["csv"]) as stream:
        rows = list(csv.DictReader(stream))
    shown = rows_of(outputs["md"])
    return rows, [list(shown[0]), *(list(row.values()) for row in shown)], (tmp_path / "cost.md").read_text()


def test_models_come_one_after_the_other_and_in_each_the_untuned_systems_first(tmp_path, disk):
    runs = [a_run("qlora"), a_run("base"), a_run("full", model="b"), a_run("base", model="b"), a_run("full")]
    rows, _, _ = written(tmp_path, runs, [disk(9), disk(9), disk(9)])
    assert [(row["model"], row["method"]) for row in rows] == [
        ("A", "base"),
        ("A", "qlora"),
        ("A", "full"),
        ("B", "base"),
        ("B", "full"),
    ]


def test_seeds_are_one_row_of_mean_times_and_the_most_memory(tmp_path, disk):
    runs = [a_run("qlora", 0, seconds=3600.0), a_run("base"), a_run("qlora", 1, seconds=7200.0, energy_joules=1.0)]
    rows, (head, untuned, tuned), text = written(tmp_path, runs, [disk(1_000_000), disk(2_000_000)])
    row = rows[1]
    assert (row["seeds"], row["training_seconds"], row["training_memory"]) == ("2", "5400.0", str(11 * GIB))
    assert (row["trainable"], row["trainable_percent"]) == ("5636096", "0.5636096")
    assert row["training_joules"] == ""  # not measured of both
    shown = dict(zip(head, tuned, strict=True))
    assert shown == {
        "Model": "A",
        "Method": "qlora",
        "Seeds": "2",
        "Trained": "5.64 M",
        "Trained (%)": "0.564",
        "On disk (MB)": shown["On disk (MB)"],
        "Training (h)": "1.50",
        "Training: tokens/s": "3,000",
        "Training: memory (GiB)": "11.00",
        "Training: allocated (GiB)": "9.00",
        "Generation (h)": "0.02",
        "Generation: tokens/s": "15",
        "Generation: memory (GiB)": "11.00",
        "Generation: allocated (GiB)": "9.00",
    }
    assert shown["On disk (MB)"] == "2.00"  # of the larger, with no manifest in it
    assert [cell for name, cell in zip(head, untuned, strict=True) if name.startswith("Train")] == ["-"] * 6
    assert "reserved" in text


def test_generation_is_that_of_all_test_sets(tmp_path):
    record = with_test(a_run("base"), "evol", {"rouge_l": 0.5})
    tests = {"alpaca": record.tests["alpaca"], "evol": record.tests["evol"]}
    tests["evol"] = replace(tests["evol"], generation=fake_generation(tokens=300, seconds=20.0))
    rows, *_ = written(tmp_path, [replace(record, tests=tests)], [])
    assert (rows[0]["generation_seconds"], rows[0]["generation_tokens_per_second"]) == ("80.0", "15.0")


def test_without_a_gpu_memory_is_that_of_the_process_and_has_no_parts(tmp_path, disk):
    memory = PeakMemory("process", 3 * GIB)
    rows, (head, *_), text = written(tmp_path, [a_run("qlora", memory=memory), a_run("base", memory=memory)], [disk(9)])
    assert {(row["memory_of"], row["training_memory_allocated"]) for row in rows} == {("process", "")}
    assert not any("allocated" in name for name in head)
    assert "memory of the whole process" in " ".join(text.split()) or "of the whole process" in text


def test_what_memory_depends_on_is_shown_where_it_differs(tmp_path, disk):
    one, other = a_run("qlora", micro_batch=4), a_run("full", micro_batch=1)
    plan = other.training.plan
    plan = replace(plan, memory=replace(plan.memory, gradient_checkpointing=True))
    other = replace(other, training=replace(other.training, plan=plan))
    _, (head, *rows), text = written(tmp_path, [one, other], [disk(9), disk(9)])
    said = "Rows of both kinds do not compare in memory; a prefix cannot be trained with gradient checkpointing."
    assert said in " ".join(text.split())
    assert "do not compare" not in written(tmp_path, [one], [disk(9)])[2]
    names = ["Quantization", "Training: sequences at once", "Training: computed twice"]
    assert [[row[head.index(name)] for name in names] for row in rows] == [["nf4", "4", "no"], ["none", "1", "yes"]]


def test_fifty_four_systems_are_a_table_that_latex_can_set_and_readers_can_read(tmp_path, disk):
    """Six models by nine methods."""
    names = ["base", "base-chat", *(f"method-{number}" for number in range(7))]
    methods = {name: fake_method(name) for name in names}
    sizes = [SizeFacts(f"m-{model}", {"x": Size(methods["method-0"].tuning, 1234567, 10**9)}) for model in range(6)]
    runs = [
        fake_record(f"m-{model}", method, seed=seed)
        for model in range(6)
        for method in methods.values()
        for seed in range(3 if method.trains else 1)
    ]
    tuned = [disk(123)] * (6 * 7 * 3)
    outputs = {form: str(tmp_path / f"cost.{form}") for form in ("csv", "md", "tex")}
    write_costs(cost_table(runs, tuned, sizes), outputs)
    training, generation = read_markdown(outputs["md"]).tables
    assert (len(training), len(generation)) == (1 + 42, 1 + 54)  # nothing is trained of the untuned ones
    assert max(map(len, (tmp_path / "cost.md").read_text().splitlines()[2:10])) < 300
    assert len(read_latex(outputs["tex"]).rows) == 1 + 54
    assert "longtable" in (tmp_path / "cost.tex").read_text()
