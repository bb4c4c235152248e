"""The cost model: how long each job of the full study, or of a study of a part of its data, would take."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from common import read_architectures
from schedule import Job

# isort: split

from codetune.models.shapes import parameters
from codetune.study.dataset import Dataset
from codetune.study.method import Method
from codetune.study.study import Study

ARCHITECTURES = read_architectures()

# What the cost model assumes of an RTX A5000 and its node; nothing of this was measured there.
TRAINING = 35e12  # operations per second, in bf16: a third of what the device can do at most
DECODING = 1 / 1.2e-3  # layers per second, one step for all sequences of a batch: bound by kernel launches and weights
START = 60.0  # seconds that a GPU job takes to import its libraries and load its checkpoint
DOWNLOAD = 100e6  # bytes per second
LIGHT = 10.0  # seconds of any other job
BYTES = 2  # per parameter in a published checkpoint
# By how much a token takes longer than with LoRA, and a layer in decoding than in 16 bits. Weights in 4 bits are not
# slower: their products are those of 16 bits, and unpacking them moves 2.5 bytes per weight for thousands of tokens.
# IA3 and prefix tuning are as fast as LoRA in PEFT's published comparison (on an L40S 7,225 and 7,480 tokens/s, LoRA
# 7,174). Prompt tuning is taken to be so, too, but for the tokens that it adds. These two are assumed:
DORA = 1.3  # the norms of the adapted weights, for each micro-batch
INT8 = 2.0  # activations quantised before each product, and columns with outliers apart
SAMPLES = 17_014  # of the training part of CodeAlpaca-20k
TEST_SAMPLES = 2_002  # of its test part
PROMPTS = frozenset({"PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "CPT"})  # their tokens pass all layers


@dataclass(frozen=True)
class Work:
    """What a GPU job has to do, in the units of its device's rates.

    Attributes:
        training: Operations of fine-tuning: each token passes each parameter forwards and, on the way to the adapters,
            backwards; where every parameter is trained, its gradient is as many operations again. Attention and the
            adapters themselves, a few in a hundred, are left out, and so is the optimizer: in full tuning it moves
            some ten bytes per parameter, once per step.
        decoding: Layers passed, one at a time, in all steps of all batches.
    """

    training: float = 0.0
    decoding: float = 0.0

    def seconds(self, training: float, decoding: float, start: float) -> float:
        """How long it takes at these rates, after the start."""
        return start + self.training / training + self.decoding / decoding


def training_work(
    architecture: dict[str, Any], method: Method, train: float, validation: float, evaluations: int
) -> Work:
    """Of fine-tuning by a method on `train` tokens in all, and evaluating `validation` tokens each time."""
    size = sum(parameters(architecture).values())
    per_token = 6 if method.kind == "full" else 4
    return Work(training=size * _slower(method) * (per_token * train + 2 * validation * evaluations))


def decoding_work(architecture: dict[str, Any], method: Method, steps: float) -> Work:
    """Of so many decode steps of a method's model."""
    return Work(decoding=architecture["num_hidden_layers"] * steps * (INT8 if _is_int8(method) else 1))


def _slower(method: Method) -> float:
    """How much longer an operation takes in training than with LoRA."""
    dora = method.tuning is not None and method.tuning.peft.get("use_dora", False)
    return (DORA if dora else 1) * (INT8 if _is_int8(method) else 1)


def _is_int8(method: Method) -> bool:
    return method.quantization is not None and method.quantization.type == "int8"


def _virtual_tokens(method: Method) -> int:
    """Tokens that a method puts before each sample, and that pass all layers as the sample's own do."""
    peft = method.tuning.peft if method.tuning else {}
    return int(peft.get("num_virtual_tokens", 0)) if peft.get("type") in PROMPTS else 0


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
    data, and those for the prompts of another test set. Of a part, tokens and batches are a share of the whole, at
    least one batch; the subset of the curve stays.
    """
    model, share, method = ARCHITECTURES[job.run.model], _share(study), study.method_of(job.run)
    architecture, tokens, steps = model["config"], model["tokens"], model["decode_steps"]
    batches = {"test": math.ceil(share * model["batches"]["test"]), "curve": model["batches"]["curve"]}
    untuned = {part: count * study.decoding.max_new_tokens for part, count in batches.items()}
    if share < 1:
        steps = untuned
    if job.rule == "generate" and job.wildcards["test"] != _trained_on(study).name:
        prompts = study.datasets[job.wildcards["test"]].published.records or 0  # of a set that is only for tests
        batches_of_set = math.ceil(model["batches"]["test"] * prompts / TEST_SAMPLES)
        return decoding_work(architecture, method, batches_of_set * study.decoding.max_new_tokens)
    if job.rule == "generate":
        return decoding_work(architecture, method, (steps if method.trains else untuned)["test"])
    training, *_ = study.trials_of(job.run) or [job.run]  # of a search: any, since all train for as many epochs
    evaluations = epochs * study.for_training(training).settings.evaluations_per_epoch
    if job.rule == "finetune":
        longer = 1 + _virtual_tokens(method) * SAMPLES / tokens["train"]
        train, validation = epochs * share * tokens["train"] * longer, share * tokens["validation"] * longer
        return training_work(architecture, method, train, validation, evaluations + 1)
    return decoding_work(architecture, method, untuned["curve"] + evaluations * steps["curve"])


def _share(study: Study) -> float:
    """The share of the records that a study takes of its data set."""
    dataset = _trained_on(study)
    sample, whole = dataset.split.sample, dataset.published.records
    return sample.records / whole if sample is not None and whole is not None else 1.0


def _trained_on(study: Study) -> Dataset:
    """The one data set that has a training part."""
    (dataset,) = [one for one in study.datasets.values() if "train" in one.split.filled]
    return dataset
