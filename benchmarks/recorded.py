"""What the jobs of a finished study took, and what the cost model makes of their work."""

import csv
import statistics
import sys
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from common import ROOT
from costs import Work, decode_steps, decoding_work, training_work
from schedule import Job, read_plan

# isort: split

from codetune.base.files import read_json
from codetune.base.plain import from_plain
from codetune.data.predictions import Prediction, read_curve_predictions, read_predictions
from codetune.study import layout
from codetune.study.facts import GenerationFacts, TrainingFacts
from codetune.study.runs import Evaluation, Run
from codetune.study.training_log import read_training_log

T = TypeVar("T")


class Recorded:
    """A finished study, with two rates and a start that are fitted to its GPU jobs.

    Attributes:
        study: The study.
        jobs: All its jobs, with the seconds that they took.
        gpu_jobs: Those that want a GPU.
        start: Seconds that a GPU job takes beside its work: the median.
        training: Operations per second in training.
        decoding: Layers per second in decoding.
    """

    def __init__(self, configfiles: list[Path]) -> None:
        plan = read_plan(configfiles)
        self.study = plan.study
        self._results, self._resources = ROOT / plan.config["results"], ROOT / plan.config["resources"]
        self.jobs = [replace(job, seconds=_measured(job)) for job in plan.jobs]
        self.gpu_jobs = [job for job in self.jobs if job.scheduler_resources["gpu"]]
        # A curve's facts do not say how long its work took.
        known = [(job, self.work(job), self._seconds_of_work(job)) for job in self.gpu_jobs if job.rule != "curve"]
        self.start = statistics.median(job.seconds - seconds for job, _, seconds in known)
        trained = [(work.training, seconds) for job, work, seconds in known if job.rule == "finetune"]
        decoded = [(work.decoding, seconds) for job, work, seconds in known if job.rule == "generate"]
        self.training, self.decoding = (
            sum(work for work, _ in both) / sum(seconds for _, seconds in both) for both in (trained, decoded)
        )

    def predicted(self, job: Job) -> float:
        """Seconds that the cost model gives a GPU job at the study's own two rates, all jobs taken together."""
        return self.work(job).seconds(self.training, self.decoding, self.start)

    def work(self, job: Job) -> Work:
        """The work of a GPU job, from the facts and predictions of its run."""
        architecture = read_json(
            (self._resources / layout.TOKENIZER.format(model=job.run.model)).with_name("config.json")
        )
        if job.rule == "finetune":
            return self._training_work(job, architecture)
        if job.rule == "generate":
            predictions = [read_predictions(self._results / layout.fill(layout.PREDICTIONS, _evaluation(job)))]
        else:
            steps = read_curve_predictions(self._results / layout.fill(layout.CURVE_PREDICTIONS, job.run))
            predictions = list(steps.values())
        steps = sum(self._decode_steps(some) for some in predictions)
        return decoding_work(architecture, self.study.method_of(job.run), steps)

    def _training_work(self, job: Job, architecture: dict[str, Any]) -> Work:
        run, facts = job.run, self._training_facts(job)
        stats = read_json(self._results / layout.TOKEN_STATS.format(**self.study.token_set_of(run)))
        done = facts.result.steps / facts.result.planned_steps
        return training_work(
            architecture,
            self.study.method_of(run),
            train=facts.data.tokens * facts.plan.settings.epochs * done,
            validation=stats["parts"]["validation"]["tokens"],
            evaluations=self._evaluations(run),
        )

    def _evaluations(self, run: Run) -> int:
        """Validations of a training, the one before the first step included; not all of them keep a checkpoint."""
        log = read_training_log(self._results / layout.fill(layout.TRAINING_LOG, run))
        return sum("eval_loss" in row for row in log)

    def _decode_steps(self, predictions: list[Prediction]) -> int:
        lengths = [prediction.first.tokens for prediction in predictions]
        return decode_steps(lengths, self.study.decoding.batch_size)

    def wall_time(self) -> float:
        """Seconds from the start of the study's first job to the end of its last."""
        starts, ends = zip(*(_interval(job) for job in self.jobs if job.benchmark), strict=True)
        return float(max(ends) - min(starts))

    @cached_property
    def machine(self) -> dict[str, int]:
        """Cores of the machine, and the most GPU jobs that ran at once; no GPUs where it has none."""
        generate = next(job for job in self.gpu_jobs if job.rule == "generate")
        environment = self._generation_facts(generate).environment
        intervals = [_interval(job) for job in self.gpu_jobs]
        at_once = max(sum(start <= other < end for start, end in intervals) for other, _ in intervals)
        return {"gpus": at_once if environment.gpus else 0, "cores": environment.cores or 1}

    def _seconds_of_work(self, job: Job) -> float:
        if job.rule == "finetune":
            return self._training_facts(job).cost.seconds
        return self._generation_facts(job).seconds

    def _training_facts(self, job: Job) -> TrainingFacts:
        return _read(self._results / layout.fill(layout.TRAINING, job.run), TrainingFacts)

    def _generation_facts(self, job: Job) -> GenerationFacts:
        return _read(self._results / layout.fill(layout.GENERATION, _evaluation(job)), GenerationFacts)


def _evaluation(job: Job) -> Evaluation:
    return Evaluation(job.run, job.wildcards["test"])


def _read(path: Path, kind: type[T]) -> T:
    return from_plain(read_json(path), kind, str(path))


def _interval(job: Job) -> tuple[float, float]:
    """When a job started and ended."""
    assert job.benchmark is not None
    end = (ROOT / job.benchmark).stat().st_mtime
    return end - job.seconds, end


def _measured(job: Job) -> float:
    """The seconds that a job took, as Snakemake has written them down."""
    if job.benchmark is None:
        return 0.0
    path = ROOT / job.benchmark
    if not path.exists():
        sys.exit(f"error: there is no {path}: --recorded needs the results of a finished study. Finish it first.")
    with path.open(encoding="utf-8") as stream:
        return float(next(csv.DictReader(stream, delimiter="\t"))["s"])
