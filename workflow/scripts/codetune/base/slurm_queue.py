"""SLURM's queue and limits: checked before jobs are submitted, and cleared when Snakemake ends."""

import re
import time
from dataclasses import dataclass
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.slurm import SNAKEMAKES, Say, ask_slurm, fields_of, run_command

POLL_SECONDS = 5.0  # between two looks at the queue
COMPLETING_LIMIT = 600.0  # seconds to wait for a completing job; SLURM's default KillWait is 30
SUBMIT_LIMIT = re.compile(r"(QOS|Assoc)\w*SubmitJob\w*Limit")  # SLURM's reason for refusing a submission


@dataclass(frozen=True)
class Queued:
    """A job in SLURM's queue.

    Attributes:
        id: Its id; `12_[3-9]` stands for the pending tasks of an array.
        state: PENDING, RUNNING, COMPLETING and the like.
        qos: Its quality of service.
        folder: Its working folder.
        name: Its name; the names of Snakemake's jobs end in the id of the workflow's run.
        comment: Snakemake's comment: rule and wildcards.
    """

    id: str
    state: str
    qos: str
    folder: str
    name: str
    comment: str

    def __str__(self) -> str:
        """Names the job by id, rule, wildcards and state, for messages."""
        said = self.comment.removeprefix("rule_").replace("_wildcards_", "_").replace("_", " ").strip()
        what = self.name if said in ("", "(null)") else said
        return f"{self.id} ({what}, {self.state.lower()})"

    def number(self) -> str:
        """Returns the id that scancel takes; for pending tasks that of the whole array."""
        return re.sub(r"_\[.*", "", self.id)

    def count(self) -> int:
        """Returns how many jobs this entry stands for: `12_[3-9]` for seven."""
        array = re.search(r"\[([\d,-]+)", self.id)
        if not array:
            return 1
        spans = [span.split("-") for span in array[1].split(",") if span]
        return sum(int(span[-1]) - int(span[0]) + 1 for span in spans)


@dataclass(frozen=True)
class Sending:
    """How Snakemake submits jobs to SLURM and follows them.

    Attributes:
        jobs: Most jobs in the queue at once.
        requeues: Whether jobs are submitted with `--requeue`.
        asks: The command that Snakemake asks for the state of jobs, `squeue` or `sacct`.
        interval: Seconds between two such questions, at first.
    """

    jobs: int
    requeues: bool
    asks: str
    interval: int


@dataclass(frozen=True)
class Request:
    """What the jobs of one rule ask SLURM for.

    Attributes:
        rule: The rule's name.
        jobs: Number of its jobs.
        partitions: Partitions in which they may run; empty for the cluster's default.
        runtime: Time limit in minutes.
        qos: Their quality of service; None for the user's default.
    """

    rule: str
    jobs: int
    partitions: tuple[str, ...]
    runtime: float
    qos: str | None


def check_start(folder: Path, requests: list[Request], sending: Sending, say: Say) -> None:
    """Checks, before any job is submitted, for problems that neither SLURM nor Snakemake would report.

    Args:
        folder: The project folder.
        requests: What the jobs will ask for.
        sending: How they will be submitted.
        say: Shows the user problems that do not forbid the start.

    Raises:
        StudyError: Jobs of this folder are in the queue, or SLURM can never grant what a rule asks for.
    """
    queue = _wait_for_empty_queue(folder, say)
    _check_partitions(requests, sending.requeues, say)
    _check_limits(requests, sending.jobs, queue)
    _check_job_states(sending, say)


def cancel_left(folder: Path, say: Say) -> None:
    """Cancels the jobs of a folder that Snakemake left behind: those that it was just submitting at Ctrl-C.

    Args:
        folder: The project folder.
        say: Shows the user which jobs are cancelled.

    Raises:
        StudyError: The queue cannot be read.
    """
    left = [job for job in _jobs_of_folder(_read_queue(), folder) if job.state != "COMPLETING"]
    if left:
        say(f"cancelling {', '.join(map(str, left))}")
        ask_slurm("scancel", *(job.number() for job in left))


def wait_for_room(message: str, say: Say) -> None:
    """Waits until a job of the user has ended, if a submission was refused for the limit on jobs in the queue.

    Without the wait Snakemake would use up all retries within a second.

    Args:
        message: The plugin's message about the submission, with its command.
        say: Shows the user what is waited for.
    """
    found = SUBMIT_LIMIT.search(message)
    if not found:
        return
    qos = re.search(r"--qos[= ]'?([\w.-]+)", message)

    def count_jobs() -> int:
        return sum(job.count() for job in _read_queue() if qos is None or job.qos == qos[1])

    try:
        full = count_jobs()
        say(f"SLURM accepts no more of your jobs now ({found[0]}): waiting until one of {full} in the queue has ended")
        while full and count_jobs() >= full:
            time.sleep(6 * POLL_SECONDS)
    except StudyError as error:
        say(str(error))


def _wait_for_empty_queue(folder: Path, say: Say) -> list[Queued]:
    """Returns the user's queue once it holds no job of this folder.

    Waits for jobs that are completing. If Snakemake itself runs as a SLURM job, that job does not count: its name does
    not end like those of the jobs that Snakemake submits.

    Raises:
        StudyError: Jobs of this folder are pending or running, or still completing after `COMPLETING_LIMIT` seconds.
    """
    deadline = time.monotonic() + COMPLETING_LIMIT
    told = False
    while True:
        queue = _read_queue()
        own = _jobs_of_folder(queue, folder)
        if not own:
            return queue
        completing = all(job.state == "COMPLETING" for job in own)
        named = ", ".join(map(str, own))
        if not completing or time.monotonic() > deadline:
            ids = " ".join(job.number() for job in own)
            raise StudyError(
                f"jobs of this folder are in SLURM's queue: {named}. A second start would compute the same a second "
                f"time. Let them end, or cancel them (scancel {ids}), then give the same command again."
            )
        if not told:
            say(f"waiting for jobs of this folder that are ending: {named}")
            told = True
        time.sleep(POLL_SECONDS)


def _jobs_of_folder(queue: list[Queued], folder: Path) -> list[Queued]:
    """Returns the jobs that Snakemake has submitted from a folder, by whichever of its paths."""
    return [job for job in queue if SNAKEMAKES.search(job.name) and Path(job.folder).resolve() == folder.resolve()]


def _read_queue() -> list[Queued]:
    """Returns the user's jobs that are pending, running or completing.

    Raises:
        StudyError: squeue fails.
    """
    answer = run_command("squeue", "--me", "--noheader", "--format", "%i|%T|%q|%Z|%j|%k")
    if answer is None or answer.returncode != 0:
        reason = answer.stderr.strip().splitlines()[-1:] if answer else []
        raise StudyError(
            f"SLURM's queue cannot be read ({' '.join(reason) or 'squeue is missing or does not answer'}). "
            "Start on a node on which 'squeue --me' works."
        )
    return [Queued(*line.split("|", 5)) for line in answer.stdout.splitlines() if line.count("|") >= 5]


def _check_partitions(requests: list[Request], requeues: bool, say: Say) -> None:
    """Compares what the jobs ask for with what the partitions allow."""
    lines = (ask_slurm("scontrol", "show", "partition", "--oneliner") or "").splitlines()
    partitions = {fields["PartitionName"]: fields for fields in map(fields_of, lines) if "PartitionName" in fields}
    if not partitions:
        return
    default = tuple(name for name, fields in partitions.items() if fields.get("Default") == "YES")
    for request in requests:
        names = request.partitions or default
        unknown = [name for name in names if name not in partitions]
        if unknown:
            raise StudyError(
                f"rule {request.rule}: this cluster has no partition '{unknown[0]}'; it has {', '.join(partitions)}. "
                "Name another 'slurm_partition' in profiles/slurm/config.yaml."
            )
        limit = max((_minutes(partitions[name].get("MaxTime", "")) for name in names), default=float("inf"))
        if request.runtime > limit and request.qos is None:  # some QOS allow more than the partition
            raise StudyError(
                f"rule {request.rule} asks for {request.runtime:.0f} minutes, and partition {', '.join(names)} ends "
                f"jobs after {limit:.0f}: SLURM would never start it. Set '{request.rule}: {{runtime: {limit:.0f}}}' "
                "under 'set-resources' in profiles/slurm/config.yaml; a training that reaches its time limit is "
                "submitted again and resumes."
            )
    used = {name for request in requests for name in request.partitions or default}
    for name in sorted(used):
        mode = partitions[name].get("PreemptMode", "OFF")
        if mode != "OFF" and not requeues:
            say(
                f"partition {name} lets other jobs preempt these (PreemptMode={mode}), and they are submitted without "
                "--requeue: Snakemake waits forever for a preempted job. Set 'slurm-requeue: true' in the profile."
            )


def _check_limits(requests: list[Request], jobs: int, queue: list[Queued]) -> None:
    """Compares the number of jobs that are submitted at once with the number that accounting allows in the queue."""
    default, limits = _submit_limits()
    for qos, limit in limits.items():
        chosen = [request for request in requests if qos in (None, request.qos or default)]
        there = sum(job.count() for job in queue if qos in (None, job.qos))
        sent = min(jobs, sum(request.jobs for request in chosen))
        allowed = limit - there
        if sent > allowed:
            remedy = f"give '--jobs {allowed}' or set it in the profile" if allowed > 0 else "wait for some to end"
            raise StudyError(
                f"{f'QOS {qos!r}' if qos else 'your account'} allows {limit} jobs in SLURM's queue, {there} are there, "
                f"and {sent} would be submitted at once: {remedy}."
            )


def _submit_limits() -> tuple[str, dict[str | None, int]]:
    """Asks for the user's default QOS and limits on the number of jobs in the queue.

    Returns:
        The default QOS; and the limit of each QOS, and under None that of all jobs together. Empty without accounting.
    """
    user = ask_slurm("id", "-un") or ""
    own = (
        ask_slurm("sacctmgr", "-nP", "show", "assoc", f"user={user}", "format=DefaultQOS,MaxSubmitJobs") or ""
    ).split()
    rows = (ask_slurm("sacctmgr", "-nP", "show", "qos", "format=Name,MaxSubmitJobsPU") or "").split()
    limits: dict[str | None, int] = {name: int(limit) for name, limit in (row.split("|")[:2] for row in rows) if limit}
    defaults = {default for default, _ in (row.split("|")[:2] for row in own) if default}
    in_all = [limit for _, limit in (row.split("|")[:2] for row in own)]
    if in_all and all(in_all):
        limits[None] = max(map(int, in_all))
    return defaults.pop() if len(defaults) == 1 else "normal", limits


def _check_job_states(sending: Sending, say: Say) -> None:
    """Warns if the plugin asks sacct for states, which it also does where squeue forgets finished jobs too soon."""
    found = re.search(r"^MinJobAge\s*=\s*(\d+)", ask_slurm("scontrol", "show", "config") or "", re.MULTILINE)
    forgets = found is not None and int(found[1]) < 3 * sending.interval
    if forgets or sending.asks == "sacct":
        reason = f" (this cluster forgets finished jobs after {found[1]} s, MinJobAge)" if forgets and found else ""
        say(
            f"Snakemake asks sacct for the state of jobs{reason} and does not notice when a job is cancelled. "
            "After a scancel press Ctrl-C and give the same command again."
        )


def _minutes(limit: str) -> float:
    """Converts a time limit as SLURM prints it, `days-hours:minutes:seconds`, to minutes; UNLIMITED to infinity."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", limit)
    if not found:
        return float("inf")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return (days * 24 + hours) * 60 + minutes + seconds / 60
