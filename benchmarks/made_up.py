"""Results of a finished study that no model computed: what figures read, with numbers that are made up.

Records, logs and curves have the form and about the size of real ones.
"""

from dataclasses import replace
from pathlib import Path

import common  # noqa: F401  # puts the library on the path

# isort: split

from codetune.base.files import sha256_of_file, write_json, write_jsonl
from codetune.base.identity import CheckpointIdentity
from codetune.base.machine import Environment, PeakMemory
from codetune.base.plain import to_plain
from codetune.evaluation.comparisons import Comparison, Comparisons, Family, MetricFacts, Score
from codetune.evaluation.pairs import Pair, gains_of, pairs_of
from codetune.study import layout
from codetune.study.curve import Curve, CurvePoint, CurveScore
from codetune.study.execution import ExecutionFacts
from codetune.study.facts import (
    GenerationFacts,
    PackedData,
    Summary,
    TrainingCost,
    TrainingFacts,
    TrainingResult,
)
from codetune.study.method import Quantization
from codetune.study.record import VERSION, HashedFile, Record, Tested
from codetune.study.retrieval import RetrievalFacts
from codetune.study.runs import Evaluation, Run
from codetune.study.study import Study
from codetune.study.tested import executed_tests

METRICS = {"rouge_l": "ROUGE-L", "rouge_l_on_code": "ROUGE-L on code"}
EXECUTED = METRICS | {"pass_at_1": "pass@1"}  # on a test set with unit tests
EVALUATIONS, STEPS = 50, 15  # evaluations per training, and optimizer steps between two of them
SHA256 = "0" * 64
EXECUTION = ExecutionFacts({}, SHA256, 164, 60, {"wrong answer": 60, "NameError": 30, "no function": 14})
CHECKPOINT = CheckpointIdentity(SHA256, path="made up")
ENVIRONMENT = Environment("made up", {}, "made up", "made up", cores=None, gpus=[])
MEMORY = PeakMemory("GPU", 18 * 10**9)


def write_results(study: Study, folder: Path) -> None:
    """Writes the record of each run, the log and the curve of each training, and the comparisons of each test set.

    Args:
        study: The study.
        folder: The folder of its results.
    """
    for run in study.training_runs:
        write_jsonl(folder / layout.fill(layout.TRAINING_LOG, run), training_log())
        write_json(folder / layout.fill(layout.CURVE, run), to_plain(curve()))
    log = next(folder.glob(layout.glob_of(layout.TRAINING_LOG)), None)
    log_sha256 = sha256_of_file(log) if log else SHA256  # all logs are the same
    for run in study.runs:
        document = to_plain(record_of(study, run, log_sha256))
        del document["folder"]  # not part of the file
        write_json(folder / layout.fill(layout.RECORD, run), document)
    for test in study.tests:
        write_json(folder / layout.COMPARISONS.format(test=test), to_plain(comparisons_of(study, test)))


def record_of(study: Study, run: Run, log_sha256: str) -> Record:
    """The record of a run, whose training has a log with that hash."""
    log = replace(_hashed(layout.TRAINING_LOG, run), sha256=log_sha256)
    files = {"training_log": log} if study.method_of(run).trains else {}
    return Record(
        version=VERSION,
        run=run,
        model=study.model_of(run),
        method=study.methods[run.method],
        data_sha256={"train": SHA256, "validation": SHA256} if study.method_of(run).trains else {},
        training=_training(study, run) if study.method_of(run).trains else None,
        files=files,
        tests={evaluation.test: _tested(study, evaluation) for evaluation in study.of_run(run)},
        template=None if run.retrieves else study.template_of(run),
    )


def training_log() -> list[dict[str, float]]:
    """The log of a training: a loss after each step, and the validation loss after each evaluation."""
    rows: list[dict[str, float]] = [{"step": 0, "epoch": 0.0, "eval_loss": 1.5}]
    for step in range(1, EVALUATIONS * STEPS + 1):
        rows.append({"step": step, "epoch": step / STEPS, "loss": 1 / (1 + step / 100)})
        if step % STEPS == 0:
            rows.append({"step": step, "epoch": step / STEPS, "eval_loss": 0.9 + 1 / (1 + step)})
    return rows


def curve() -> Curve:
    """The curve of a training: the untuned model and one checkpoint per evaluation."""
    scores = {number: 0.3 + number / 500 for number in range(EVALUATIONS + 1)}
    points = [
        CurvePoint(STEPS * number, 0.0, dict.fromkeys(METRICS, CurveScore(score, _around(score))))
        for number, score in scores.items()
    ]
    return Curve(list(range(200)), points)


def comparisons_of(study: Study, test: str) -> Comparisons:
    """The score of each system on a test set, and its difference to others."""
    metrics = EXECUTED if test in executed_tests(study) else METRICS
    systems = list(dict.fromkeys(evaluation.run.system for evaluation in study.of_test(test)))
    baselines = {system: study.methods[system.method].baselines for system in systems}
    gains, pairs = gains_of(baselines), pairs_of(baselines, study.trained_systems)
    better = {pair.system: pair for pair in reversed(gains)}  # the first baseline of each is the better one
    families: dict[Family, list[Pair]] = {
        "gain": list(better.values()),
        "other gain": [pair for pair in gains if pair not in better.values()],
        "pair": pairs,
    }
    return Comparisons(
        test=test,
        resamples=10_000,
        seed=0,
        level=0.95,
        metrics={name: MetricFacts(label, "made up", 1.0) for name, label in metrics.items()},
        scores=[Score(*system, name, 0.4, _around(0.4), [0.4], None) for name in metrics for system in systems],
        comparisons=[
            Comparison(family, *pair, metric=name, gain=0.1, interval=_around(0.1), p=0.01, p_holm=0.05)
            for name in metrics
            for family, compared in families.items()
            for pair in compared
        ],
    )


def _training(study: Study, run: Run) -> TrainingFacts:
    plan, steps = study.for_training(run), EVALUATIONS * STEPS
    return TrainingFacts(
        plan=plan,
        checkpoint=CHECKPOINT,
        inputs_sha256=dict.fromkeys(("train", "validation", "train_samples", "validation_samples"), SHA256),
        tuned_sha256=SHA256,
        trainable_parameters=10**7,
        attention="made up",
        deterministic=True,
        data=PackedData(packed_sequences=1600, tokens=1_600_000, packing_fill=0.98),
        result=TrainingResult(steps, steps, steps, 0.9, stopped_early=False, checkpoints=[*range(STEPS, steps, STEPS)]),
        cost=TrainingCost(36_000.0, 600.0, 3000.0, plan.memory.micro_batch, MEMORY, energy_joules=8e6),
        environment=ENVIRONMENT,
    )


def _tested(study: Study, evaluation: Evaluation) -> Tested:
    return Tested(
        generation=None if evaluation.run.retrieves else _generation(study),
        summary=_summary(),
        samples_sha256=SHA256,
        files={
            "predictions": _hashed(layout.PREDICTIONS, evaluation),
            "scores": _hashed(layout.SCORES, evaluation),
        },
        retrieval=RetrievalFacts({}, SHA256, 17_014, 2002, "made up", []) if evaluation.run.retrieves else None,
        execution=EXECUTION if evaluation.test in executed_tests(study) else None,
    )


def _generation(study: Study) -> GenerationFacts:
    return GenerationFacts(
        decoding=study.decoding,
        quantization=Quantization("nf4", double=True, compute_dtype="bfloat16"),
        checkpoint=CHECKPOINT,
        inputs_sha256=dict.fromkeys(("prompts", "prompts_samples", "tuned"), SHA256),
        predictions_sha256=SHA256,
        prompts=2002,
        tokens=120_000,
        attention="made up",
        weights="made up",
        truncated=0,
        most_prompts_at_once=study.decoding.batch_size,
        seconds=600.0,
        peak_memory=MEMORY,
        environment=ENVIRONMENT,
    )


def _summary() -> Summary:
    scores: dict[str, float | None] = dict.fromkeys(METRICS, 0.4)
    return Summary(
        samples=2002,
        scores_sha256=SHA256,
        scores=scores,
        signatures=dict.fromkeys(METRICS, "made up"),
        truncated=0.0,
        empty=0.0,
        length_ratio=1.0,
        extracted=0.0,
        extracted_by={},
        length_ratio_on_code=1.0,
        by_language={},
        by_length={},
    )


def _hashed(pattern: str, what: Run | Evaluation) -> HashedFile:
    """A file of a run, with its path relative to the record's folder."""
    run = what.run if isinstance(what, Evaluation) else what
    record = Path(layout.fill(layout.RECORD, run))
    return HashedFile(Path(layout.fill(pattern, what)).relative_to(record.parent).as_posix(), SHA256)


def _around(value: float) -> list[float]:
    return [value - 0.05, value + 0.05]
