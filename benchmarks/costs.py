"""The cost model: how long each job of the full study, or of a study of a part of its data, would take."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from common import read_architectures
from schedule import Job

# isort: split

from codetune.models.shapes import parameters
from codetune.study.study import Study

ARCHITECTURES = read_architectures()

# What the cost model assumes of an RTX A5000 and its node; nothing of this was measured there.
TRAINING = 35e12  # operations per second, in bf16: a third of what the device can do at most
DECODING = 1 / 1.2e-3  # layers per second, one step for all sequences of a batch: bound by kernel launches and weights
START = 60.0  # seconds that a GPU job takes to import its libraries and load its checkpoint
DOWNLOAD = 100e6  # bytes per second
LIGHT = 10.0  # seconds of any other job
BYTES = 2  # per parameter in a published checkpoint


@dataclass(frozen=True)
class Work:
    """What a GPU job has to do, in the units of its device's rates.

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


def modelled(job: Job, study: Study, epochs: int) -> Job:
    """The job with the seconds that the cost model gives it.

    Args:
        job: A job of the full study, or of one of a part of its data.
        study: That study.
        epochs: Passes over the training data until early stopping.
    """
    if job.rule == "download_model":
        size = sum(parameters(ARCHITECTURES[job.wildcards["model"]]["config"]).values())
        return replace(job, seconds=BYTES * size / DOWNLOAD)
    if not job.scheduler_resources["gpu"]:
        return replace(job, seconds=LIGHT if job.benchmark else 0.0)
    return replace(job, seconds=_gpu_work(job, study, epochs).seconds(TRAINING, DECODING, START))


def _gpu_work(job: Job, study: Study, epochs: int) -> Work:
    """The work of a GPU job.

    A tuned model's completions are taken to be as long as the references. An untuned model's are as long as they may
    get, in every batch, since it never learnt where to end. So are those of a model that was tuned on a part of the
    data. Of a part, tokens and batches are a share of the whole, at least one batch; the subset of the curve stays.
    """
    model, share = ARCHITECTURES[job.run.model], _share(study)
    architecture, tokens, steps = model["config"], model["tokens"], model["decode_steps"]
    batches = {"test": math.ceil(share * model["batches"]["test"]), "curve": model["batches"]["curve"]}
    untuned = {part: count * study.decoding.max_new_tokens for part, count in batches.items()}
    if share < 1:
        steps = untuned
    if job.rule == "generate":
        return decoding_work(architecture, (steps if job.run.trains else untuned)["test"])
    evaluations = epochs * study.for_training(job.run).settings.evaluations_per_epoch
    if job.rule == "finetune":
        train, validation = epochs * share * tokens["train"], share * tokens["validation"]
        return training_work(architecture, train, validation, evaluations + 1)
    return decoding_work(architecture, untuned["curve"] + evaluations * steps["curve"])


def _share(study: Study) -> float:
    """The share of the records that a study takes of its data set."""
    (dataset,) = study.datasets.values()
    sample, whole = dataset.split.sample, dataset.published.records
    return sample.records / whole if sample is not None and whole is not None else 1.0
