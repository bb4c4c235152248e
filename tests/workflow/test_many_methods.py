"""Studies of many methods: what is planned, how much work a plan is, and how long they take on many GPUs."""

import os
import sys
from collections import Counter
from dataclasses import replace
from unittest.mock import patch

import pytest
import yaml
from codetune.study.config import load_study
from codetune.study.fingerprints import Fingerprints
from codetune.study.runs import Run
from codetune.study.tables import table_inputs, table_params
from conftest import ROOT
from costs import ARCHITECTURES, DORA, INT8, decoding_work, modelled, training_work
from fake_records import fake_method
from methods_study import methods_study
from paper_config import paper_config
from schedule import read_plan, simulate
from snakemake.utils import update_config

CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text())
SHIPPED = yaml.safe_load((ROOT / "config/methods.yaml").read_text())
LLAMA = ARCHITECTURES["llama-3.2-1b"]["config"]


def planned(*configfiles, **overlay):
    with patch.dict(os.environ):  # the workflow sets some for its jobs
        return read_plan([ROOT / "config" / name for name in configfiles], **overlay)


def studied(overlay):
    config = paper_config()
    update_config(config, overlay)
    return load_study(config)


def test_the_shipped_study_of_methods_is_planned_with_its_searches():
    plan = planned("methods.yaml")
    study, count = plan.study, Counter(job.rule for job in plan.jobs)
    assert count["choose"] == sum(run.method in study.trials for run in study.training_runs) == 17
    assert count["finetune"] == len(study.trainings) == len(study.training_runs) + count["choose"] == 54
    assert count["curve"] == count["publish"] == len(study.training_runs)
    assert count["generate"] == len([run for run in study.runs if not run.retrieves])
    for run in study.training_runs:  # gains are over the untuned model of the same quantisation, in both templates
        method = study.methods[run.method]
        baselines = [study.methods[name] for name in method.baselines]
        assert len(baselines) == 2
        assert {one.quantization for one in baselines} == {method.quantization}
        assert {study.template_of(replace(run, method=one.name, data="none")) for one in baselines} == {"paper", "chat"}
        assert {Run("none", run.model, one.name, 0) for one in baselines} <= {*study.runs}


def test_the_shipped_study_of_methods_keeps_the_runs_of_the_paper_s():
    study = studied(SHIPPED)
    assert {*load_study(paper_config()).runs} <= {*study.runs}


def test_of_a_search_one_job_follows_its_trials_and_all_else_follows_that():
    jobs = planned("methods.yaml").jobs
    for job in jobs:
        if job.rule == "choose":
            needed = [jobs[number] for number in job.needs]
            name = job.wildcards["method"]
            assert {one.rule for one in needed} == {"finetune"}
            assert sorted(one.wildcards["method"] for one in needed) == [f"{name}@1", f"{name}@2"]
        elif job.rule != "finetune":
            assert "@" not in job.wildcards.get("method", "")


@pytest.fixture(scope="module")
def large():
    return planned(**methods_study())


def test_six_models_nine_methods_and_three_seeds_are_162_trainings(large):
    count = Counter(job.rule for job in large.jobs)
    assert count["finetune"] == count["curve"] == len(large.study.trainings) == 6 * 9 * 3
    assert count["generate"] == 6 * 9 * 3 + 6 * 3


def test_a_plan_reads_the_code_once_for_each_script_and_kind_of_tuning():
    """However many runs there are."""
    closure, calls = Fingerprints.closure, Counter()

    def counted(self, script, by_name=()):
        calls[script.name, *by_name] += 1
        return closure(self, script, by_name)

    with patch.object(Fingerprints, "closure", counted):
        jobs = planned(**methods_study(seeds=[0])).jobs
    trained = {name for name in calls if name[0] == "finetune.py"}
    assert len(trained) == 3  # adapters, soft prompts, all weights
    assert set(calls.values()) == {1}
    assert len(jobs) > 10 * len(calls)


def test_the_work_of_a_study_grows_as_its_runs_do():
    """Calls of functions, in all that a plan asks of the study."""

    def calls(seeds):
        study, count = studied(methods_study(range(seeds))), 0

        def note(frame, event, argument):
            nonlocal count
            count += event in ("call", "c_call")

        sys.setprofile(note)
        try:
            table_inputs(study, str.format, str.format)
            table_params(study, "rouge_l")
            for run in study.runs:
                study.of_run(run)
            for run in study.trainings:
                study.for_training(run)
        finally:
            sys.setprofile(None)
        return len(study.runs), count

    (few, less), (many, more) = calls(2), calls(20)
    assert more / less < 1.2 * many / few


def test_the_hours_fall_with_the_gpus_until_one_chain_is_left(large):
    jobs = [modelled(job, large.study, epochs=10) for job in large.jobs]
    four, many = (simulate(jobs, gpus, cores=12 * gpus) for gpus in (4, 64))
    assert four.seconds < 1.05 * four.ideal
    assert many.seconds < 1.25 * many.bound
    assert many.bound < four.seconds / 10


def work(method, **changes):
    return training_work(LLAMA, replace(method, **changes), train=100, validation=10, evaluations=0).training


def test_what_a_method_costs_follows_from_what_it_trains_and_how_weights_are_held():
    lora = fake_method("lora")
    int8, bf16 = (replace(lora.quantization, type=kind) for kind in ("int8", "none"))
    dora = replace(lora.tuning, peft={**lora.tuning.peft, "use_dora": True})
    assert work(lora, quantization=bf16) == work(lora)
    assert work(lora, kind="full") == 1.5 * work(lora)  # a gradient for each weight, beside that of each input
    assert work(lora, quantization=int8) == INT8 * work(lora)
    assert work(lora, tuning=dora) == DORA * work(lora)
    assert decoding_work(LLAMA, replace(lora, quantization=int8), 5) == decoding_work(LLAMA, lora, INT8 * 5)


def test_virtual_tokens_take_time_where_they_pass_all_layers(large):
    seconds = {job.wildcards["method"]: modelled(job, large.study, 10).seconds for job in large.jobs
               if job.rule == "finetune" and job.wildcards["model"] == "llama-3.2-1b"}  # fmt: skip
    assert seconds["prompt"] > 1.15 * seconds["lora"]
    assert seconds["prefix"] == seconds["ia3"] == seconds["qlora"] == seconds["lora"]
