"""Table 1: what the paper declares of each training, beside what its plan, its samples and its packing give."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from codetune.base.errors import StudyError
from codetune.base.plain import to_plain
from codetune.papers.declared import read_paper
from codetune.report.table import write_table
from codetune.report.table1 import PlannedSystem, table1, write_table1
from codetune.study.runs import System
from conftest import ROOT
from fake_records import fake_method, fake_model, fake_plan
from latex_reader import read_latex
from paper_models import PUBLISHED
from tunings import PROJECTIONS, lora

PAPER = read_paper(ROOT / "config/paper.yaml")
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


def make(tmp_path, entries):
    """Table 1 of trainings with a model, a rank and modules."""
    plans, stats, configs = [], [], []
    for model, rank, modules in entries:
        folder, shape = tmp_path / model.name, SHAPES[model.name]
        name = f"lora{rank}"
        plan = fake_plan(model, fake_method(name, tuning=lora(r=rank, target_modules=modules)))
        plans.append(PlannedSystem(System("d", model.name, name), model.label, plan))
        configs.append(str(folder))
        write(folder / "config.json", PUBLISHED[shape][0])
        train = {"packed_sequences": 2400, "samples": 17014}
        stats.append(write(folder / "stats.json", {"parts": {"train": train}}))
    return table1(plans, stats, configs, PAPER)


def test_table1_declares_and_computes(first, tmp_path):
    assert list(first["model"]) == ["Llama-3.2-1B", "Qwen2.5-3B", "My_model 100%"]  # the paper's order, then ours
    row = first.iloc[0]
    assert (row["paper_trainable"], row["paper_steps"]) == ("11.3M", 750)
    assert (row["trainable_r8"], row["trainable_r16"]) == (5636096, 11272192)
    assert row["steps_packed"] == 750  # 50 epochs of 15 steps: what packing gives is what Table 1 says
    assert row["steps_unpacked"] == 50 * 107
    write_table1(first, outputs(tmp_path, "t"))
    text = (tmp_path / "t.md").read_text()
    assert "5.64 M" in text
    assert "29.93 M" in text
    assert "My\\_model 100\\%" in (tmp_path / "t.tex").read_text()
    assert int(read(tmp_path / "t.csv")[0]["trainable_r8"]) == 5636096


@pytest.mark.parametrize(
    ("entries", "ranks", "filled"),
    [
        ([(LLAMA, 64, PROJECTIONS)], [64], [[64]]),
        ([(LLAMA, 16, PROJECTIONS)], [8, 16], [[8, 16]]),
        ([(LLAMA, 8, ["q_proj"])], [8], [[8]]),  # not the paper's modules
        ([(MINE, 8, PROJECTIONS)], [8], [[8]]),  # not the paper's model
        ([(LLAMA, 8, PROJECTIONS), (MINE, 64, PROJECTIONS)], [8, 16, 64], [[8, 16], [64]]),
        ([(LLAMA, 8, PROJECTIONS), (LLAMA, 4, PROJECTIONS)], [4, 8, 16], [[8, 16], [4]]),
    ],
)
def test_table1_has_the_ranks_of_the_methods_and_the_paper_s_where_they_belong(tmp_path, entries, ranks, filled):
    table = make(tmp_path, entries)
    assert [name for name in table if name.startswith("trainable_r")] == [f"trainable_r{rank}" for rank in ranks]
    for (_, row), own in zip(table.iterrows(), filled, strict=True):
        assert [rank for rank in ranks if not pd.isna(row[f"trainable_r{rank}"])] == own
    write_table1(table, outputs(tmp_path, "t"))
    head, *rows = read_latex(tmp_path / "t.tex").rows
    places = [place for place, name in enumerate(head) if name.startswith("Trainable, r=")]
    assert [head[place] for place in places] == [f"Trainable, r={rank}" for rank in ranks]
    assert [[ranks[n] for n, place in enumerate(places) if row[place] != "-"] for row in rows] == filled


@pytest.mark.parametrize(("packing", "epoch"), [(True, 15), (False, 107)])
def test_what_is_left_of_the_rate_is_of_the_steps_that_the_method_has(tmp_path, packing, epoch):
    """After ten steps of warm-up and three epochs, of samples packed or not."""
    plan = fake_plan(LLAMA, fake_method("mine", training={"packing": packing, "micro_batch": 5}))
    stats = write(tmp_path / "stats.json", {"parts": {"train": {"packed_sequences": 2400, "samples": 17014}}})
    write(tmp_path / "config.json", PUBLISHED["Llama-3.2-1B"][0])
    table = table1([PlannedSystem(System("d", LLAMA.name, "mine"), LLAMA.label, plan)], [stats], [str(tmp_path)], PAPER)
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
    folder = Path(write(tmp_path / "config.json", PUBLISHED["Llama-3.2-1B"][0])).parent
    stats = write(tmp_path / "stats.json", {"parts": {"train": {"packed_sequences": 2400, "samples": 17014}}})
    planned = PlannedSystem(System("d", LLAMA.name, "qlora"), LLAMA.label, plan)
    write_table1(table1([planned], [stats], [str(folder)], PAPER), outputs(tmp_path, "t"))
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
    config = write(tmp_path / "llama" / "config.json", PUBLISHED["Llama-3.2-1B"][0])
    inputs = {
        "stats": [write(tmp_path / "stats.json", {"parts": {"train": {"packed_sequences": 2400, "samples": 17014}}})],
        "configs": [str(Path(config).parent)],
        "paper": str(ROOT / "config/paper.yaml"),
    }
    system = {"data": "alpaca", "model": LLAMA.name, "method": "qlora"}
    entry = {"system": system, "label": LLAMA.label, "plan": to_plain(fake_plan(LLAMA, fake_method("qlora")))}
    write_table("table1", inputs, {"plans": [entry]}, outputs(tmp_path, "table1"))
    (row,) = read(tmp_path / "table1.csv")
    assert (row["data"], row["model"], row["batch_size"], row["steps_packed"]) == ("alpaca", LLAMA.label, "160", "750")


def table_of(tmp_path, modules, **config):
    """Table 1 of one model with another config.json, whose method adapts these modules."""
    write(tmp_path / "config.json", PUBLISHED["Llama-3.2-1B"][0] | config)
    stats = write(tmp_path / "stats.json", {"parts": {"train": {"packed_sequences": 2400, "samples": 17014}}})
    plan = fake_plan(LLAMA, fake_method("qlora"))
    plan = replace(plan, tuning=lora(target_modules=modules))
    return table1([PlannedSystem(System("d", "m", "qlora"), "My model", plan)], [stats], [str(tmp_path)], PAPER)


def test_modules_that_a_model_lacks_are_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(
        StudyError, match="My model has no q_proj, k_proj, v_proj, gate_proj, up_proj to adapt"
    ) as found:
        table_of(tmp_path, PROJECTIONS, model_type="phi3")
    assert "Its linear layers are qkv_proj, o_proj, gate_up_proj, down_proj." in str(found.value)
    with pytest.raises(StudyError, match="My model has no qkv_proj to adapt"):
        table_of(tmp_path, ["qkv_proj", "o_proj"])


def test_fused_projections_are_counted_as_they_are(tmp_path):
    hidden, inner, head, heads, keys, layers = 2048, 8192, 64, 32, 8, 16
    table = table_of(tmp_path, ["qkv_proj", "gate_up_proj"], model_type="phi3")
    both = hidden + head * (heads + 2 * keys) + hidden + 2 * inner
    assert table["trainable_r8"].tolist() == [layers * 8 * both]


@pytest.mark.parametrize("config", [{"model_type": "lfm2"}, {"model_type": "jamba", "intermediate_size": None}])
def test_what_config_json_does_not_tell_is_left_out(tmp_path, config):
    table = table_of(tmp_path, PROJECTIONS, **config)
    assert table["trainable_r8"].isna().all()
    write_table1(table, outputs(tmp_path, "t"))
    assert " M " not in (tmp_path / "t.md").read_text()
    assert "left out where config.json does not tell which layers a model has" in (tmp_path / "t.md").read_text()
    assert read(tmp_path / "t.csv")[0]["trainable_r8"] == ""
