"""The jobs that are watched are the jobs of the plan: with the rules' own outputs, logs and order."""

import re

import pytest
import yaml
from codetune.study.config import load_study
from codetune.study.stages import jobs_of
from conftest import ROOT
from merged_config import merged_config
from small_study import copy_workflow, snakemake

LIGHT = {  # not watched
    *("card", "size", "publish", "figure", "browser", "provenance", "page", "drop_checkpoints", "all"),
    *("records", "summary", "paper", "macros"),
}
TWICE = {
    "datasets": {
        "more": {
            "path": "more.jsonl",
            "split": {"train": 0.8, "validation": 0.1, "test": 0.1, "seed": 0, "near_duplicates": "together"},
        },
        "both": {"joint": ["codealpaca-20k", "more"]},
    },
    "encoders": {"small": {"repo": "org/encoder", "revision": "0" * 40}},
    "prompts": {"near": {"template": "paper", "examples": {"count": 1, "choose": "similar", "encoder": "small"}}},
    "methods": {"near": {"prompt": "near"}},
    "runs": [
        {
            "datasets": ["codealpaca-20k", "more", "both"],
            "tests": ["codealpaca-20k", "more"],
            "models": ["gemma-2-2b"],
            "methods": ["base", "qlora", "near"],
            "seeds": [0],
        }
    ],
}
LARGE = {
    "runs": [{"datasets": ["codealpaca-20k"], "models": ["gemma-2-2b"], "methods": ["base", "tried"], "seeds": [0, 1]}]
}
TRIED = {"peft": {"type": "LORA", "r": 4}, "training": {"learning_rate": [1e-4, 2e-4]}}


def planned(folder, *overlays):
    """Rule, first output and log of each job in a dry run, and the files that it reads."""
    said = snakemake("-n", "--cores", "all", *(["--configfile", *overlays] if overlays else []), cwd=folder)
    text = said.stdout + said.stderr
    assert said.returncode == 0, text
    found = {}
    for block in re.split(r"\n(?=(?:local)?(?:rule|checkpoint) )", text):
        name = re.match(r"(?:local)?rule (\w+):", block)
        fields = dict(re.findall(r"^    (input|output|log): (.*)$", block, re.MULTILINE))
        if name and name[1] not in LIGHT:
            first = fields["output"].split(", ")[0]
            found[name[1], first, fields["log"]] = set(fields.get("input", "").split(", "))
    return found


COUNTED = {
    "prompts": {"shown": {"template": "paper", "examples": {"count": [1, 3], "choose": "random"}}},
    "methods": {"few": {"prompt": "shown"}},
    "runs": [{"datasets": ["codealpaca-20k"], "models": ["gemma-2-2b"], "methods": ["base", "few"], "seeds": [0, 1]}],
}


@pytest.mark.parametrize("overlay", [None, {"methods": {"tried": TRIED}, **LARGE}, TWICE, COUNTED])
def test_what_is_watched_is_what_is_planned(tmp_path, monkeypatch, overlay):
    project = copy_workflow(tmp_path)
    monkeypatch.chdir(project)
    (project / "more.jsonl").write_text('{"instruction": "Add 1 and 2.", "input": "", "output": "1 + 2"}\n')
    overlays = ["mine.yaml"] if overlay else []
    if overlay:
        (project / "mine.yaml").write_text(yaml.safe_dump(overlay))
    plan = planned(project, *overlays)
    config = merged_config([ROOT / "config/config.yaml", *(project / name for name in overlays)])
    jobs = jobs_of(load_study(config), config["results"], config["resources"])
    assert {(job.rule, job.output, job.log) for job in jobs} == plan.keys()
    assert len(jobs) == len(plan) > 15
    before = {}  # all outputs that each job needs, at first or second hand; jobs come in the order of the path
    for job in jobs:
        before[job.output] = set(job.needs).union(*(before.get(need, set()) for need in job.needs))
        assert plan[job.rule, job.output, job.log] & {one.output for one in jobs} <= before[job.output], job
