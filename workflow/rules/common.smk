# Checks the config, makes the study, and defines what rules share.

import os
import re
import shutil
import sys
from functools import cache
from pathlib import Path

from codetune.base.contents import Contents
from codetune.base.errors import StudyError
from codetune.base.plain import declared, to_plain
from codetune.evaluation.pairs import count_resamples
from codetune.models.disk import describe_disk, state_bytes
from codetune.models.fits import describe_memory
from codetune.models.targets import check_models
from codetune.prompts.frames import check_templates
from codetune.study import layout
from codetune.study.config import load_study
from codetune.study.declared import declared_params, file_of
from codetune.study.fingerprints import Fingerprints
from codetune.study.folders import check_given_files, check_old_results
from codetune.study.gpu_memory import describe_gpu_memory, gpu_memory_of
from codetune.study.left_out import targets_left_out
from codetune.study.publications import publications_of
from codetune.study.record import VERSION
from codetune.study.rehearsal import folder_of_results
from codetune.study.runs import NONE, Run
from codetune.study.tunings import implementation_of
from codetune.study.unpinned import describe_unpinned
from snakemake.logging import logger

try:
    config["results"] = folder_of_results(config)
    STUDY = load_study(config)
    check_models(STUDY, config["resources"])
    check_templates(STUDY.templates.values())
    check_old_results(config["results"])
    check_given_files(config["results"], [workflow.main_snakefile, *workflow.configfiles])
except StudyError as error:
    sys.exit(f"error: {error}")

if workflow.is_main_process:
    for line in describe_unpinned(STUDY.unpinned):
        logger.warning(line)
if workflow.output_settings.dryrun:
    logger.info(describe_disk(STUDY, config["keep_checkpoints"] == "all", config["checkpoints_gb"]))
    if too_large := describe_memory(STUDY, PROJECT / "benchmarks" / "memory.json"):
        logger.warning(too_large)
    if needed := describe_gpu_memory(STUDY):
        logger.info(needed)

# A dry run needs no conda. A real run does, and Snakemake says so if it is missing.
if workflow.output_settings.dryrun and shutil.which("conda") is None:
    workflow.deployment_settings.deployment_method = frozenset()


def one_of(names):
    """Returns the pattern that constrains a wildcard to these names; without any it matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"  # an empty pattern would be no constraint


wildcard_constraints:
    dataset=one_of([*STUDY.datasets, *STUDY.joints]),
    test=one_of({one.test: None for one in STUDY.scored}),
    data=one_of([*STUDY.datasets, *STUDY.joints, NONE]),
    model=one_of(STUDY.models),
    method=one_of([*STUDY.methods, *STUDY.tried_methods]),
    template=one_of(STUDY.templates),
    prompt=one_of([*STUDY.templates, *STUDY.prompts, *STUDY.tried_prompts]),
    seed=r"\d+",
    encoder=one_of(STUDY.encoders),
    part="train|validation|test",


# All paths are defined in workflow/scripts/codetune/study/layout.py. <results>, <resources>, <logs> and <benchmarks>
# are path variables of Snakemake, which the Snakefile sets under `pathvars`.


def in_results(pattern, **values):
    """Returns a path of the layout within the folder of results, its wildcards filled in where values are given."""
    return f"<results>/{pattern.format(**values) if values else pattern}"


def in_resources(pattern, **values):
    """Returns a path of the layout within the folder of resources, in the same way."""
    return f"<resources>/{pattern.format(**values) if values else pattern}"


def each(pattern, things):
    """Returns a path within the results for each run or evaluation, by filling in the pattern."""
    return [in_results(layout.fill(pattern, thing)) for thing in things]


def for_run(pattern):
    """Returns an input function that fills in a pattern within the results with what a run is, and with its template."""
    return lambda one: in_results(
        pattern, **dict(one.items()), dataset=one.data, template=STUDY.template_of(run_of(one))
    )


def run_of(wildcards):
    """Returns the run that a job's wildcards name."""
    return Run(wildcards.data, wildcards.model, wildcards.method, int(wildcards.seed))


def searches(wildcards):
    """Whether the training of a job's run is chosen from trials."""
    return wildcards.method in STUDY.trials


def trains(wildcards):
    """Whether the run that a job's wildcards name trains a model."""
    return STUDY.method_of(run_of(wildcards)).trains


def retrieves(wildcards):
    """Whether the run that a job's wildcards name has no model, and answers with training samples."""
    return run_of(wildcards).retrieves


def of_trials(pattern):
    """Returns an input function that fills in a pattern for each trial of a run; for none where nothing is searched."""
    return lambda wildcards: each(pattern, STUDY.trials_of(run_of(wildcards)))


def tests_of(wildcards):
    """Returns the names of the test sets on which a run is evaluated."""
    return [evaluation.test for evaluation in STUDY.of_run(run_of(wildcards))]


def on_each_test(pattern):
    """Returns an input function that fills in a pattern for each test set on which a run is evaluated."""
    return lambda wildcards: each(pattern, STUDY.of_run(run_of(wildcards)))


def splits_of(wildcards):
    """Returns the names of the data sets of a run: the one whose training samples it uses, and those of its tests."""
    return STUDY.datasets_of(run_of(wildcards))


def unfinished(stage):
    """Returns the folder for a job's unfinished work, by the config, since path variables do not work in params."""
    return f"{config['results']}/{layout.UNFINISHED}".replace("{stage}", stage)


def tuning_of(wildcards):
    """Returns what is trained in a job's run, None where nothing is."""
    return STUDY.method_of(run_of(wildcards)).tuning


def code(script, env, tuning=None):
    """Returns the fingerprint of a script and of its environment: its rule reruns when what the script does changes.

    Of what implements the kinds of tuning, only the module of the run's own enters it. Rules that download have no
    fingerprint, because commit and hash pin their content, whatever fetches it.
    """
    return fingerprint_of(script, env, implementation_of(tuning).module if tuning else None)


@cache
def fingerprint_of(script, env, module):
    """Returns such a fingerprint; a study has hundreds of jobs with the same one."""
    return FINGERPRINTS.of(SCRIPTS / script, PROJECT / "envs" / f"{env}.yaml", [module] if module else [])


FINGERPRINTS = Fingerprints(Path(".snakemake") / "codetune-code.json")
CONTENTS = Contents(Path(".snakemake") / "codetune-sources.json")


def content(paths):
    """Returns the hash of files that a job reads, or None without any: their rule reruns when their bytes change."""
    try:
        return CONTENTS.sha256_of(paths) if paths else None
    except StudyError as error:
        sys.exit(f"error: {error}")


def local_dataset(wildcards):
    """Returns the data set's own files, if the config gives a path."""
    return STUDY.datasets[wildcards.dataset].published.local_files


def project_file(name):
    """Returns the hash of one of the project's own files, which a script finds by itself wherever the project lies."""
    return content([PROJECT / name])


def memory(per_mb, least=1000):
    """Returns a function for the memory of a job that holds what it reads, in MB, by the size of that in MB."""
    return lambda wildcards, input: max(least, round(300 + per_mb * input.size_mb))


def memory_of_bootstrap(wildcards, input):
    """Returns the memory of a bootstrap in MB: for resamples a byte per sample and a score per run; all statistics."""
    runs = len(input.scores)
    mb_per_run = input.size_mb / runs
    samples = 2000 * mb_per_run  # which take half a kilobyte and more
    systems = {one.run.system: STUDY.methods[one.run.method].baselines for one in STUDY.of_test(wildcards.test)}
    resamples = count_resamples(systems, STUDY.trained_systems, config["evaluation"]["resamples"])
    resampled = resamples * (samples + 10 * runs + 1000) / 1e6
    return max(1000, round(300 + 30 * mb_per_run + input.size_mb + resampled))


def memory_of_training(wildcards):
    """Returns the memory of a training in MB: a state of a whole model's passes through it."""
    return max(24000, round(8000 + state_bytes(STUDY, run_of(wildcards)) / 1e6))


def figure_of(wildcards):
    """Returns the name in the report, the caption and the inputs of the figure whose page a job draws."""
    return FIGURES[FIGURE_PAGES[wildcards.figure].figure]


def title_of_page(wildcards):
    """Returns the name of a page in the report: its figure's, with its letter."""
    return " ".join(filter(None, [figure_of(wildcards)[0], FIGURE_PAGES[wildcards.figure].letter]))


def pages_of_figure(name):
    """Returns the files of all pages of a figure."""
    pages = [page.name for page in FIGURE_PAGES.values() if page.figure == name]
    return [in_results(form, figure=page) for page in pages for form in layout.FIGURE_FORMS]


# In a rehearsal a script of its own makes up what jobs on a GPU would leave, without a checkpoint's weights.


def script_of(rule):
    """Returns the script of a rule that needs a GPU, or in a rehearsal the one in its place."""
    return f"../scripts/{'rehearse' if STUDY.rehearsal else rule}.py"


def code_of(rule):
    """Returns a function for the fingerprint of that script, for params."""
    if STUDY.rehearsal:
        return code("rehearse.py", "tokenize")
    return lambda wildcards: code(f"{rule}.py", "train", tuning_of(wildcards))


def threads_of(stage):
    """Returns the cores of a stage's jobs that need a GPU, by the config; in a rehearsal they need one core."""
    return 1 if STUDY.rehearsal else config["threads"][stage]


def memory_on_host(mb):
    """Returns the memory in MB of a job that needs a GPU, a number or a function; in a rehearsal it holds texts."""
    return memory(per_mb=20) if STUDY.rehearsal else mb


def only_rehearsed(**values):
    """Returns what a rule that needs a GPU has in a rehearsal alone, as keywords for its inputs or params."""
    return values if STUDY.rehearsal else {}


def rehearsed(wildcards):
    """Returns whose outputs are made up, for params."""
    run = run_of(wildcards)
    model, method = declared(STUDY.model_of(run)), declared(STUDY.method_of(run))
    return {"run": to_plain(run), "model": model, "method": method, "template": STUDY.template_of(run)}


def several_candidates():
    """Returns the number of candidates per prompt where there is more than one, for params."""
    return {"candidates": STUDY.decoding.count} if STUDY.decoding.count > 1 else {}


GPU_ENV = f"../../envs/{'tokenize' if STUDY.rehearsal else 'train'}.yaml"
GPUS = 0 if STUDY.rehearsal else 1  # of each job that needs one
BASE = layout.TOKENIZER if STUDY.rehearsal else layout.CHECKPOINT  # what such a job reads of a checkpoint


# Priorities, highest first: jobs that GPU jobs wait for; light rules (0, the default); GPU jobs by stage. Within a
# stage the largest model comes first, because a long job left for the end would run alone.


def before_gpu_jobs(wildcards):
    """Returns the priority of a job that GPU jobs wait for: first models to train, then those only compared with."""
    return (2000 if wildcards.model in STUDY.tunings else 1000) + STUDY.models[wildcards.model].parameters


def gpu_jobs(stage):
    """Returns a function for the priority of a stage's GPU jobs: largest model first, and all after the light rules."""
    return lambda wildcards: stage + STUDY.models[wildcards.model].parameters


# Downloads run one at a time unless the user sets another limit. If all checkpoints were downloaded at once, the
# smallest would arrive first, its training would take the GPU, and the longest training would start last.
if "downloads" not in workflow.global_resources:
    workflow.register_resource("downloads", 1)

# The repositories of the hub from which this invocation downloads, filled in when it starts (execution.smk). Each job
# that downloads asks for access to all of them first, so that all refusals are known together and before gigabytes come.
REPOSITORIES = []


def repositories(wildcards, output):
    """Returns these repositories, for params: what a function that takes `output` returns cannot rerun the job."""
    return REPOSITORIES
