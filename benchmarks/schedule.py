"""The jobs that Snakemake plans, and the simulation of their schedule by its own greedy scheduler."""

import contextlib
import heapq
import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from common import ROOT

# isort: split

from codetune.study.runs import Run
from codetune.study.study import Study

GPUS = (1, 2, 4, 8)
CORES = 48  # of the paper's machine


@dataclass(frozen=True, eq=False)
class Job:
    """One job of the plan, as Snakemake's scheduler wants to see it.

    Attributes:
        rule: Its rule.
        wildcards: Its wildcards.
        benchmark: File in which Snakemake writes how long it took; None for a target.
        needs: Numbers of the jobs whose outputs it reads, among all jobs of the plan.
        scheduler_resources: What it takes while it runs: `_cores`, `gpu`, `downloads`.
        priority: Of the jobs that could start, those of the highest priority do.
        seconds: How long it takes.
        input: Nothing: whatever sizes files will have, the priorities decide.
    """

    rule: str
    wildcards: dict[str, str]
    benchmark: Path | None
    needs: frozenset[int]
    scheduler_resources: dict[str, int]
    priority: float
    seconds: float = 0.0
    input: tuple[()] = ()

    @property
    def run(self) -> Run:
        """The run whose wildcards it has."""
        own = self.wildcards
        return Run(own["data"], own["model"], own["method"], int(own["seed"]))


@dataclass(frozen=True)
class Plan:
    """What Snakemake would run if nothing were done yet.

    Attributes:
        jobs: Its jobs.
        config: The merged configuration.
        study: The study that the workflow made from it.
    """

    jobs: list[Job]
    config: dict[str, Any]
    study: Study


def read_plan(configfiles: Iterable[Path] = (), **overlay: Any) -> Plan:
    """Reads the workflow's plan from Snakemake.

    Args:
        configfiles: Overlays of the study's configuration.
        overlay: Keys of the configuration to replace.
    """
    from snakemake.api import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings, SnakemakeApi

    files = [path.resolve() for path in configfiles]
    told = io.StringIO()
    with (
        contextlib.redirect_stdout(told),
        contextlib.redirect_stderr(told),
        contextlib.chdir(ROOT),
        SnakemakeApi(OutputSettings(dryrun=True)) as api,
    ):
        workflow = api.workflow(
            ResourceSettings(cores=CORES, resources={"gpu": max(GPUS)}),
            config_settings=ConfigSettings(config=overlay, configfiles=files),
            snakefile=ROOT / "Snakefile",
        )
        workflow.dag(DAGSettings(forceall=True, print_dag_as="dot")).printdag()
        dag, names = workflow._workflow.dag, workflow._workflow.globals
        dag.update_priority()
        return Plan(_jobs_of(dag), names["config"], names["STUDY"])


def _jobs_of(dag: Any) -> list[Job]:
    """The jobs of Snakemake's graph, in its order."""
    planned = {job: number for number, job in enumerate(dag.jobs)}
    return [
        Job(
            rule=job.rule.name,
            wildcards=dict(job.wildcards_dict),
            benchmark=Path(job.benchmark) if job.benchmark else None,
            needs=frozenset(planned[other] for other in dag.dependencies[job]),
            scheduler_resources={name: job.scheduler_resources.get(name, 0) for name in ("_cores", "gpu", "downloads")},
            priority=job.priority,
        )
        for job in planned
    ]


@dataclass(frozen=True)
class Schedule:
    """A simulated run of a plan.

    Attributes:
        seconds: Until the last job is done.
        starts: When each job starts.
        ideal: The GPU jobs' seconds, divided by the number of GPUs (of the cores, where there is none).
        bound: No schedule takes less: the ideal, or the longest chain of jobs that wait for each other.
    """

    seconds: float
    starts: list[float]
    ideal: float
    bound: float


def simulate(jobs: list[Job], gpus: int, cores: int = CORES, downloads: int = 1) -> Schedule:
    """Runs the jobs in simulated time, as Snakemake would with these GPUs and cores.

    Args:
        jobs: With their `seconds`.
        gpus: What `--resources gpu` says; with 0, GPU jobs take cores only.
        cores: What `--cores` says; a job that wants more gets these.
        downloads: Checkpoints fetched at once.
    """
    from snakemake.scheduling.greedy import Scheduler, SchedulerSettings

    limits = {"_cores": cores, "gpu": gpus, "downloads": downloads}
    jobs = [replace(job, scheduler_resources=_within(job.scheduler_resources, limits)) for job in jobs]
    numbers = {job: number for number, job in enumerate(jobs)}
    scheduler, free = Scheduler(None, SchedulerSettings(), None), dict(limits)
    starts, done, waiting = [0.0] * len(jobs), set[int](), set(range(len(jobs)))
    running: list[tuple[float, int]] = []
    now = 0.0
    while waiting or running:
        ready = [jobs[number] for number in sorted(waiting) if jobs[number].needs <= done]
        for job in scheduler.select_jobs(ready, [], free, {}) if ready else []:
            _take(free, job, 1)
            starts[numbers[job]] = now
            waiting.remove(numbers[job])
            heapq.heappush(running, (now + job.seconds, numbers[job]))
        now, number = heapq.heappop(running)
        _take(free, jobs[number], -1)
        done.add(number)
    worked = [job.seconds * job.scheduler_resources["gpu" if gpus else "_cores"] for job in jobs]
    ideal = sum(worked) / (gpus or cores)
    return Schedule(now, starts, ideal, max(ideal, _longest_chain(jobs)))


def _within(resources: dict[str, int], limits: dict[str, int]) -> dict[str, int]:
    return {name: min(value, limits[name]) for name, value in resources.items()}


def _take(free: dict[str, int], job: Job, sign: int) -> None:
    for name, value in job.scheduler_resources.items():
        free[name] -= sign * value


def _longest_chain(jobs: list[Job]) -> float:
    ends: dict[int, float] = {}

    def end(number: int) -> float:
        if number not in ends:
            ends[number] = jobs[number].seconds + max(map(end, jobs[number].needs), default=0.0)
        return ends[number]

    return max(map(end, range(len(jobs))))
