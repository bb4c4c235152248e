"""Simulates the schedule of the study on 1, 2, 4 and 8 GPUs. Takes seconds, needs neither a GPU nor torch.

Usage: python benchmarks/makespan.py --out FILE.json
       python benchmarks/makespan.py --out FILE.json --recorded [CONFIG.yaml ...]

Jobs, their dependencies, cores, GPUs and priorities are those that Snakemake plans, and its own greedy scheduler
chooses among them. How long a job takes comes from a cost model of the full study; with --recorded, from what the jobs
of a finished study took, and the cost model is compared with these.
"""

import argparse
import contextlib
import csv
import heapq
import io
import json
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from common import ROOT, Row, write_result

from codetune.models.shapes import parameters  # isort: skip  (common puts the library on the path)

ARCHITECTURES = json.loads((ROOT / "benchmarks" / "architectures.json").read_text())
GPUS = (1, 2, 4, 8)
CORES = 48  # of the paper's machine
GOAL = 1.10  # of the GPU work, divided by the number of GPUs

# What the cost model assumes of an RTX A5000 and its node; nothing of this was measured there.
TRAINING = 35e12  # operations a second, in bf16: a third of what the device can do at most
DECODING = 1 / 1.2e-3  # layers a second, one step for all sequences of a batch: bound by kernel launches and weights
START = 60.0  # seconds a GPU job takes to import its libraries and load its checkpoint
DOWNLOAD = 100e6  # bytes a second
LIGHT = 10.0  # seconds of any other job
BYTES = 2  # of a parameter in a published checkpoint


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


@dataclass(frozen=True)
class Plan:
    """What Snakemake would run if nothing were done yet.

    Attributes:
        jobs: Its jobs.
        config: The merged configuration.
    """

    jobs: list[Job]
    config: dict[str, Any]


def plan(configfiles: Iterable[Path] = (), **overlay: Any) -> Plan:
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
        dag, config = workflow._workflow.dag, workflow._workflow.globals["config"]
        dag.update_priority()
        planned = {job: number for number, job in enumerate(dag.jobs)}
    jobs = [
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
    return Plan(jobs, config)


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


@dataclass(frozen=True)
class Work:
    """What a GPU job has to do, in the unit of its device's rate.

    Attributes:
        training: Operations of fine-tuning: each token passes each parameter forwards and, on the way to the adapters,
            backwards. Attention and the adapters themselves, a few in a hundred, are left out.
        decoding: Layers passed, one at a time, in all steps of all batches.
    """

    training: float = 0.0
    decoding: float = 0.0

    def seconds(self, training: float, decoding: float, start: float) -> float:
        """How long it takes at these rates, after the start."""
        return start + self.training / training + self.decoding / decoding


def training_work(architecture: dict[str, Any], train: float, validation: float, evaluations: int) -> Work:
    """Of fine-tuning on `train` tokens in all, and evaluating `validation` tokens each time."""
    size = sum(parameters(architecture).values())
    return Work(training=size * (4 * train + 2 * validation * evaluations))


def decoding_work(architecture: dict[str, Any], steps: float) -> Work:
    """Of so many decode steps."""
    return Work(decoding=architecture["num_hidden_layers"] * steps)


def decode_steps(lengths: Iterable[int], batch: int) -> int:
    """Steps of decoding completions of these lengths in batches, those of like length together."""
    return sum(sorted(lengths, reverse=True)[::batch])


def modelled(job: Job, config: dict[str, Any], epochs: int) -> Job:
    """The job with the seconds that the cost model gives it.

    A tuned model's completions are taken to be as long as the references, an untuned one's as long as they may get in
    every batch: it was never told how to end.

    Args:
        job: A job of the full study.
        config: Its configuration.
        epochs: Passes over the training data until early stopping.
    """
    if job.rule == "download_model":
        size = sum(parameters(ARCHITECTURES[job.wildcards["model"]]["config"]).values())
        return replace(job, seconds=BYTES * size / DOWNLOAD)
    if not job.scheduler_resources["gpu"]:
        return replace(job, seconds=LIGHT if job.benchmark else 0.0)
    model = ARCHITECTURES[job.wildcards["model"]]
    architecture, tokens, steps = model["config"], model["tokens"], model["decode_steps"]
    evaluations = epochs * config["training"]["evaluations_per_epoch"] + 1

    def untuned(part: str) -> int:
        return int(model["batches"][part]) * int(config["generation"]["max_new_tokens"])

    if job.rule == "finetune":
        work = training_work(architecture, epochs * tokens["train"], tokens["validation"], evaluations)
    elif job.rule == "curve":
        work = decoding_work(architecture, untuned("curve") + (evaluations - 1) * steps["curve"])
    else:
        tuned = "lora" in config["methods"][job.wildcards["method"]]
        work = decoding_work(architecture, steps["test"] if tuned else untuned("test"))
    return replace(job, seconds=work.seconds(TRAINING, DECODING, START))


def scenarios() -> dict[str, tuple[list[Job], dict[str, int]]]:
    """The jobs of each scenario, and what is not as usual in its schedule."""
    study = plan()
    first, *others = study.config["runs"]
    seeds = plan(runs=[{**first, "seeds": [0, 1, 2]}, *others])
    full = [modelled(job, study.config, epochs=50) for job in study.jobs]
    return {
        "the study, all 50 epochs": (full, {}),
        "stopped early, after 10 epochs": ([modelled(job, study.config, epochs=10) for job in study.jobs], {}),
        "three seeds, 50 epochs": ([modelled(job, seeds.config, epochs=50) for job in seeds.jobs], {}),
        "50 epochs, priorities but all downloads at once": (full, {"downloads": len(full)}),
        "50 epochs, neither": ([replace(job, priority=0) for job in full], {"downloads": len(full)}),
    }


class Recorded:
    """A finished study: what its jobs took, and what the cost model makes of their work."""

    def __init__(self, configfiles: list[Path]) -> None:
        study = plan(configfiles)
        self.config = study.config
        self.results, self.resources = ROOT / self.config["results"], ROOT / self.config["resources"]
        self.jobs = [replace(job, seconds=self._measured(job)) for job in study.jobs]
        self.gpu_jobs = [job for job in self.jobs if job.scheduler_resources["gpu"]]
        known = [(job, self.work(job), self._seconds_of_work(job)) for job in self.gpu_jobs if job.rule != "curve"]
        self.start = statistics.median(job.seconds - seconds for job, _, seconds in known)
        self.training, self.decoding = (
            sum(rate(work) for _, work, _ in known) / sum(seconds for _, work, seconds in known if rate(work))
            for rate in (_training, _decoding)
        )

    def predicted(self, job: Job) -> float:
        """Seconds that the cost model gives a GPU job at the study's own two rates, all jobs taken together."""
        return self.work(job).seconds(self.training, self.decoding, self.start)

    def work(self, job: Job) -> Work:
        """The work of a GPU job, from the records of its run."""
        architecture = self._json(self.resources / "tokenizers" / job.wildcards["model"] / "config.json")
        if job.rule == "finetune":
            record, result = self._record(job, "training"), self._record(job, "training")["result"]
            validation = self._json(self._tokens(job) / "stats.json")["parts"]["validation"]["tokens"]
            share = result["steps"] / result["planned_steps"]
            train = record["data"]["tokens"] * record["plan"]["settings"]["epochs"] * share
            return training_work(architecture, train, validation, len(result["checkpoints"]) + 1)
        with (self._run(job) / "predictions.jsonl").open(encoding="utf-8") as lines:
            lengths = [json.loads(line)["candidates"][0]["tokens"] for line in lines]
        batch = self.config["generation"]["batch_size"]
        if job.rule == "generate":
            return decoding_work(architecture, decode_steps(lengths, batch))
        curve = self._record(job, "curve")
        alike = sorted(lengths)[:: max(1, len(lengths) // len(curve["samples"]))]  # its own lengths are not recorded
        return decoding_work(architecture, decode_steps(alike, batch) * len(curve["points"]))

    def wall_time(self) -> float:
        """Seconds from the start of the study's first job to the end of its last."""
        starts, ends = zip(*(self._interval(job) for job in self.jobs if job.benchmark), strict=True)
        return float(max(ends) - min(starts))

    def machine(self) -> dict[str, int]:
        """Cores of the machine, and the most GPU jobs that ran at once; no GPUs where it has none."""
        environment = self._record(self.gpu_jobs[0], "generation")["environment"]
        intervals = [self._interval(job) for job in self.gpu_jobs]
        at_once = max(sum(start <= other < end for start, end in intervals) for other, _ in intervals)
        return {"gpus": at_once if environment["gpus"] else 0, "cores": environment["cores"]}

    def _interval(self, job: Job) -> tuple[float, float]:
        assert job.benchmark is not None
        end = (ROOT / job.benchmark).stat().st_mtime
        return end - job.seconds, end

    def _measured(self, job: Job) -> float:
        if job.benchmark is None:
            return 0.0
        path = ROOT / job.benchmark
        if not path.exists():
            sys.exit(f"error: there is no {path}: --recorded needs the results of a finished study; finish it first")
        with path.open(encoding="utf-8") as stream:
            return float(next(csv.DictReader(stream, delimiter="\t"))["s"])

    def _seconds_of_work(self, job: Job) -> float:
        record = self._record(job, {"finetune": "training", "generate": "generation"}[job.rule])
        return float(record["cost"]["seconds"] if job.rule == "finetune" else record["seconds"])

    def _record(self, job: Job, name: str) -> Any:
        return self._json(self._run(job) / f"{name}.json")

    def _run(self, job: Job) -> Path:
        return self.results / "runs" / "{dataset}/{model}/{method}/seed{seed}".format(**job.wildcards)

    def _tokens(self, job: Job) -> Path:
        return self.results / "tokens" / "{dataset}/{model}".format(**job.wildcards)

    @staticmethod
    def _json(path: Path) -> Any:
        return json.loads(path.read_text(encoding="utf-8"))


def _training(work: Work) -> float:
    return work.training


def _decoding(work: Work) -> float:
    return work.decoding


def describe(name: str, schedules: dict[int, Schedule]) -> None:
    """Prints a scenario's schedules, one line for each number of GPUs."""
    print(f"\n{name}\n  GPUs    hours  of GPU work / GPUs  of the lower bound")
    for gpus, schedule in schedules.items():
        ratios = (schedule.seconds / schedule.ideal, schedule.seconds / schedule.bound)
        print(f"  {gpus:4d} {schedule.seconds / 3600:8.2f} {ratios[0]:19.3f} {ratios[1]:19.3f}")


def compare(study: Recorded) -> list[dict[str, Any]]:
    """Prints and returns what each GPU job of a finished study took, beside what the cost model says."""
    print(f"rates: {study.training:.3g} operations/s in training, {study.decoding:.3g} layers/s in decoding")
    print(f"start of a GPU job: {study.start:.1f} s (median)\n\n  predicted  recorded  ratio  job")
    rows = []
    for job in sorted(study.gpu_jobs, key=lambda job: (job.rule, -job.seconds)):
        predicted, name = study.predicted(job), " ".join([job.rule, *map(str, job.wildcards.values())])
        rows.append({"job": name, "predicted": round(predicted, 1), "recorded": job.seconds})
        print(f"  {predicted:9.1f} {job.seconds:9.1f} {predicted / job.seconds:6.2f}  {name}")
    total = sum(row["predicted"] for row in rows) / sum(row["recorded"] for row in rows)
    off = statistics.median(abs(row["predicted"] / row["recorded"] - 1) for row in rows)
    print(f"  sum of the predicted / sum of the recorded: {total:.2f}; median error of a job: {off:.0%}")
    return rows


def main() -> None:
    """Simulates, prints and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the result, as JSON")
    parser.add_argument("--recorded", type=Path, nargs="*", metavar="CONFIG", help="overlays of a finished study")
    arguments = parser.parse_args()
    for path in arguments.recorded or ():
        if not path.is_file():
            parser.error(f"there is no file {path}")
    if arguments.recorded is not None:
        study = Recorded(arguments.recorded)
        facts: dict[str, Any] = {"jobs": compare(study)}
        machine = study.machine()
        own = {"simulated": simulate(study.jobs, **machine).seconds, "taken": study.wall_time(), **machine}
        print("\n{cores} cores, {gpus} GPUs: {simulated:.0f} s simulated, {taken:.0f} s taken".format(**own))
        facts["study"] = own
        cases = {"the finished study, its jobs as long as they were": (study.jobs, {})}
    else:
        facts = {}
        cases = scenarios()
    results = {}
    for name, (jobs, unusual) in cases.items():
        results[name] = {gpus: simulate(jobs, gpus, **unusual) for gpus in GPUS}
        describe(name, results[name])
    facts["hours"] = {
        name: {
            gpus: {"simulated": s.seconds / 3600, "ideal": s.ideal / 3600, "bound": s.bound / 3600}
            for gpus, s in schedules.items()
        }
        for name, schedules in results.items()
    }
    first, four = next((name, schedules[4]) for name, schedules in results.items())
    detail = f"{first}: {four.seconds / 3600:.2f} h simulated, GPU work / 4 is {four.ideal / 3600:.2f} h"
    print()
    row = Row("four GPUs, whole study", "sum of GPU work / 4", f"< {GOAL:.2f} x", four.seconds / four.ideal, detail)
    write_result(arguments.out, [row], **facts)


if __name__ == "__main__":
    main()
