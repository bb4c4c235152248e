"""What a finished study was made from, held against its config, and the facts of its GPU jobs against one another.

None of it is made anew, which would take a GPU. But each fact has to agree with the config and with the other files.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import read_json, reading
from codetune.base.manifests import read_manifest
from codetune.base.plain import read_as, read_number, to_plain
from codetune.data.predictions import Prediction, check_generated, read_predictions
from codetune.data.samples import read_samples
from codetune.evaluation.scored import read_scores
from codetune.methods.schedule import share_of_highest
from codetune.report.comparing import compare_values, shorten
from codetune.report.drawn import draw_places
from codetune.report.parts import flatten
from codetune.report.provenance import read_config
from codetune.report.remake import Results
from codetune.report.sequences import differences_from_tokens
from codetune.report.tuned import differences_in_tuned
from codetune.study import layout
from codetune.study.curve import Curve
from codetune.study.custody import check_downloads
from codetune.study.data_facts import SplitFacts
from codetune.study.examples import CountFacts
from codetune.study.facts import GenerationFacts, TrainingFacts, TrainingResult
from codetune.study.runs import Evaluation, Run
from codetune.study.sizes import SizeFacts
from codetune.study.training_log import read_training_log
from codetune.training.outcome import learning_rate_of, problem_of, untrained_loss

MOST_BY_THE_PACKAGE = 40_000_000  # product of two texts' lengths up to which rouge-score compares them in a second


@dataclass(frozen=True)
class Check:
    """A look at some files.

    Attributes:
        find: Returns a line for each thing that is wrong.
        needs: The files it looks at.
        long: Whether this takes long, so that it should start first.
        files: None, in place of those that a remake makes.
    """

    find: Callable[[], list[str]]
    needs: list[str]
    long: bool = False
    files: Mapping[str, str] = field(default_factory=dict)


def checks_of(at: Results) -> list[Check]:
    """All checks of what a study was made from."""
    study = at.study
    return [
        *(_split(at, name) for name in study.used_datasets),
        *(_checkpoint(at, model) for model in study.used_models),
        *(_training(at, run) for run in study.training_runs),
        *((_retrieval if one.run.retrieves else _generation)(at, one) for one in study.scored),
        _provenance(at),
    ]


def _split(at: Results, name: str) -> Check:
    path = at.path(layout.SPLIT, dataset=name)
    return Check(partial(_check_split, at, name, path), [path])


def _check_split(at: Results, name: str, path: str) -> list[str]:
    """Compares how a data set was split, and what records it has, with the config."""
    facts, dataset = read_as(path, SplitFacts), at.study.datasets[name]
    split, published = to_plain(dataset.split), dataset.published
    found = {
        "dataset": facts.dataset,
        "records": facts.records,
        "records_sha256": facts.records_sha256,
        **{f"shares.{part}": share for part, share in facts.shares.items()},
        "seed": facts.seed,
        "near_duplicates.handling": facts.near_duplicates.handling,
        "sample": to_plain(facts.sample) if facts.sample else None,
        "parts": list(facts.parts) if facts.parts else None,
        "kept": list(facts.kept) if facts.kept else None,
    }
    expected = {
        "dataset": name,
        "records": facts.records if published.records is None else published.records,
        "records_sha256": published.sha256 or facts.records_sha256,
        **{f"shares.{part}": share for part, share in dataset.split.shares.items()},
        "seed": split["seed"],
        "near_duplicates.handling": split["near_duplicates"],
        "sample": split["sample"],
        "parts": split["parts"],
        "kept": split["keep"],
    }
    return [f"{path}: {line} by the config" for line in compare_values(found, expected)]


def _checkpoint(at: Results, model: str) -> Check:
    manifest = at.download(layout.TOKENIZER, model=model)
    runs = [run for run in at.study.runs if run.model == model]
    paths = [at.of(layout.TRAINING, run) for run in runs if at.study.method_of(run).trains]
    paths += [at.of(layout.GENERATION, one) for one in at.study.scored if one.run.model == model]
    return Check(partial(_check_checkpoint, at, manifest, paths), [manifest, *paths])


def _check_checkpoint(at: Results, manifest: str, paths: list[str]) -> list[str]:
    """Checks that all jobs of a model used one checkpoint, and that it comes from where the config says."""
    check_downloads(at.study, at.resources, [manifest])
    origin = read_manifest(manifest)
    expected = {"path": origin.path, "repo": origin.repo, "revision": origin.revision}
    lines, first = [], ""
    for path in paths:
        of_training = Path(path).name == Path(layout.TRAINING).name
        facts = read_as(path, TrainingFacts) if of_training else read_as(path, GenerationFacts)
        found = to_plain(facts.checkpoint)
        first = first or found["sha256"]
        lines += [f"{path}: checkpoint.{one}" for one in compare_values(found, {"sha256": first, **expected})]
    return lines


def _training(at: Results, run: Run) -> Check:
    names = (layout.TRAINING, layout.TRAINING_LOG, layout.TUNED, layout.CURVE, *at.made_by_search(run))
    stats = at.path(layout.TOKEN_STATS, **at.study.token_set_of(run))
    needs = [*(at.of(name, run) for name in names), stats, at.path(layout.SIZES, model=run.model)]
    return Check(partial(_check_training, at, run, stats), needs)


def _check_training(at: Results, run: Run, stats: str) -> list[str]:
    """Compares the facts of a training with the config, its token sets, its log, its size, its curve and its result."""
    path = at.of(layout.TRAINING, run)
    facts = read_as(path, TrainingFacts)
    plans = to_plain(facts.plan), to_plain(at.study.for_training(at.training_of(run)))
    lines = [f"{path}: plan.{line}" for line in compare_values(*plans)]
    made = hashes_of_tokens(stats)
    lines += [f"{path}: inputs_sha256.{one}" for one in compare_values(facts.inputs_sha256, made)]
    lines += [f"{path}: {one}" for one in differences_from_tokens(facts, stats)]
    lines += [f"{path}: {one}" for one in differences_from_log(facts, at.of(layout.TRAINING_LOG, run))]
    lines += [f"{path}: {one}" for one in _differences_from_size(facts, at.path(layout.SIZES, model=run.model), run)]
    curve = at.of(layout.CURVE, run)
    points = read_as(curve, Curve)
    steps, wanted = [point.step for point in points.points], [0, *facts.result.checkpoints]
    if steps != wanted:
        lines.append(f"{curve}: points of steps {steps}, expected {wanted} by {path}")
    count = min(at.config["curve"]["samples"], read_number(stats, "parts", "validation", "samples"))
    if len(points.samples) != count:
        lines.append(f"{curve}: of {len(points.samples)} samples, expected {count} by the config and {stats}")
    return lines + differences_in_tuned(facts, path, at.of(layout.TUNED, run), at.of(layout.PUBLISHED, run))


def differences_from_log(facts: TrainingFacts, log: str) -> list[str]:
    """Compares how a training ended, and what is said of it, with what its log has."""
    rows, found = read_training_log(log), facts.result
    evaluated = {step: row["eval_loss"] for row in rows if "eval_loss" in row and (step := row["step"]) > 0}
    best = min((step for step, loss in evaluated.items() if math.isfinite(loss)), key=evaluated.__getitem__)
    expected = TrainingResult(
        steps=rows[-1]["step"],
        planned_steps=found.planned_steps,
        best_step=best,
        best_validation_loss=evaluated[best],
        stopped_early=rows[-1]["step"] < found.planned_steps,
        checkpoints=[step for step in evaluated if step in {*found.checkpoints, best}],
        untrained_validation_loss=untrained_loss(rows),
        problem=problem_of(rows, evaluated[best]),
        best_learning_rate=learning_rate_of(rows, best),
    )
    lines = [f"result.{line} by {log}" for line in compare_values(to_plain(found), to_plain(expected))]
    plan, rate = facts.plan.settings, found.best_learning_rate
    share = share_of_highest(plan.schedule, plan.warmup_steps, found.best_step - 1, found.planned_steps)
    if rate is not None and not math.isclose(rate, plan.learning_rate * share, rel_tol=1e-6):
        lines.append(
            f"result.best_learning_rate: found {rate}, expected {plan.learning_rate * share:.6g} by the schedule"
        )
    return lines


def _differences_from_size(facts: TrainingFacts, sizes: str, run: Run) -> list[str]:
    """Compares how many parameters were trained with what PEFT counts; that a method is missing is told elsewhere."""
    size = read_as(sizes, SizeFacts).methods.get(run.method)
    expected = {"trainable_parameters": size.trainable if size else facts.trainable_parameters}
    lines = compare_values({"trainable_parameters": facts.trainable_parameters}, expected)
    return [f"{line} by {sizes}" for line in lines]


def hashes_of_tokens(stats: str) -> dict[str, str]:
    """Hashes of token sets or prompts and of their samples, under the names that facts have them by."""
    found = read_json(stats)
    with reading(stats):
        samples = {f"{part}_samples": str(digest) for part, digest in found["samples_sha256"].items()}
        return {**{part: str(digest) for part, digest in found["sha256"].items()}, **samples}


def _generation(at: Results, one: Evaluation) -> Check:
    stats = at.path(layout.PROMPT_STATS, **at.study.prompt_set_of(one))
    needs = [at.of(layout.GENERATION, one), at.of(layout.PREDICTIONS, one), at.of(layout.SCORES, one), stats]
    needs += [at.of(layout.COUNT, run) for run in at.study.count_runs_of(at.study.prompt_set_of(one))]
    return Check(partial(_check_generation, at, one, stats), needs, long=True)


def _check_generation(at: Results, one: Evaluation, stats: str) -> list[str]:
    """Compares the facts of a generation with the config, its prompts and its predictions."""
    path, predictions = at.of(layout.GENERATION, one), at.of(layout.PREDICTIONS, one)
    facts, completed = read_as(path, GenerationFacts), read_predictions(predictions)
    candidates = [candidate for prediction in completed for candidate in prediction.candidates]
    found = {
        "decoding": to_plain(facts.decoding),
        "quantization": to_plain(facts.quantization),
        "inputs_sha256": {name: digest for name, digest in facts.inputs_sha256.items() if name != "tuned"},
        "prompts": facts.prompts,
        "tokens": facts.tokens,
        "truncated": facts.truncated,
    }
    expected = {
        "decoding": to_plain(at.study.decoding_for(one.run)),
        "quantization": to_plain(at.study.method_of(one.run).quantization),
        "inputs_sha256": hashes_of_tokens(stats),
        "prompts": len(completed),
        "tokens": sum(candidate.tokens for candidate in candidates),
        "truncated": sum(candidate.truncated for candidate in candidates),
    }
    lines = [f"{path}: {line}" for line in compare_values(found, expected)]
    for run in at.study.count_runs_of(at.study.prompt_set_of(one)):
        choice, asked = at.of(layout.COUNT, run), read_number(stats, "examples", "asked")
        if asked != (chosen := read_as(choice, CountFacts).chosen):
            lines.append(f"{stats}: examples.asked: found {asked}, but {choice} has {chosen} chosen")
    trains = at.study.method_of(one.run).trains
    if ("tuned" in facts.inputs_sha256) != trains:
        lines.append(f"{path}: made {'without' if trains else 'with'} trained weights, which this run is not")
    try:
        check_generated(predictions, path)
    except StudyError as error:
        lines.append(str(error))
    return lines + _differences_from_the_package(at, one, completed)


def _retrieval(at: Results, one: Evaluation) -> Check:
    """What was retrieved is made anew; here its scores are checked."""
    needs = [at.path(layout.TEST, test=one.test), at.of(layout.PREDICTIONS, one), at.of(layout.SCORES, one)]
    return Check(partial(_check_retrieval, at, one), needs, long=True)


def _check_retrieval(at: Results, one: Evaluation) -> list[str]:
    return _differences_from_the_package(at, one, read_predictions(at.of(layout.PREDICTIONS, one)))


def _differences_from_the_package(at: Results, one: Evaluation, completed: list[Prediction]) -> list[str]:
    """Compares ROUGE-L with the package `rouge-score`; the workflow has a faster way of its own.

    Compared are all predictions, or of a large study those that are measured anew.
    Scores that are null stay so, and so do those of long texts, with which the package takes minutes and gigabytes.
    """
    from rouge_score.rouge_scorer import RougeScorer

    scorer, scores, lines = RougeScorer(["rougeL"]), at.of(layout.SCORES, one), []
    references = {sample.id: sample.output for sample in read_samples(at.path(layout.samples_of(one.test)))}
    ours = {row["id"]: row["rouge_l"] for row in read_scores(scores, ["rouge_l"])}
    if at.drawn:
        completed = [completed[place] for place in draw_places(at.of(layout.PREDICTIONS, one), len(completed))]
    for prediction in completed:
        reference, text, score = references.get(prediction.id), prediction.first.text, ours.get(prediction.id)
        if reference is None or score is None or len(reference) * len(text) > MOST_BY_THE_PACKAGE:
            continue
        theirs = scorer.score(reference, text)["rougeL"].fmeasure
        if theirs != score:
            lines.append(f"{scores}: id {prediction.id}, rouge_l: found {score}, but rouge-score gives {theirs}")
    return shorten(lines, scores)


def _provenance(at: Results) -> Check:
    path = at.path(layout.PROVENANCE)
    return Check(partial(_check_provenance, at, path), [path])


def _check_provenance(at: Results, path: str) -> list[str]:
    """Compares the config that the study was made with, as its provenance has it, with the config at hand."""
    there, given = (dict(sorted(flatten(config).items())) for config in (read_config(path), at.config))
    return [f"{path}: configuration: {line}" for line in compare_values(there, given)]
