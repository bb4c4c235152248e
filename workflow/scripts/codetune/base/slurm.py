"""SLURM from inside a job: its id, its GPUs, preemption, and why a job failed. `slurm_queue` looks at the queue.

Tested with SLURM 22.05 and snakemake-executor-plugin-slurm 2.8.0; docs/slurm.md lists what the tests found.
"""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from codetune.base.errors import StudyError

SNAKEMAKES = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")  # the end of the names of Snakemake's jobs
Say = Callable[[str], None]  # shows one line to the user


def job_id() -> str | None:
    """Returns the id of the SLURM job that this process runs in; None outside SLURM."""
    return os.environ.get("SLURM_JOB_ID")


def assigned_gpus() -> str | None:
    """Returns the GPUs that SLURM assigned to this step or job, by their indices on the node, as in `0,1`."""
    return os.environ.get("SLURM_STEP_GPUS") or os.environ.get("SLURM_JOB_GPUS")


def constraint_for(needed: int, known: str) -> str:
    """Returns the constraint on nodes with the smallest GPUs that are large enough, as the user's profile lists them.

    Args:
        needed: Memory in GB that the GPU of a job needs.
        known: The profile's `gpu_constraints`: sizes in GB, each with a constraint, as in `24: a5000|a6000, 48: a6000`.

    Raises:
        StudyError: It has another form, or lists no GPU that is large enough.
    """
    entries = [entry.partition(":") for entry in known.split(",")]
    if not all(size.strip().isdecimal() and constraint.strip() for size, _, constraint in entries):
        raise StudyError(
            f"gpu_constraints: '{known}' is not a list of sizes in GB with SLURM's constraints, as in "
            "'24: a5000|a6000, 80: h100'. Mend it in the profile."
        )
    sizes = {int(size): constraint.strip() for size, _, constraint in entries}
    if needed > max(sizes):
        raise StudyError(
            f"gpu_constraints: the largest that the profile lists has {max(sizes)} GB, and a model's 'gpu_memory_gb' "
            f"in the config is {needed}. Add a larger one, or leave the model's runs out."
        )
    return sizes[min(size for size in sizes if size >= needed)]


def is_listed(job: str) -> bool | None:
    """Whether a job is pending, running or completing; None if SLURM does not answer."""
    answer = run_command("squeue", "--noheader", "--jobs", job, "--format", "%T")
    if answer is None or (answer.returncode != 0 and "Invalid job id" not in answer.stderr):
        return None
    return bool(answer.stdout.strip())


def put_back_if_preempted() -> None:
    """Puts this job back into SLURM's queue if it was preempted and would otherwise be lost.

    A job that ends by itself within the grace time counts as FAILED and uses up a retry, and Snakemake's SLURM plugin
    waits forever for a job that a partition with PreemptMode=CANCEL has ended. Nothing is done for a job that somebody
    cancelled, that reached its time limit, or that SLURM requeues by itself.
    """
    job = job_id()
    if job is None:
        return
    facts = fields_of(ask_slurm("scontrol", "show", "job", "--oneliner", job) or "")
    preempted = facts.get("PreemptTime", "None")
    # Within the grace time the job counts as running. A job that was ended for good has the same time for its end and
    # its preemption. For a job that SLURM requeues by itself, the time of the preemption is cleared at once.
    in_grace = facts.get("JobState") == "RUNNING" and preempted not in ("None", "Unknown")
    ended = facts.get("JobState") == "COMPLETING" and preempted == facts.get("EndTime")
    if (in_grace or ended) and ask_slurm("scontrol", "requeue", job) is not None:
        print(f"preempted: SLURM job {job} is back in the queue", flush=True)


def explain_failure(message: str, logs: list[str]) -> str | None:
    """Says why a job failed, where SLURM knows and Snakemake does not say.

    Args:
        message: The plugin's message about the failure.
        logs: The job's logs; the last one is SLURM's.

    Returns:
        One line, or None if SLURM knows nothing more.
    """
    found = re.search(r"SLURM-job '(\w+)'", message)
    if not found or not logs:
        return None
    job, text = found[1], _read_log(Path(logs[-1]))
    of_memory = "oom-kill" in text or "OUT_OF_MEMORY" in message
    no_folder = re.search(r"couldn't chdir to '([^']+)'", text)
    if text and not of_memory and not no_folder:
        return None
    facts = fields_of(ask_slurm("scontrol", "show", "job", "--oneliner", job) or "")
    if of_memory:
        return (
            f"SLURM job {job} ran out of memory: {facts.get('MinMemoryNode', 'what it asked for')} did not suffice. "
            "Raise 'mem_mb' of its rule under 'set-resources' in profiles/slurm/config.yaml; a retry asks for the same."
        )
    if no_folder or facts.get("Reason") == "JobLaunchFailure":
        node = facts.get("BatchHost") or facts.get("NodeList", "?")
        folder = no_folder[1] if no_folder else Path.cwd()
        return (
            f"SLURM job {job} could not start on node {node}, which does not see {folder}. All nodes have to see the "
            f"project folder. To exclude this node, set 'slurm_extra: \"--exclude={node}\"' under 'default-resources' "
            "in profiles/slurm/config.yaml."
        )
    return None


def _read_log(log: Path) -> str:
    """Returns the text of a log; empty if it cannot be read."""
    try:
        return log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def fields_of(line: str) -> dict[str, str]:
    """Parses a line of `scontrol --oneliner`, which consists of words of the form Name=value."""
    return dict(re.findall(r"(\w+)=(\S*)", line))


def ask_slurm(*command: str) -> str | None:
    """Returns what a command of SLURM prints; None if the command fails, is missing or takes over a minute."""
    answer = run_command(*command)
    return answer.stdout.strip() if answer and answer.returncode == 0 else None


def run_command(*command: str) -> subprocess.CompletedProcess[str] | None:
    """Runs a command and captures its output; None if the command is missing or takes over a minute."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
