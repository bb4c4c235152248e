"""All that the workflow knows of SLURM: what a job asks about itself, and what is looked at before and after jobs.

Tried with SLURM 22.05 and snakemake-executor-plugin-slurm 2.8.0; docs/slurm.md says what was found.
"""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

SNAKEMAKES = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")  # how the plugin's job names end


Say = Callable[[str], None]


def job_id() -> str | None:
    """The number of the SLURM job that this process runs in."""
    return os.environ.get("SLURM_JOB_ID")


def assigned_gpus() -> str | None:
    """The node's GPUs that SLURM gave this step or job, by their numbers on the node, as `0,1`."""
    return os.environ.get("SLURM_STEP_GPUS") or os.environ.get("SLURM_JOB_GPUS")


def is_listed(job: str) -> bool | None:
    """Whether a job waits, runs or is completing; None if SLURM cannot be asked."""
    answer = run_command("squeue", "--noheader", "--jobs", job, "--format", "%T")
    if answer is None or (answer.returncode != 0 and "Invalid job id" not in answer.stderr):
        return None
    return bool(answer.stdout.strip())


def put_back_if_preempted() -> None:
    """Puts this job back into SLURM's queue if that is what preemption leaves to do, so that it is not lost.

    A job that ends by itself within the time of grace is FAILED and uses up a retry, and the plugin waits for ever for
    one that a partition with PreemptMode=CANCEL has ended. Nothing is done for a job that somebody cancelled, which
    would come back, that reached its time limit, or that SLURM starts again by itself.
    """
    job = job_id()
    if job is None:
        return
    facts = fields_of(ask_slurm("scontrol", "show", "job", "--oneliner", job) or "")
    preempted = facts.get("PreemptTime", "None")
    # In the time of grace the job counts as running. One that has been ended for good ended when it was preempted; of
    # one that SLURM starts again that time is forgotten at once.
    in_grace = facts.get("JobState") == "RUNNING" and preempted not in ("None", "Unknown")
    ended = facts.get("JobState") == "COMPLETING" and preempted == facts.get("EndTime")
    if (in_grace or ended) and ask_slurm("scontrol", "requeue", job) is not None:
        print(f"preempted: SLURM job {job} is back in the queue", flush=True)


def explain_failure(message: str, logs: list[str]) -> str | None:
    """Why a job failed, where SLURM knows and Snakemake does not say.

    Args:
        message: What the plugin says of it.
        logs: The job's logs, the SLURM job's own last.

    Returns:
        One line, or None.
    """
    found = re.search(r"SLURM-job '(\w+)'", message)
    if not found or not logs:
        return None
    job, text = found[1], _text_of(Path(logs[-1]))
    of_memory = "oom-kill" in text or "OUT_OF_MEMORY" in message
    no_folder = re.search(r"couldn't chdir to '([^']+)'", text)
    if text and not of_memory and not no_folder:
        return None
    facts = fields_of(ask_slurm("scontrol", "show", "job", "--oneliner", job) or "")
    if of_memory:
        return (
            f"SLURM job {job} ran out of memory: {facts.get('MinMemoryNode', 'what it asked for')} did not suffice. "
            "Raise 'mem_mb' of its rule under 'set-resources' in profiles/slurm/config.yaml: a retry asks for no more."
        )
    if no_folder or facts.get("Reason") == "JobLaunchFailure":
        node = facts.get("BatchHost") or facts.get("NodeList", "?")
        folder = no_folder[1] if no_folder else Path.cwd()
        return (
            f"SLURM job {job} could not start on node {node}, which does not see {folder}. All nodes have to see the "
            f"project folder. To leave this one out, say 'slurm_extra: \"--exclude={node}\"' under 'default-resources' "
            "in profiles/slurm/config.yaml."
        )
    return None


def _text_of(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def fields_of(line: str) -> dict[str, str]:
    """What `scontrol --oneliner` prints: words of the form Name=value."""
    return dict(re.findall(r"(\w+)=(\S*)", line))


def ask_slurm(*command: str) -> str | None:
    """What a command prints; None if it fails or is not there."""
    answer = run_command(*command)
    return answer.stdout.strip() if answer and answer.returncode == 0 else None


def run_command(*command: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
