"""The plan's line about trainings that do not fit on a GPU of 24 GB."""

import json
from dataclasses import replace
from functools import partial

import pytest
import yaml
from codetune.models.fits import describe_memory, memory_key, needed
from codetune.study.config import load_study
from codetune.study.method import Quantization, TuningSettings
from conftest import ROOT

SHAPES = {"model_type": "llama", "hidden_size": 64}


@pytest.fixture(scope="module")
def study():
    return load_study(yaml.safe_load((ROOT / "config" / "config.yaml").read_text()))


@pytest.fixture
def plan(study):
    return study.for_training(study.planned[0])


def table_of(study, path, gb):
    """A table in which the training of each model needs so many GB for each sequence at once."""
    repos = {run.model: study.models[run.model].source.repo for run in study.planned}
    shapes = {repo: SHAPES | {"hidden_size": place} for place, repo in enumerate(repos.values())}
    entries = {
        memory_key(shapes[repos[run.model]], study.for_training(run)): {
            "fixed_gb": 0.0,
            "sequence_gb": gb[run.model],
            "update_gb": 1.0,
        }
        for run in study.planned
        if run.model in gb
    }
    path.write_text(json.dumps({"shapes": shapes, "trainings": entries}))
    return path


def test_one_line_names_the_largest_and_counts_the_rest(study, tmp_path):
    gb = {"llama-3.2-1b": 6.0, "llama-3.2-3b": 50.0, "gemma-2-2b": 13.0, "qwen2.5-1.5b": 1.0, "qwen2.5-3b": 14.0}
    line = describe_memory(study, table_of(study, tmp_path / "table.json", gb))
    named = "llama-3.2-3b qlora 100 GB, llama-3.2-1b qlora 30 GB, qwen2.5-3b qlora 28 GB, and 1 more."
    assert line.startswith(f"memory: of 5 trainings, 4 need more than 24 GB: {named} Lower")
    assert "\n" not in line


def test_nothing_is_said_where_all_fits_or_nothing_is_known(study, tmp_path):
    assert describe_memory(study, table_of(study, tmp_path / "table.json", {"llama-3.2-1b": 4.0})) is None
    assert describe_memory(study, tmp_path / "missing.json") is None
    (tmp_path / "damaged.json").write_text("{")
    assert describe_memory(study, tmp_path / "damaged.json") is None


def test_the_shipped_study_fits(study):
    assert describe_memory(study, ROOT / "benchmarks" / "memory.json") is None


def test_the_optimizer_s_step_may_need_more_than_a_micro_batch():
    entry = {"fixed_gb": 10.0, "sequence_gb": 2.0, "update_gb": 15.0}
    assert [needed(entry, rows) for rows in (1, 2, 3)] == [15.0, 15.0, 16.0]


def with_keys(plan, **keys):
    """The plan of a training by the same method, but for these keys of PEFT."""
    return replace(plan, tuning=TuningSettings("peft", plan.tuning.peft | keys))


def test_what_moves_memory_has_a_key_of_its_own(plan):
    tuned = partial(with_keys, plan)
    others = [
        tuned(r=16),
        tuned(lora_dropout=0.0),
        tuned(use_dora=True),
        tuned(target_modules=["q_proj"]),
        replace(plan, tuning=TuningSettings("full")),
        replace(plan, quantization=Quantization("int8", double=True, compute_dtype="bfloat16")),
        replace(plan, quantization=Quantization("nf4", double=False, compute_dtype="bfloat16")),
        replace(plan, settings=replace(plan.settings, max_length=512)),
        replace(plan, settings=replace(plan.settings, optimizer="adafactor")),
        replace(plan, settings=replace(plan.settings, precision="bfloat16")),
        replace(plan, settings=replace(plan.settings, packing=False)),
        replace(plan, memory=replace(plan.memory, gradient_checkpointing=True)),
    ]
    keys = [memory_key(SHAPES, other) for other in [plan, *others]]
    assert len({*keys, memory_key(SHAPES | {"hidden_size": 32}, plan)}) == len(others) + 2


def test_what_moves_no_memory_has_the_same_key(plan):
    tuned = partial(with_keys, plan)
    same = [
        tuned(lora_alpha=99),
        tuned(lora_dropout=0.2),
        tuned(use_dora=False),
        tuned(target_modules=plan.tuning.peft["target_modules"][::-1]),
        replace(plan, quantization=Quantization("fp4", double=True, compute_dtype="bfloat16")),
        replace(plan, seed=7),
        replace(plan, settings=replace(plan.settings, learning_rate=1.0, batch_size=8)),
        replace(plan, memory=replace(plan.memory, micro_batch=64)),
    ]
    assert {memory_key(SHAPES, other) for other in same} == {memory_key(SHAPES, plan)}
