"""The plan: what runs, what is asked by name, what a mistake says, and that the code is clean."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from codetune.study.config import load_study
from codetune.study.runs import Run
from codetune.study.tables import compared_variants
from conftest import ROOT
from small_study import copy_workflow, plan, planned, snakemake

BIN = Path(sys.executable).parent
TUNED = ["llama-3.2-1b", "llama-3.2-3b", "gemma-2-2b", "qwen2.5-1.5b", "qwen2.5-3b"]


@pytest.fixture
def project(tmp_path):
    """A fresh copy of the project's workflow."""
    return copy_workflow(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A dry run of the full study."""
    folder = copy_workflow(tmp_path_factory.mktemp("whole"))
    return snakemake("-n", "--cores", "all", "--resources", "gpu=4", cwd=folder)


def test_the_full_study_is_five_tuned_models_six_untuned_in_two_templates_and_a_retrieval(whole):
    jobs = planned(whole)
    assert jobs["finetune"] == jobs["curve"] == 5
    assert jobs["generate"] == 2 * (5 + 2 * 6)  # on the data's own test part and on HumanEval
    assert jobs["retrieve"] == jobs["record_tests"] == jobs["sandbox"] == 1
    assert jobs["leaks"] == 2
    assert jobs["execute"] == 5 + 2 * 6
    assert jobs["download_model"] == jobs["download_tokenizer"] == 6
    assert jobs["prompt"] == 2 * 2 * 6  # one per test set, model and template
    assert jobs["tokenize"] == 5  # of the tuned models alone: no other reads training data
    assert jobs["record"] == 18
    assert jobs["score"] == jobs["generate"] + jobs["retrieve"]
    assert jobs["publish"] == 5
    assert jobs["figure"] == 10
    assert jobs["table"] == 8
    assert jobs["size"] == 1  # of all tuned models, whose files are five


def test_the_paper_s_open_choices_are_runs_beside_the_default(project):
    """Four methods on three models, and three pre-trained models: one table compares each with its default."""
    jobs = plan("--resources", "gpu=4", "--configfile", "config/variants.yaml", cwd=project)
    assert jobs["finetune"] == jobs["curve"] == jobs["publish"] == 3 * 5 + 3
    assert jobs["generate"] == jobs["record"] == 3 * 7 + 3 * 2
    assert jobs["download_model"] == 6
    assert jobs["tokenize"] == jobs["prompt"] == 2 * 3 + 3
    assert jobs["table"] == 8
    configs = [yaml.safe_load((project / f"config/{name}.yaml").read_text()) for name in ("config", "variants")]
    merged = configs[0] | {key: configs[0][key] | configs[1][key] for key in ("models", "methods")}
    study = load_study(merged | {"runs": configs[1]["runs"]})
    pairs = [(f"{one.model} {one.method}", f"{over.model} {over.method}") for one, over in compared_variants(study)]
    models = ("llama-3.2-1b", "gemma-2-2b", "qwen2.5-1.5b")
    methods = ("qlora-r16", "qlora-chat", "qlora-unpacked", "qlora-all-epochs")
    assert pairs == [
        *((f"{model} {method}", f"{model} qlora") for model in models for method in methods),
        *((f"{model}-pretrained qlora", f"{model} qlora") for model in models),
    ]
    default = study.for_training(Run("codealpaca-20k", models[0], "qlora", 0))
    plans = {name: study.for_training(Run("codealpaca-20k", models[0], name, 0)) for name in methods}
    r16 = replace(default.tuning, peft=default.tuning.peft | {"r": 16})
    assert plans["qlora-r16"] == replace(default, tuning=r16)
    assert plans["qlora-chat"] == default
    assert plans["qlora-all-epochs"] == replace(default, settings=replace(default.settings, patience=None))
    unpacked = replace(default.settings, packing=False)
    assert plans["qlora-unpacked"] == replace(
        default, settings=unpacked, memory=replace(default.memory, micro_batch=16)
    )


@pytest.mark.parametrize("model", TUNED)
def test_a_model_s_name_asks_for_its_branch_alone(project, model):
    jobs = plan(model, cwd=project)
    assert (jobs["finetune"], jobs["curve"], jobs["generate"], jobs["execute"], jobs["score"]) == (1, 1, 6, 3, 6)
    assert (jobs["download_model"], jobs["prompt"], jobs["retrieve"]) == (1, 4, 0)


def test_the_untuned_comparison_has_no_training(project):
    jobs = plan("phi-3-mini", cwd=project)
    assert (jobs["finetune"], jobs["generate"]) == (0, 4)


def test_the_pilot_is_the_full_study_on_a_part_of_the_data(project, whole):
    """It has the jobs of the full study, and downloads what that downloads to the same place."""
    on = ("--cores", "all", "--resources", "gpu=4", "--configfile", "config/pilot.yaml")
    said = snakemake("-n", *on, cwd=project)
    assert planned(said) == planned(whole)
    outputs = re.findall(r"output: (\S+?),?\s", said.stdout + said.stderr)
    models = yaml.safe_load((project / "config/config.yaml").read_text())["models"]
    downloads = {f"resources/{kind}/{model}/manifest.json" for kind in ("tokenizers", "models") for model in models}
    assert {path for path in outputs if path.startswith("resources/")} == downloads | {
        "resources/data/codealpaca-20k.jsonl",
        "resources/data/humaneval.jsonl",
        "resources/sandbox/sandbox.json",
    }
    assert all(path.startswith("results/pilot/") for path in outputs if not path.startswith("resources/"))
    assert "31.0 GB to download" in said.stdout + said.stderr


@pytest.mark.parametrize("model", TUNED)
def test_the_pilot_fills_a_gpu_as_the_full_study_does(model):
    """Its batches are smaller, so that there are several steps, but not what is on a GPU at once."""
    full, pilot = (yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text()) for name in ("config", "pilot"))
    assert set(pilot["models"][model]) == {"batch_size", "epochs"}
    assert pilot["models"][model]["batch_size"] % full["models"][model]["micro_batch"] == 0
    assert not {"tokenization", "generation", "quantization", "methods", "resources", "runs"} & set(pilot)


# Where a template is named, and then the numbers of token sets and of sets of prompts.
QLORA_CHAT = {"prompts": {"own": {"template": "chat"}}, "methods": {"qlora": {"prompt": "own"}}}
TEMPLATES = {
    "in the study": ({"tokenization": {"template": "chat"}}, ["chat"] * 5, ["chat"] * 6),
    "in a model": (
        {"models": {"gemma-2-2b": {"template": "chat"}}},
        ["chat"] + ["paper"] * 4,
        ["chat"] * 6 + ["paper"] * 5,
    ),
    "in the tuned method": (QLORA_CHAT, ["chat"] * 5, ["chat"] * 6 + ["paper"] * 6),
    "in the study, and another in methods": (
        {"tokenization": {"template": "chat"}, "methods": {"base": {"prompt": "paper"}, "qlora": {"prompt": "paper"}}},
        ["paper"] * 5,
        ["chat"] * 6 + ["paper"] * 6,
    ),
}


@pytest.mark.parametrize("named", TEMPLATES)
def test_tokens_and_prompts_are_those_of_the_template_that_is_named(project, named):
    overlay, tokens, prompts = TEMPLATES[named]
    (project / "mine.yaml").write_text(json.dumps(overlay))
    done = snakemake("-n", "--cores", "1", "--configfile", "mine.yaml", cwd=project)
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    assert sorted(re.findall(r"output: results/tokens/codealpaca-20k/[^/]+/(\w+)/train", text)) == tokens
    assert sorted(re.findall(r"output: results/prompts/codealpaca-20k/[^/]+/(\w+)/none", text)) == prompts
    trained = re.findall(r"input: results/tokens/codealpaca-20k/[^/]+/(\w+)/train.arrow, [^\n]*models/", text)
    assert sorted(trained) == tokens
    assert text.count("rule download_model:") == 6


@pytest.mark.parametrize(
    ("folder", "facts"), [("none/gemma-2-2b/base", "retrieval"), ("codealpaca-20k/none/retrieval", "generation")]
)
def test_nothing_is_retrieved_for_a_model_and_nothing_generated_without_one(project, folder, facts):
    target = f"results/runs/{folder}/seed0/tests/codealpaca-20k/{facts}.json"
    done = snakemake("-n", "--cores", "1", target, cwd=project)
    assert done.returncode == 1
    assert "MissingRuleException" in done.stdout + done.stderr


def test_a_study_of_a_retrieval_alone_needs_neither_a_model_nor_a_gpu(project):
    entry = {"datasets": ["codealpaca-20k"], "models": ["none"], "methods": ["retrieval"], "seeds": [0, 1]}
    (project / "mine.yaml").write_text(json.dumps({"runs": [entry]}))
    jobs = plan("--configfile", "mine.yaml", cwd=project)
    assert (jobs["retrieve"], jobs["score"], jobs["record"], jobs["table"]) == (1, 1, 1, 5)
    assert not jobs.keys() & {"download_model", "download_tokenizer", "prompt", "generate", "finetune", "figure"}


def test_table1_needs_neither_weights_nor_training(project):
    jobs = plan("table1", cwd=project)
    assert jobs["download_tokenizer"] == jobs["tokenize"] == 5
    assert jobs["size"] == 1
    assert jobs["download_model"] == jobs["finetune"] == 0


def test_a_study_that_trains_nothing_has_neither_table_1_nor_figures(project):
    models = {"datasets": ["codealpaca-20k"], "models": ["phi-3-mini", "gemma-2-2b"], "methods": ["base"], "seeds": [0]}
    (project / "mine.yaml").write_text(json.dumps({"runs": [models]}))
    jobs = plan("--configfile", "mine.yaml", cwd=project)
    assert (jobs["generate"], jobs["table"], jobs["page"]) == (2, 6, 8)
    assert not jobs.keys() & {"finetune", "tokenize", "size", "figure", "publish"}


def test_a_study_of_another_paper_has_that_paper_s_tables(project):
    own = plan(cwd=project)
    (project / "mine.yaml").write_text("paper: peft-or-icl")
    jobs = plan("--configfile", "mine.yaml", cwd=project)
    more = {name: count - own[name] for name, count in jobs.items() if count != own[name]}
    assert more == {"table": 5, "page": 5}
    done = snakemake("-n", "--cores", "1", "declared-3", "--configfile", "mine.yaml", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", [(), ("--configfile", "mine.yaml")])
def test_the_plan_says_how_much_disk_the_study_takes(project, command):
    (project / "mine.yaml").write_text("keep_checkpoints: none")
    done = snakemake("-n", "--cores", "1", *command, cwd=project)
    assert done.returncode == 0
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Disk: ")]
    kept = "each until its curve is drawn" if command else "kept"
    assert said == [
        "Disk: up to 41.6 GB for this study, with what is there already: 31.0 GB to download, 208 MB of adapters, "
        f"10.4 GB of checkpoints for the curves ({kept}; keep_checkpoints; "
        "at most 100 GB per training, checkpoints_gb)."
    ]


@pytest.mark.parametrize(
    "target", ["figures", "figure1", "figure2", "losses", "cost", "dumbbell", "languages", "matrix", "table2", "audit"]
)
def test_other_targets_can_be_asked_by_name(project, target):
    assert plan(target, cwd=project)["finetune"] == 5


def test_gpu_rules_ask_for_one_gpu_and_others_for_none(whole):
    for rule, resources in re.findall(r"rule (\w+):.*?resources: ([^\n]*)", whole.stdout + whole.stderr, re.DOTALL):
        if rule in ("finetune", "generate", "curve"):
            assert "gpu=1" in resources, rule
        elif rule != "all":
            assert "gpu=0" in resources, rule


def readme_commands():
    """Every snakemake command that the README tells people to give."""
    text = (ROOT / "README.md").read_text()
    inline = re.findall(r"`((?:[A-Z_]+=\S+ )?snakemake [^`]*--cores[^`]*)`", text)
    lines = re.findall(r"^(snakemake [^#\n]*--cores[^#\n]*)", text, re.MULTILINE)
    return list(dict.fromkeys(command.strip() for command in inline + lines))


@pytest.mark.parametrize("command", readme_commands())
def test_the_readme_s_commands_can_be_planned(project, command):
    overlay = re.search(r"```yaml\n(# mine.yaml\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    (project / "mine.yaml").write_text(overlay.replace("<commit of 40 digits>", "0123456789" * 4))
    arguments = command.partition("snakemake ")[2].split()
    done = snakemake("-n", *[word for word in arguments if word != "-n"], cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Job stats:" in done.stdout + done.stderr


def test_the_readme_has_the_commands():
    assert len(readme_commands()) >= 8


MISTAKES = [
    ("trainin: {}", "error: config: 'trainin' is unknown; did you mean 'training'?"),
    ("runs: [{datasets: [codealpaca-20k], models: [gema], methods: [base], seeds: [0]}]", "'gema' is unknown"),
    ("datasets: {codealpaca-20k: {split: {test: 0.2}}}", "train + validation + test is 1.1, but has to be 1"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_a_mistake_in_the_config_gives_one_line(project, text, message):
    (project / "mine.yaml").write_text(text)
    done = snakemake("-n", "--cores", "1", "--configfile", "mine.yaml", cwd=project)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "error" in line.lower() or "Traceback" in line]
    assert len(lines) == 1
    assert message in lines[0]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["snakefmt", "--check", "Snakefile", "workflow"],
        ["mypy"],
        ["snakemake", "--workflow-profile", "profiles/local", "--lint"],
    ],
    ids=" ".join,
)
def test_the_code_is_clean(command):
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_says_what_it_does_and_where_it_logs():
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            name = rule.partition(":")[0]
            assert re.match(r'\w+:\n    """[^"]+"""', rule), name
            for part in ("log:", "benchmark:", "conda:", "threads:", "mem_mb=", "runtime=", "gpu="):
                assert part in rule, f"{name} lacks {part}"
            # What is downloaded is pinned by its content: no changed code may fetch it again.
            assert bool(re.search(r"code=(lambda wildcards: )?code(_of)?\(", rule)) != ("network=True" in rule), name


def test_every_key_of_the_config_is_documented():
    import json

    schema = json.loads((ROOT / "workflow/schemas/config.schema.json").read_text())
    text = (ROOT / "config/README.md").read_text()

    def keys(node):
        for name, child in node.get("properties", {}).items():
            yield name
            yield from keys(child)
        for name in ("items", "additionalProperties"):
            if isinstance(node.get(name), dict):
                yield from keys(node[name])

    missing = {name for name in keys(schema) if f"`{name}`" not in text}
    assert not missing
