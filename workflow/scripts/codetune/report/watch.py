"""What all jobs of a study are doing, from its files alone: outputs, logs, and the locks of what runs.

So it works beside a local run, beside jobs on a cluster, over ssh, and on a study that has ended.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from codetune.base.holders import holder_of
from codetune.base.jobs import DONE
from codetune.base.locks import FOLDER, lock_of
from codetune.study.job_log import Progress, read_progress
from codetune.study.stages import Job

QUIET = 120.0  # seconds without a sign after which nobody seems to be at work


class State(Enum):
    """Where a job is; in the order in which jobs are shown."""

    RUNNING = "running"
    FAILED = "failed"
    STOPPED = "stopped"
    READY = "ready"
    WAITING = "waiting"
    DONE = "done"


@dataclass(frozen=True)
class Seen:
    """A job as its files show it.

    Attributes:
        job: The job.
        state: Where it is.
        why: What it waits for, or what it failed of; empty for others.
        progress: What its log says, of a job that runs.
        since: Time of the last sign of it, in seconds since the epoch; 0 if there is none.
        host: Name of the machine on which it runs; empty for others.
    """

    job: Job
    state: State
    why: str = ""
    progress: Progress = field(default_factory=Progress)
    since: float = 0.0
    host: str = ""


@dataclass(frozen=True)
class Sight:
    """All jobs of a study at one moment.

    Attributes:
        jobs: The jobs, in the order of the study's path.
        now: The moment, in seconds since the epoch.
    """

    jobs: Sequence[Seen]
    now: float

    @property
    def counts(self) -> Mapping[State, int]:
        """How many jobs there are in each state."""
        return Counter(seen.state for seen in self.jobs)

    @property
    def is_finished(self) -> bool:
        """Whether all jobs are done."""
        return self.counts[State.DONE] == len(self.jobs)

    @property
    def last_sign(self) -> float:
        """Time of the last sign of any job; 0 if there has been none."""
        return max((seen.since for seen in self.jobs), default=0.0)

    @property
    def is_at_work(self) -> bool:
        """Whether a job runs, or has ended so lately that the next one may be about to start."""
        return self.counts[State.RUNNING] > 0 or (not self.is_finished and self.now - self.last_sign < QUIET)

    def in_order(self) -> list[Seen]:
        """The jobs as they are shown: first what runs and what has failed, last what is done, the latest first."""
        states = list(State)
        return sorted(self.jobs, key=lambda seen: (states.index(seen.state), -seen.since if _over(seen) else 0))


def _over(seen: Seen) -> bool:
    return seen.state in (State.DONE, State.FAILED, State.STOPPED)


def look(jobs: Sequence[Job], roots: list[str]) -> Sight:
    """Looks at all jobs of a study; only the logs of those that are not done are read.

    Args:
        jobs: The jobs.
        roots: The folders of results and of downloads.
    """
    locked = {path for root in roots for path in (Path(root).resolve() / FOLDER).glob("*.lock")}
    there = {job.output for job in jobs if Path(job.output).exists()}
    makers = {job.output: job for job in jobs}
    now = time.time()
    first = {job.output: _look_at(job, locked, there, roots) for job in jobs}
    return Sight([_with_reason(first[job.output], makers, first) for job in jobs], now)


def _look_at(job: Job, locked: Iterable[Path], there: Iterable[str], roots: list[str]) -> Seen:
    """A job as its own files show it."""
    log = Path(job.log)
    lock = lock_of(job.output, roots)
    if lock in locked and (holder := holder_of(lock)) and holder.answers(lock):
        return Seen(job, State.RUNNING, progress=read_progress(log), since=_changed(log), host=holder.host)
    if job.output in there:
        return Seen(job, State.DONE, since=_changed(Path(job.output)))
    if not _changed(log):
        return Seen(job, State.WAITING)
    said = read_progress(log).last
    if said.startswith("error: stopped by") or not said.startswith(("error:", DONE)):
        why = said.removeprefix("error: ") if said.startswith("error:") else "ended without a word, as if killed"
        return Seen(job, State.STOPPED, why, since=_changed(log))
    if said.startswith(DONE):  # its outputs were deleted since
        return Seen(job, State.WAITING, since=_changed(log))
    return Seen(job, State.FAILED, said.removeprefix("error: "), since=_changed(log))


def _with_reason(seen: Seen, makers: Mapping[str, Job], first: Mapping[str, Seen]) -> Seen:
    """A job that waits, with what it waits for: the first job before it that is not done."""
    if seen.state is not State.WAITING:
        return seen
    before = [first[need] for need in seen.job.needs if need in makers and first[need].state is not State.DONE]
    if not before:
        return replace(seen, state=State.READY, why="for its turn" + (", or a GPU" if seen.job.on_gpu else ""))
    order = list(State)
    nearest = min(before, key=lambda one: order.index(one.state))
    others = f" and {len(before) - 1} more" if len(before) > 1 else ""
    state = "" if nearest.state in (State.WAITING, State.READY) else f" ({nearest.state.value})"
    of = "" if nearest.job.what == seen.job.what else f" of {nearest.job.what}"
    return replace(seen, why=f"for {nearest.job.rule}{of}{state}{others}")


def _changed(path: Path) -> float:
    """When a file was changed last; 0 if there is none, or it is empty."""
    try:
        found = path.stat()
    except OSError:
        return 0.0
    return found.st_mtime if found.st_size else 0.0


def headline(sight: Sight) -> str:
    """Says in a sentence how far the study is, and whether anybody is at work on it."""
    counts, total = sight.counts, len(sight.jobs)
    if sight.is_finished:
        return f"finished: all {total:,} jobs are done, the last one since {_when(sight.last_sign, sight.now)}"
    parts = [f"{counts[State.DONE]:,} of {total:,} jobs done"]
    parts += [f"{counts[state]:,} {state.value}" for state in list(State)[:-1] if counts[state]]
    text = ", ".join(parts)
    if sight.is_at_work:
        return text
    if not sight.last_sign:
        return f"{text}. Nothing has begun yet"
    asks = "It waits in a queue, or it has ended: the same command resumes it"
    return f"{text}. No job has run since {_when(sight.last_sign, sight.now)}. {asks}"


def _when(moment: float, now: float) -> str:
    """A time of day, with the date where it is not today's."""
    then, today = time.localtime(moment), time.localtime(now)
    return time.strftime("%H:%M" if then[:3] == today[:3] else "%Y-%m-%d %H:%M", then)


def as_line(seen: Seen, now: float) -> str:
    """A job in one line, for where there is no terminal."""
    progress, parts = seen.progress, []
    if progress.doing:
        parts.append(progress.doing)
    if progress.share is not None:
        parts.append(f"{progress.share:.0%}")
    parts += [f"loss {progress.loss}"] if progress.loss else []
    parts += [part for part in (progress.speed, progress.memory) if part]
    parts += [f"{progress.left} left"] if progress.left else []
    state = seen.state.value if seen.state is not State.RUNNING or not parts else ""
    text = ", ".join([part for part in (state, *parts, seen.why) if part])
    return f"{time.strftime('%H:%M', time.localtime(now))} {seen.job.rule} {seen.job.what}: {text}"
