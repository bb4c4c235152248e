"""Table 1: what the paper declares of each training, beside what its plan, its samples and its packing give."""

import csv
import json
import math
import random
from dataclasses import replace

import pandas as pd
import pytest
from codetune.base.errors import StudyError
from codetune.base.plain import to_plain
from codetune.models.shapes import lora_parameters
from codetune.prompts.packing import pack
from codetune.report.table import write_table
from codetune.report.table1 import PlannedSystem, table1, write_table1
from codetune.study.declared import read_paper
from codetune.study.method import Quantization, TuningSettings
from codetune.study.runs import System
from codetune.study.sizes import Size, SizeFacts
from conftest import ROOT
from fake_records import fake_method, fake_model, fake_plan, fake_sizes
from latex_reader import read_latex
from paper_models import PUBLISHED
from tunings import PROJECTIONS, lora

PAPER = read_paper(ROOT / "config/papers/slm-qlora.yaml")
LLAMA = fake_model("llama-3.2-1b", label="Llama-3.2-1B", training={"batch_size": 160, "epochs": 50})
QWEN = fake_model("qwen2.5-3b", label="Qwen2.5-3B", training={"batch_size": 64, "epochs": 50})
MINE = fake_model("mine", label="My_model 100%")


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return str(path)


def outputs(folder, name):
    return {kind: str(folder / f"{name}.{kind}") for kind in ("csv", "md", "tex")}


def read(path):
    with open(path) as stream:
        return list(csv.DictReader(stream))


SHAPES = {"mine": "Llama-3.2-1B", "qwen2.5-3b": "Qwen2.5-3B", "llama-3.2-1b": "Llama-3.2-1B"}


@pytest.fixture
def first(tmp_path):
    return make(tmp_path, [(model, 8, PROJECTIONS) for model in (MINE, QWEN, LLAMA)])


def make(tmp_path, entries, **keys):
    """Table 1 of trainings with a model, a rank and modules; `keys` are PEFT's, of all of them."""
    plans, stats, sizes = [], [], {}
    train = {"packed_sequences": 2400, "samples": 17014}
    for model, rank, modules in entries:
        name, shape = f"lora{rank}", PUBLISHED[SHAPES[model.name]][0]
        method = fake_method(name, tuning=lora(r=rank, target_modules=modules, **keys))
        plans.append(PlannedSystem(System("d", model.name, name), model.label, fake_plan(model, method)))
        counted = fake_sizes(model.name, method, trainable=lora_parameters(shape, rank, modules), total=10**9)
        sizes.setdefault(model.name, SizeFacts(model.name, {})).methods.update(counted.methods)
        stats.append(write(tmp_path / model.name / "stats.json", {"parts": {"train": train}}))
    return table1(plans, stats, [*sizes.values()], PAPER)


def test_table1_declares_and_computes(first, tmp_path):
    assert list(first["model"]) == ["Llama-3.2-1B", "Qwen2.5-3B", "My_model 100%"]  # the paper's order, then ours
    row = first.iloc[0]
    assert (row["paper_trainable"], row["paper_steps"]) == ("11.3M", 750)
    assert (row["trainable"], row["trainable_r8"], row["trainable_r16"]) == (5636096, 5636096, 11272192)
    assert row["steps_packed"] == 750  # 50 epochs of 15 steps: what packing gives is what Table 1 says
    assert row["steps_unpacked"] == 50 * 107
    write_table1(first, outputs(tmp_path, "t"))
    text = (tmp_path / "t.md").read_text()
    assert "5.64 M" in text
    assert "29.93 M" in text
    assert "My\\_model 100\\%" in (tmp_path / "t.tex").read_text()
    assert int(read(tmp_path / "t.csv")[0]["trainable_r8"]) == 5636096


@pytest.mark.parametrize(
    ("entries", "keys", "filled", "shown"),
    [
        ([(LLAMA, 8, PROJECTIONS)], {}, [[8, 16]], [16]),
        ([(LLAMA, 16, PROJECTIONS)], {}, [[8, 16]], [8]),
        ([(LLAMA, 64, PROJECTIONS)], {}, [[]], []),  # not one of the paper's ranks
        ([(LLAMA, 8, ["q_proj"])], {}, [[]], []),  # not the paper's modules
        ([(LLAMA, 8, PROJECTIONS)], {"use_dora": True}, [[]], []),  # not the paper's method: not proportional to r
        ([(MINE, 8, PROJECTIONS)], {}, [[]], []),  # not the paper's model
        ([(LLAMA, 8, PROJECTIONS), (MINE, 64, PROJECTIONS)], {}, [[8, 16], []], [16]),
        ([(LLAMA, 8, PROJECTIONS), (LLAMA, 16, PROJECTIONS)], {}, [[8, 16], [8, 16]], [8, 16]),
    ],
)
def test_table1_has_all_ranks_that_the_paper_may_mean_where_they_belong(tmp_path, entries, keys, filled, shown):
    table = make(tmp_path, entries, **keys)
    ranks = [int(name.removeprefix("trainable_r")) for name in table if name.startswith("trainable_r")]
    assert ranks == sorted({rank for own in filled for rank in own})
    for (_, row), own, (_, rank, _) in zip(table.iterrows(), filled, entries, strict=True):
        assert [rank for rank in ranks if not pd.isna(row[f"trainable_r{rank}"])] == own
        assert all(row[f"trainable_r{one}"] * rank == row["trainable"] * one for one in own)
    write_table1(table, outputs(tmp_path, "t"))
    head, *_ = read_latex(tmp_path / "t.tex").rows
    assert [name for name in head if name.startswith("Trainable, r=")] == [f"Trainable, r={rank}" for rank in shown]


@pytest.mark.parametrize(("packing", "epoch"), [(True, 15), (False, 107)])
def test_what_is_left_of_the_rate_is_of_the_steps_that_the_method_has(tmp_path, packing, epoch):
    """After ten steps of warm-up and three epochs, of samples packed or not."""
    method = fake_method("mine", training={"packing": packing})
    planned = PlannedSystem(System("d", LLAMA.name, "mine"), LLAMA.label, fake_plan(LLAMA, method))
    stats = write(tmp_path / "stats.json", {"parts": {"train": {"packed_sequences": 2400, "samples": 17014}}})
    table = table1([planned], [stats], [fake_sizes(LLAMA.name, method)], PAPER)
    (left,) = table["rate_left"]
    assert left == pytest.approx((1 + math.cos(math.pi * (3 * epoch - 10) / (50 * epoch - 10))) / 2)
    assert (table["steps_packed"].item(), table["steps_unpacked"].item()) == (50 * 15, 50 * 107)


def test_table1_says_what_early_stopping_leaves_of_the_schedule(first, tmp_path):
    """After ten steps of warm-up. Mine plans two epochs, so that a patience of three has no end."""
    assert first["epochs"].tolist() == [50, 50, 2]
    waited = [(3 * epoch - 10) / (50 * epoch - 10) for epoch in (15, 38)]
    left = [*((1 + math.cos(math.pi * share)) / 2 for share in waited), math.nan]
    assert first["rate_left"].tolist() == pytest.approx(left, abs=1e-12, nan_ok=True)
    write_table1(first, outputs(tmp_path, "t"))
    head, *rows = read_latex(tmp_path / "t.tex").rows
    at = [head.index(name) for name in ("Epochs planned", "Patience", "Rate left")]
    assert [[row[place] for place in at] for row in rows] == [
        ["50", "3", "0.994"],
        ["50", "3", "0.993"],
        ["2", "3", "-"],
    ]
    text = (tmp_path / "t.md").read_text()
    assert "Of the paper's 50 epochs with a cosine, 3 leave 0.991 of the highest rate" in text


@pytest.mark.parametrize(
    ("settings", "patience", "left", "said"),
    [
        ({}, "5", "0.976", "50 epochs with a cosine, 5 leave 0.976 of the highest rate"),
        ({"patience": None}, "none", "-", None),
        ({"patience": 50}, "50", "-", None),
        ({"schedule": "linear", "evaluations_per_epoch": 3}, "5", "0.967", "5 leave 0.976"),  # 5 times 5 of 15 steps
        ({"schedule": "constant"}, "5", "1.000", "5 leave 0.976"),
        ({"warmup_steps": 150}, "5", "0.500", "5 leave 0.976"),
    ],
)
def test_the_rate_that_is_left_follows_from_schedule_and_patience(tmp_path, settings, patience, left, said):
    plan = fake_plan(LLAMA, fake_method("qlora"), **{"patience": 5, "warmup_steps": 0, **settings})
    stats = write(tmp_path / "stats.json", {"parts": {"train": {"packed_sequences": 2400, "samples": 17014}}})
    planned = PlannedSystem(System("d", LLAMA.name, "qlora"), LLAMA.label, plan)
    sizes = fake_sizes(LLAMA.name, fake_method("qlora"))
    write_table1(table1([planned], [stats], [sizes], PAPER), outputs(tmp_path, "t"))
    head, row = read_latex(tmp_path / "t.tex").rows
    assert (row[head.index("Patience")], row[head.index("Rate left")]) == (patience, left)
    text = (tmp_path / "t.md").read_text()
    assert said in text if said else "epochs with a cosine" not in text


def test_whole_numbers_are_whole_beside_an_empty_cell(first, tmp_path):
    """A model that is none of the paper's has no steps there."""
    write_table1(first, outputs(tmp_path, "t"))
    assert [row["paper_steps"] for row in read(tmp_path / "t.csv")] == ["750", "1950", ""]
    head, *rows = read_latex(tmp_path / "t.tex").rows
    assert [row[head.index("Steps (paper)")] for row in rows] == ["750", "1,950", "-"]
    assert "750.0" not in (tmp_path / "t.md").read_text()


def test_table1_is_made_from_plans_by_its_name(tmp_path):
    sizes = to_plain(fake_sizes(LLAMA.name, fake_method("qlora"), trainable=5636096))
    inputs = {
        "stats": [write(tmp_path / "stats.json", {"parts": {"train": {"packed_sequences": 2400, "samples": 17014}}})],
        "sizes": [write(tmp_path / "sizes.json", sizes)],
        "paper": str(ROOT / "config/papers/slm-qlora.yaml"),
    }
    system = {"data": "alpaca", "model": LLAMA.name, "method": "qlora"}
    entry = {"system": system, "label": LLAMA.label, "plan": to_plain(fake_plan(LLAMA, fake_method("qlora")))}
    entry["searched"] = {}
    write_table("table1", inputs, {"plans": [entry]}, outputs(tmp_path, "table1"))
    (row,) = read(tmp_path / "table1.csv")
    assert (row["data"], row["model"], row["batch_size"], row["steps_packed"]) == ("alpaca", LLAMA.label, "160", "750")


def test_a_tuning_that_was_not_counted_is_one_line(tmp_path):
    """The config has another one than the file of sizes, as after a part of the study ran again."""
    stats = write(tmp_path / "stats.json", {"parts": {"train": {"packed_sequences": 2400, "samples": 17014}}})
    planned = PlannedSystem(System("d", LLAMA.name, "x"), LLAMA.label, fake_plan(LLAMA, fake_method("x")))
    other = fake_sizes(LLAMA.name, fake_method("x", tuning=lora(r=2)))
    with pytest.raises(
        StudyError, match=r"^sizes/llama-3.2-1b.json: lacks a tuning \(LORA\). Delete it and run again.$"
    ):
        table1([planned], [stats], [other], PAPER)


@pytest.mark.parametrize("virtual", [1, 20, 50])
def test_virtual_tokens_take_room_in_packed_sequences(tmp_path, virtual):
    """The steps are those of the packing itself, to one in a hundred."""
    lengths = [random.Random(number).randint(20, 300) for number in range(3000)]
    packed, truth = (len(pack([length + more for length in lengths], 1024)) for more in (0, virtual))
    soft = TuningSettings("peft", {"type": "PROMPT_TUNING", "num_virtual_tokens": virtual})
    methods = [fake_method("lora"), fake_method("soft", tuning=soft)]
    plans = [
        PlannedSystem(System("d", LLAMA.name, one.name), LLAMA.label, fake_plan(LLAMA, one, batch_size=1))
        for one in methods
    ]
    train = {"packed_sequences": packed, "samples": len(lengths), "tokens": sum(lengths)}
    stats = write(tmp_path / "stats.json", {"parts": {"train": train}})
    sizes = SizeFacts(LLAMA.name, {one.name: Size(one.tuning, 1, 10) for one in methods})
    table = table1(plans, [stats] * 2, [sizes], PAPER)
    plain, with_tokens = table["steps_packed"]
    assert plain == 50 * packed
    assert with_tokens == pytest.approx(50 * truth, rel=0.01)
    assert (table["steps_unpacked"] == 50 * len(lengths)).all()
    assert table["paper_trainable"].notna().tolist() == [True, False]  # the paper trains LoRA
    write_table1(table, outputs(tmp_path, "t"))
    assert "Virtual tokens take room in packed sequences" in " ".join((tmp_path / "t.md").read_text().split())


def test_table1_tells_methods_apart_by_what_differs(tmp_path):
    ia3 = TuningSettings("peft", {"type": "IA3"})
    methods = {
        "qlora": fake_method("qlora"),
        "ia3": fake_method("ia3", tuning=ia3, training={"learning_rate": 3e-3}),
        "full": fake_method(
            "full",
            kind="full",
            tuning=TuningSettings("full"),
            training={"optimizer": "adafactor", "precision": "bfloat16", "packing": False},
        ),
    }
    stats = write(tmp_path / "stats.json", {"parts": {"train": {"packed_sequences": 2400, "samples": 17014}}})
    plans = [
        PlannedSystem(System("d", MINE.name, name), MINE.label, fake_plan(MINE, method))
        for name, method in methods.items()
    ]
    plans[2] = replace(plans[2], plan=replace(plans[2].plan, quantization=Quantization("none", True, "bfloat16")))
    counts = {"qlora": (5_636_096, 10**9), "ia3": (1234, 10**9), "full": (10**9, 10**9)}
    sizes = SizeFacts(MINE.name, {name: Size(methods[name].tuning, *counts[name]) for name in methods})
    write_table1(table1(plans, [stats] * 3, [sizes], PAPER), outputs(tmp_path, "t"))
    head, *rows = read_latex(tmp_path / "t.tex").rows
    names = ["Method", "Tuning", "Quantization", "Optimizer", "Precision", "Packing", "Learning rate"]
    assert [[row[head.index(name)] for name in [*names, "Trainable"]] for row in rows] == [
        ["qlora", "LORA", "nf4", "adamw", "float32", "yes", "0.0002", "5.64 M"],
        ["ia3", "IA3", "nf4", "adamw", "float32", "yes", "0.003", "1.23 K"],
        ["full", "full", "none", "adafactor", "bfloat16", "no", "0.0002", "1,000.00 M"],
    ]
