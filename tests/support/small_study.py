"""A small study for the tests: generated data, miniature models, two of them tuned, all on a CPU."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import yaml
from planning import dry_run

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
sys.path += [str(ROOT / name) for name in ("workflow/scripts", "demo")]  # for those who are not run by pytest
LOCAL = ("--workflow-profile", "profiles/local", "--configfile", "small.yaml")
MODELS = ("llama-3.2-1b", "gemma-2-2b", "qwen2.5-1.5b", "phi-3-mini")


def generated_records():
    """Records with flaws, as `demo/make_samples.py` makes them."""
    from make_samples import add_flaws, make_records

    return add_flaws(make_records(300, seed=1), seed=1)


def make_checkpoints(folder):
    """One miniature of each architecture, pre-trained for a few steps."""
    from make_models import build
    from make_samples import make_records

    records = make_records(200, seed=2)
    for name in MODELS:
        build(name, folder, records, steps=6)
    return folder


def small_config(checkpoints, records_path, count):
    """Two tuned models, four untuned, those two in their chat template, too, and a retrieval; a few steps each."""
    everywhere = {"batch_size": 8, "micro_batch": 4, "epochs": 2}
    on = {"datasets": ["codealpaca-20k"], "seeds": [0]}
    return {
        "runs": [
            on | {"models": list(MODELS[:2]), "methods": ["base", "base-chat", "qlora"]},
            on | {"models": list(MODELS[2:]), "methods": ["base"]},
            on | {"models": ["none"], "methods": ["retrieval"]},
        ],
        "datasets": {
            "codealpaca-20k": {
                "path": str(records_path),
                "records": count,
                "sha256": hashlib_of(records_path),
                "split": {"train": 0.7, "validation": 0.15, "test": 0.15},
            }
        },
        "models": {name: {"path": str(checkpoints / name), **everywhere} for name in MODELS},
        "quantization": {"compute_dtype": "float32"},
        "tokenization": {"max_length": 256},
        "training": {"learning_rate": 2e-3},
        "generation": {"max_new_tokens": 24},
        "curve": {"samples": 8},
        "threads": {"training": 1, "generation": 1},
    }


def hashlib_of(path):
    from codetune.data.reading import read_records
    from codetune.data.samples import sha256_of_records

    return sha256_of_records(read_records(path))


def copy_workflow(folder):
    """Puts a fresh copy of the workflow, in which nothing was made, into a folder; returns the folder."""
    for name in ("Snakefile", "CITATION.cff", "workflow", "config", "profiles", "envs"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    return folder


def make_project(folder, checkpoints, records):
    folder.mkdir()
    copy_workflow(folder)
    data = folder / "records.json"
    data.write_text(json.dumps(records))
    (folder / "small.yaml").write_text(yaml.safe_dump(small_config(checkpoints, data, len(records))))
    return folder


def digests(folder):
    """Hashes of the results that are the same each time: all but what took time, which the table of costs says."""
    paths = [
        path
        for pattern in ("runs/**/predictions.jsonl", "runs/**/scores.jsonl", "runs/**/summary.json", "tables/*")
        for path in (folder / "results").glob(pattern)
        if path.stem != "cost"
    ]
    weights = (folder / "results").glob("runs/**/*.safetensors")
    paths += [path for path in weights if path.parent.name != "published"]  # those are links to what was trained
    paths += (folder / "results").glob("runs/**/training_log.jsonl")
    paths += (folder / "results").glob("runs/**/curve.json")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def snakemake(*arguments, cwd=ROOT, **environment):
    if "-n" in arguments and not any(name.startswith("PYTHON") for name in environment):
        return dry_run(list(map(str, arguments)), cwd, {**os.environ, **environment})
    return subprocess.run(
        [BIN / "snakemake", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=900,
    )


def plan(*arguments, cwd=ROOT, **environment):
    """Number of jobs of each rule in a dry run."""
    return planned(snakemake("-n", "--cores", "all", *arguments, cwd=cwd, **environment))


def planned(done):
    """Number of jobs of each rule in a dry run that was made."""
    assert done.returncode == 0, done.stdout + done.stderr
    table = (done.stdout + done.stderr).partition("Job stats:")[2].partition("total")[0]
    return Counter({name: int(count) for name, count in re.findall(r"^(\S+) +(\d+)$", table, re.MULTILINE)})
