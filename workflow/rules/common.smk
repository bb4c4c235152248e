# The checked configuration, the table of runs, and the few functions that rules share.

import os
import re
import shutil
import sys
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.study.fingerprints import fingerprint
from codetune.study.config import load_runs

try:
    RUNS = load_runs(config)
except StudyError as error:
    sys.exit(f"error: {error}")

# A plan needs no conda. A run does, and Snakemake says so where there is none.
if workflow.output_settings.dryrun and shutil.which("conda") is None:
    workflow.deployment_settings.deployment_method = frozenset()

MODELS = list(dict.fromkeys(run.model for run in RUNS))
LABELS = {model: {key: config["models"][model][key] for key in ("label", "family")} for model in MODELS}
TUNED = [run for run in RUNS if run.tuned]
RUN = "{dataset}/{model}/{method}/seed{seed}"


wildcard_constraints:
    dataset="|".join(map(re.escape, config["datasets"])),
    model="|".join(map(re.escape, config["models"])),
    method="|".join(map(re.escape, config["methods"])),
    seed=r"\d+",


def code(script):
    """Hash of a script and the library modules it uses: a rule reruns when their code changes, not when they are touched.

    Downloads have none: their content is pinned by commit and hash, whatever fetches it.
    """
    return fingerprint(SCRIPTS / script)


def of_runs(pattern, runs):
    """The pattern, filled in for each of the runs."""
    return [pattern.format(**vars(run)) for run in runs]


def of_dataset(pattern):
    """The pattern, filled in for each run on the data set that a job's wildcards name."""
    return lambda wildcards: of_runs(pattern, [run for run in RUNS if run.dataset == wildcards.dataset])


def unfinished(stage):
    """Where a job of a run keeps what it has done so far. Path variables do not reach params, hence the config's own."""
    return f"{config['results']}/runs/{RUN}/unfinished/{stage}"


# What starts first, of all that could: what GPU jobs wait for; what takes seconds (0, where a rule says nothing); then the
# GPU jobs, by stage. Of one stage it is the largest model's: a long job left for the end would run alone.


def before_gpu_jobs(wildcards):
    """Priority of what a model's GPU jobs wait for: the models to train come before those that are only compared."""
    tuned = wildcards.model in [run.model for run in TUNED]
    return (2000 if tuned else 1000) + config["models"][wildcards.model]["parameters"]


def gpu_jobs(stage):
    """Priority of a stage's GPU jobs, the largest model's first; below 0, since no light rule should wait for them."""
    return lambda wildcards: stage + config["models"][wildcards.model]["parameters"]


# One checkpoint at a time, unless told otherwise. All at once the smallest would be there first, its training would take
# the GPU, and the longest training would start last.
if "downloads" not in workflow.global_resources:
    workflow.register_resource("downloads", 1)


def template_of(wildcards):
    """The model's own choice of template, else the study's."""
    return config["models"][wildcards.model].get("template", config["tokenization"]["template"])


def lora_of(wildcards):
    """The method's adapter settings; None for the untuned model."""
    return config["methods"][wildcards.method].get("lora")


def source_of(model):
    """Where the model comes from; a change of any other key leaves its download alone."""
    entry = config["models"][model]
    return {key: entry[key] for key in (["path"] if "path" in entry else ["repo", "revision"])}


def training_of(wildcards):
    """What fine-tuning must know of a model: a change of any of it trains the model again, a new label does not."""
    entry = config["models"][wildcards.model]
    keys = ("batch_size", "epochs", "micro_batch", "gradient_checkpointing")
    return source_of(wildcards.model) | {key: entry[key] for key in keys if key in entry}


def config_of(wildcards):
    """The parts of the configuration that a run depends on."""
    own = {kind: config[f"{kind}s"][wildcards[kind]] for kind in ("dataset", "model", "method")}
    shared = ("quantization", "tokenization", "training", "generation", "evaluation")
    return own | {key: config[key] for key in shared}
