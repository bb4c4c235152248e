"""SLURM's queue and limits, looked at before jobs are sent, and what is left in it."""

import re
import time
from dataclasses import dataclass
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.slurm import SNAKEMAKES, Say, ask_slurm, fields_of, run_command

POLL_SECONDS = 5.0


COMPLETING_LIMIT = 600.0  # seconds that a completing job is waited for; KillWait is 30 unless a cluster says otherwise


SUBMIT_LIMIT = re.compile(r"(QOS|Assoc)\w*SubmitJob\w*Limit")


@dataclass(frozen=True)
class Queued:
    """A job in SLURM's queue.

    Attributes:
        id: Its number; of tasks of an array that wait, `12_[3-9]`.
        state: PENDING, RUNNING, COMPLETING and the like.
        qos: Its quality of service.
        folder: Its working folder.
        name: Its name; Snakemake's end in the number of the workflow's run.
        comment: What Snakemake says of it: rule and wildcards.
    """

    id: str
    state: str
    qos: str
    folder: str
    name: str
    comment: str

    def __str__(self) -> str:
        said = self.comment.removeprefix("rule_").replace("_wildcards_", "_").replace("_", " ").strip()
        what = self.name if said in ("", "(null)") else said
        return f"{self.id} ({what}, {self.state.lower()})"

    def number(self) -> str:
        """What scancel takes: of tasks that wait, the whole array."""
        return re.sub(r"_\[.*", "", self.id)

    def count(self) -> int:
        """How many jobs this stands for: `12_[3-9]` for seven."""
        array = re.search(r"\[([\d,-]+)", self.id)
        if not array:
            return 1
        spans = [span.split("-") for span in array[1].split(",") if span]
        return sum(int(span[-1]) - int(span[0]) + 1 for span in spans)


@dataclass(frozen=True)
class Sending:
    """How Snakemake sends jobs to SLURM and follows them.

    Attributes:
        jobs: How many at once.
        requeues: Whether with `--requeue`.
        asks: The command that tells it of their state, `squeue` or `sacct`.
        interval: Seconds between two looks, at first.
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
        partitions: Where they may run; empty for the cluster's default.
        runtime: Minutes.
        qos: Their quality of service, if one is named.
    """

    rule: str
    jobs: int
    partitions: tuple[str, ...]
    runtime: float
    qos: str | None


def check_start(folder: Path, requests: list[Request], sending: Sending, say: Say) -> None:
    """Looks once, before anything is sent, for what would go wrong without a word.

    Args:
        folder: The project folder.
        requests: What will be sent.
        sending: How it will be sent.
        say: Tells people what is found that does not forbid the start.

    Raises:
        StudyError: Jobs of this folder are in the queue, or something asked for can never be had.
    """
    queue = _free_of(folder, say)
    _check_partitions(requests, sending.requeues, say)
    _check_limits(requests, sending.jobs, queue)
    _check_what_is_seen(sending, say)


def cancel_left(folder: Path, say: Say) -> None:
    """Cancels the jobs of a folder that Snakemake has left when it ended: those that it was just sending at Ctrl-C.

    Args:
        folder: The project folder.
        say: Tells people what is cancelled.
    """
    left = [job for job in _of_folder(_queue(), folder) if job.state != "COMPLETING"]
    if left:
        say(f"cancelling {', '.join(map(str, left))}")
        ask_slurm("scancel", *(job.number() for job in left))


def _free_of(folder: Path, say: Say) -> list[Queued]:
    """The user's queue, once no job of this folder is in it.

    Jobs that are completing are waited for. A job that is this very process's, as when Snakemake itself was sent to a
    node, does not count: its name is not one that Snakemake gives.
    """
    deadline = time.monotonic() + COMPLETING_LIMIT
    told = False
    while True:
        queue = _queue()
        own = _of_folder(queue, folder)
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


def _of_folder(queue: list[Queued], folder: Path) -> list[Queued]:
    """Those that Snakemake has sent from a folder, however that is called."""
    return [job for job in queue if SNAKEMAKES.search(job.name) and Path(job.folder).resolve() == folder.resolve()]


def _queue() -> list[Queued]:
    """The user's jobs that wait, run or are completing."""
    answer = run_command("squeue", "--me", "--noheader", "--format", "%i|%T|%q|%Z|%j|%k")
    if answer is None or answer.returncode != 0:
        reason = answer.stderr.strip().splitlines()[-1:] if answer else []
        raise StudyError(
            f"SLURM's queue cannot be read ({' '.join(reason) or 'no squeue found, or no answer from it'}). "
            "Start on a node from which 'squeue --me' works."
        )
    return [Queued(*line.split("|", 5)) for line in answer.stdout.splitlines() if line.count("|") >= 5]


def _check_partitions(requests: list[Request], requeues: bool, say: Say) -> None:
    """Compares what is asked for with what the partitions allow."""
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
                f"rule {request.rule}: this cluster has no partition '{unknown[0]}', but {', '.join(partitions)}. "
                "Say another 'slurm_partition' in profiles/slurm/config.yaml."
            )
        limit = max((_minutes(partitions[name].get("MaxTime", "")) for name in names), default=float("inf"))
        if request.runtime > limit and request.qos is None:  # some QOS go beyond the partition's limit
            raise StudyError(
                f"rule {request.rule} asks for {request.runtime:.0f} minutes, and partition {', '.join(names)} ends "
                f"jobs after {limit:.0f}: SLURM would let it wait for ever. Say '{request.rule}: {{runtime: "
                f"{limit:.0f}}}' under 'set-resources' in profiles/slurm/config.yaml; a training that its time limit "
                "stops is sent again and goes on."
            )
    used = {name for request in requests for name in request.partitions or default}
    for name in sorted(used):
        mode = partitions[name].get("PreemptMode", "OFF")
        if mode != "OFF" and not requeues:
            say(
                f"partition {name} lets other jobs preempt these (PreemptMode={mode}), and they are not sent with "
                "--requeue: Snakemake waits for ever for a preempted one. Say 'slurm-requeue: true' in the profile."
            )


def _check_limits(requests: list[Request], jobs: int, queue: list[Queued]) -> None:
    """Compares the number of jobs that are sent at once with what accounting lets a user have in the queue."""
    default, limits = _submit_limits()
    for qos, limit in limits.items():
        chosen = [request for request in requests if qos in (None, request.qos or default)]
        there = sum(job.count() for job in queue if qos in (None, job.qos))
        sent = min(jobs, sum(request.jobs for request in chosen))
        room = limit - there
        if sent > room:
            remedy = f"give '--jobs {room}' or say so in the profile" if room > 0 else "wait for some to end"
            raise StudyError(
                f"{f'QOS {qos!r}' if qos else 'your account'} allows {limit} jobs in SLURM's queue, {there} are there, "
                f"and {sent} would be sent at once: {remedy}."
            )


def _submit_limits() -> tuple[str, dict[str | None, int]]:
    """The user's default QOS, and the most jobs in the queue, by QOS and in all (None); none without accounting."""
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


def _check_what_is_seen(sending: Sending, say: Say) -> None:
    """Says so where the plugin asks sacct, which it also does where squeue forgets finished jobs too soon."""
    found = re.search(r"^MinJobAge\s*=\s*(\d+)", ask_slurm("scontrol", "show", "config") or "", re.MULTILINE)
    forgets = found is not None and int(found[1]) < 3 * sending.interval
    if forgets or sending.asks == "sacct":
        reason = f" (this cluster forgets finished jobs after {found[1]} s, MinJobAge)" if forgets and found else ""
        say(
            f"Snakemake asks sacct for the state of jobs{reason}, and does not notice there when a job is cancelled. "
            "After a scancel press Ctrl-C and give the same command again."
        )


def wait_for_room(message: str, say: Say) -> None:
    """After a submission that the user's limit of jobs in the queue refused: waits until one of them has ended.

    Snakemake would use up all retries within a second.

    Args:
        message: What the plugin says of the submission, with its command.
        say: Tells people what is waited for.
    """
    found = SUBMIT_LIMIT.search(message)
    if not found:
        return
    qos = re.search(r"--qos[= ]'?([\w.-]+)", message)

    def there() -> int:
        return sum(job.count() for job in _queue() if qos is None or job.qos == qos[1])

    try:
        full = there()
        say(f"SLURM takes no more jobs of yours now ({found[0]}): waiting until one of {full} in the queue has ended")
        while full and there() >= full:
            time.sleep(6 * POLL_SECONDS)
    except StudyError as error:
        say(str(error))


def _minutes(limit: str) -> float:
    """A time limit as SLURM prints it, `days-hours:minutes:seconds`, in minutes; without end if it says so."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", limit)
    if not found:
        return float("inf")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return (days * 24 + hours) * 60 + minutes + seconds / 60
