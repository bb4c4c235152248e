# Looks after running jobs, on any machine: signals, logs, locks and SLURM's queue. Nothing here computes a result.

import logging
import signal
from collections import defaultdict
from contextlib import suppress

from codetune.base import slurm, slurm_queue
from codetune.base.environment import STOPPING, environment_of_jobs
from codetune.base.errors import StudyError
from codetune.base.jobs import keep_log
from codetune.base.locks import lock_of, wait_for_writers
from codetune.base.progress import STDERR, signs_of_life
from codetune.base.signals import pass_on_signals
from codetune.generation.checkpoints import check_kept, kept_checkpoints
from codetune.models.disk import describe_shortage
from codetune.rehearsal.told import tell_rehearsal
from codetune.study.custody import check_downloads, check_inputs
from codetune.study.downloads import repositories_of
from snakemake_interface_logger_plugins.common import LogEvent

ROOTS = [config["results"], config["resources"]]

os.environ.update(environment_of_jobs(time_limited=workflow.remote_exec))
os.environ.pop("PYTHONHOME", None)  # with it no other Python than Snakemake's own starts


def look_for_jobs_when_one_ends():
    """Lifts Snakemake's own limit of 100 jobs per second, which no study reaches; one that a user sets stays.

    With a limit Snakemake looks for jobs again a second after each look. Each job that ends adds a look that is repeated
    for ever, so that after some hundred jobs the looks take most of a core.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


def on_slurm():
    """Whether this process submits jobs to SLURM."""
    return workflow.executor_plugin is not None and workflow.executor_plugin.name == "slurm"


def announce_end(number):
    """Tells the user what happens after a signal; Snakemake itself says only that it will end."""
    if not on_slurm():
        logger.warning("Running jobs save their work and end.")
    elif number == signal.SIGINT:
        logger.warning(
            "Jobs save their work and end. Snakemake ends at its next look at SLURM's queue, within three minutes: "
            "please do not kill it."
        )
    else:
        logger.warning(
            "Jobs on the cluster keep running: Snakemake waits for them and submits no more. Ctrl-C cancels them."
        )


pass_on_signals(os.environ[STOPPING], announce_end)


class Attempts(logging.Handler):
    """Keeps the log of a job's last attempt, which Snakemake would delete, and explains why SLURM ended a job."""

    def emit(self, record):
        event = getattr(record, "event", None)
        if event is LogEvent.JOB_INFO and not (workflow.dryrun or workflow.touch):
            for log in record.log:
                with suppress(OSError):  # the job itself will meet the same error and report it
                    keep_log(log)
        elif event is LogEvent.JOB_ERROR and on_slurm():
            message = record.rule_msg or ""
            if reason := slurm.explain_failure(message, record.log):
                logger.error(reason)
            slurm_queue.wait_for_room(message, logger.warning)


logger.addHandler(Attempts())


def check_slurm(jobs):
    """Checks SLURM's queue, and what the jobs ask for, by one job per rule."""
    settings = workflow.executor_settings
    sent = defaultdict(list)
    for job in jobs:
        if not job.is_local:
            sent[job.rule.name].append(job.resources)
    requests = [
        slurm_queue.Request(
            name,
            len(resources),
            partitions=tuple(re.findall(r"[^,\s]+", str(resources[0].get("slurm_partition", "")))),
            runtime=resources[0].get("runtime", 0),
            qos=resources[0].get("qos") or settings.qos,
        )
        for name, resources in sent.items()
    ]
    sending = slurm_queue.Sending(
        workflow.nodes, settings.requeue, settings.status_command, settings.init_seconds_before_status_checks
    )
    slurm_queue.check_start(Path.cwd(), requests, sending, logger.warning)


def constrain_gpus(jobs):
    """Asks SLURM for GPUs with the memory that jobs need, where the profile says by which constraint it gives them."""
    for job in jobs:
        needed, known = job.resources.get("gpu_memory_gb"), job.resources.get("gpu_constraints")
        if needed and known and not job.is_local:
            job.add_aux_resource("constraint", slurm.constraint_for(needed, known))


def prepare_for(jobs):
    """Notes the repositories that jobs download from; says if a disk has less space than what is still to come takes."""
    made = [(job.rule.name, job.wildcards) for job in jobs]
    fetched = [wildcards.model for rule, wildcards in made if rule in ("download_model", "download_tokenizer")]
    datasets = [wildcards.dataset for rule, wildcards in made if rule == "download_dataset"]
    encoders = [wildcards.encoder for rule, wildcards in made if rule == "download_encoder"]
    REPOSITORIES[:] = repositories_of(STUDY, fetched, datasets, encoders)
    weights = [wildcards.model for rule, wildcards in made if rule == "download_model"]
    trainings = [run_of(wildcards) for rule, wildcards in made if rule == "finetune"]
    places = config["resources"], config["results"]
    if shortage := describe_shortage(STUDY, weights, trainings, config["checkpoints_gb"], *places):
        logger.warning(shortage)


onstart:
    if workflow.is_main_process:
        look_for_jobs_when_one_ends()
        jobs = [job for job in workflow.dag.needrun_jobs() if job.output]
        try:
            if on_slurm():
                check_slurm(jobs)
                constrain_gpus(jobs)
            made = {output for job in jobs for output in job.output}
            read = dict.fromkeys(path for job in jobs for path in job.input if path not in made)
            for job in jobs:
                if job.rule.name == "curve" and job.input.checkpoints in read:
                    kept_checkpoints(job.input.checkpoints)
                if job.rule.name == "choose":
                    check_kept(path for path in job.input.checkpoints if path in read)
            # A job that downloads waits by itself if another project is downloading the same files.
            outputs = [job.output[0] for job in jobs if not job.params.get("network")]
            with signs_of_life(STDERR):
                check_inputs(read)
                check_downloads(STUDY, config["resources"], read)
                prepare_for(jobs)
                wait_for_writers({lock_of(output, ROOTS): output for output in outputs}, logger.warning)
        except StudyError as error:
            sys.exit(f"error: {error}")


onsuccess:
    if workflow.is_main_process and STUDY.rehearsal:
        for line in tell_rehearsal(
            STUDY, config["results"], config["keep_checkpoints"] == "all", config["checkpoints_gb"]
        ):
            logger.info(line)


onerror:
    if workflow.is_main_process and on_slurm():
        try:
            slurm_queue.cancel_left(Path.cwd(), logger.warning)
        except StudyError as error:
            logger.error(str(error))
