# The checked study, and the few functions that rules share.

import os
import re
import shutil
import sys
from pathlib import Path

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from codetune.base.errors import StudyError
from codetune.base.plain import to_plain
from codetune.study import layout
from codetune.study.config import load_study
from codetune.study.fingerprints import fingerprint
from codetune.study.folders import check_old_results
from codetune.study.runs import NONE, Run

try:
    STUDY = load_study(config)
    check_old_results(config["results"])
except StudyError as error:
    sys.exit(f"error: {error}")

# A plan needs no conda. A run does, and Snakemake says so where there is none.
if workflow.output_settings.dryrun and shutil.which("conda") is None:
    workflow.deployment_settings.deployment_method = frozenset()


def one_of(names):
    """A wildcard's constraint: one of these names."""
    return "|".join(map(re.escape, names))


wildcard_constraints:
    dataset=one_of(STUDY.datasets),
    test=one_of(STUDY.tests),
    data=one_of([*STUDY.datasets, NONE]),
    model=one_of(STUDY.models),
    method=one_of(STUDY.methods),
    template="paper|chat",
    seed=r"\d+",


# Where files lie is in workflow/scripts/codetune/study/layout.py. <results>, <resources>, <logs> and <benchmarks> stand
# for folders that the Snakefile names once (`pathvars`).


def in_results(pattern):
    """A pattern of the layout, within the folder of results."""
    return f"<results>/{pattern}"


def in_resources(pattern):
    """A pattern of the layout, within the folder of resources."""
    return f"<resources>/{pattern}"


def each(pattern, things):
    """The pattern within the results, filled in for each run or evaluation."""
    return [in_results(layout.fill(pattern, thing)) for thing in things]


def for_run(pattern):
    """The pattern within the results, filled in for the run that a job's wildcards name: its data, its template."""

    def filled(wildcards):
        template = STUDY.template_of(wildcards.model)
        return in_results(pattern.format(**dict(wildcards.items()), dataset=wildcards.data, template=template))

    return filled


def run_of(wildcards):
    """The run that a job's wildcards name."""
    return Run(wildcards.data, wildcards.model, wildcards.method, int(wildcards.seed))


def trains(wildcards):
    """Whether the run that a job's wildcards name sees training data."""
    return run_of(wildcards).trains


def unfinished(stage):
    """Where a job of a run keeps what it has done so far. Path variables do not reach params, hence the config's own."""
    return f"{config['results']}/{layout.UNFINISHED}".replace("{stage}", stage)


def code(script):
    """Hash of a script and the library modules it uses: a rule reruns when their code changes, not when they are touched.

    Downloads have none: their content is pinned by commit and hash, whatever fetches it.
    """
    return fingerprint(SCRIPTS / script)


# Priorities, highest first: jobs that GPU jobs wait for; light rules (0, the default); GPU jobs by stage, the largest
# model first: a long job left for the end would run alone.


def before_gpu_jobs(wildcards):
    """Priority of what a model's GPU jobs wait for: the models to train come before those that are only compared."""
    tuned = wildcards.model in [run.model for run in STUDY.training_runs]
    return (2000 if tuned else 1000) + STUDY.models[wildcards.model].parameters


def gpu_jobs(stage):
    """Priority of a stage's GPU jobs, the largest model's first; below 0, since no light rule should wait for them."""
    return lambda wildcards: stage + STUDY.models[wildcards.model].parameters


# One checkpoint at a time, unless told otherwise. All at once the smallest would be there first, its training would take
# the GPU, and the longest training would start last.
if "downloads" not in workflow.global_resources:
    workflow.register_resource("downloads", 1)
