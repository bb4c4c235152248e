"""How each file of a finished study is made anew from what it was made from, by the functions that the rules call.

Each file is made from the others as they lie there, not from those made anew. So a file that was changed is told where
it was changed, and all of them can be made at the same time.
"""

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from codetune.base.files import read_json, sha256_of_file, write_json, write_text
from codetune.base.plain import to_plain
from codetune.data.card import write_card
from codetune.data.join import JoinInputs, join_datasets
from codetune.data.leaks import LeakInputs, write_leaks
from codetune.evaluation.passes import are_drawn
from codetune.evaluation.score import score_predictions
from codetune.evaluation.score_curve import score_curve
from codetune.evaluation.several import Several
from codetune.evaluation.significance import measure_significance
from codetune.generation.retrieve import RetrieveInputs, retrieve_outputs
from codetune.prompts.choose_count import choose_count
from codetune.prompts.described import read_described
from codetune.prompts.examples import ExampleInputs, choose_examples
from codetune.report.comparing import compare_files
from codetune.report.drawn import draw_curves, make_curve_from_scores, make_drawn_curve, make_drawn_scores
from codetune.report.publish import model_card
from codetune.report.remake import Outputs, Remake, Results
from codetune.report.remaking_shown import shown_of
from codetune.report.tuned import make_sizes
from codetune.study import layout
from codetune.study.embeddings import embeddings_for
from codetune.study.joint import Joint
from codetune.study.prompt import Examples
from codetune.study.publications import Publications, publications_of
from codetune.study.record import gather_record, read_record, to_document
from codetune.study.record_inputs import RecordInputs
from codetune.study.records import gather_records, read_records
from codetune.study.runs import Evaluation, Run, dataset_of
from codetune.study.study import Study
from codetune.study.tested import executed_tests
from codetune.training.choose import search_facts


def remakes_of(at: Results) -> list[Remake]:
    """Everything of a finished study that follows from its config, samples, predictions and facts of GPU jobs."""
    study = at.study
    drawn = draw_curves(study.training_runs)
    return [
        *(_data_card(at, name) for name in study.used_datasets),
        *(_sizes(at, model) for model in study.tunings),
        *(_join(at, joint) for joint in study.used_joints),
        *(_leaks(at, **pair) for pair in study.leak_checks),
        *(_retrieval(at, evaluation) for evaluation in study.evaluations if evaluation.run.retrieves),
        *(_examples(at, entry) for entry in study.example_sets),
        *(_scores(at, evaluation) for evaluation in study.scored),
        *(_count(at, run) for run in study.runs if study.count_trials_of(run)),
        *(_search(at, run) for run in study.training_runs if at.made_by_search(run)),
        *(_curve(at, run, drawn) for run in study.training_runs),
        *(_record(at, run) for run in study.runs),
        _records(at),
        *(_model_card(at, run) for run in study.training_runs),
        *(_comparisons(at, test) for test in study.tests),
        *shown_of(at),
    ]


def _data_card(at: Results, name: str) -> Remake:
    patterns = {"train": layout.TRAIN, "validation": layout.VALIDATION, "test": layout.TEST_PART}
    parts = {part: at.path(pattern, dataset=name) for part, pattern in patterns.items()}
    facts = at.path(layout.SPLIT, dataset=name)
    files = {"json": at.path(layout.CARD, dataset=name), "text": at.path(layout.CARD_TEXT, dataset=name)}
    return Remake(partial(write_card, facts, parts), files, [facts, *parts.values()])


def _join(at: Results, joint: Joint) -> Remake:
    patterns = layout.TRAIN, layout.VALIDATION, layout.SPLIT
    inputs = JoinInputs(*([at.path(of, dataset=name) for name in joint.datasets] for of in patterns))
    files = {
        name: at.path(of, dataset=joint.name)
        for name, of in zip(("train", "validation", "facts"), patterns, strict=True)
    }
    needs = [*inputs.train, *inputs.validation, *inputs.splits]
    return Remake(partial(join_datasets, joint.name, inputs, joint.seed), files, needs)


def _leaks(at: Results, dataset: str, test: str) -> Remake:
    inputs = LeakInputs(
        train=at.path(layout.TRAIN, dataset=dataset),
        validation=at.path(layout.VALIDATION, dataset=dataset),
        test=at.path(layout.TEST, test=test),
        train_split=at.path(layout.SPLIT, dataset=dataset),
        test_split=at.path(layout.SPLIT, dataset=test),
    )
    make = partial(_make_leaks, dataset, test, inputs)
    target = at.path(layout.LEAKS, dataset=dataset, test=test)
    return Remake(make, {"leaks": target}, [*vars(inputs).values()])


def _make_leaks(dataset: str, test: str, inputs: LeakInputs, outputs: Outputs) -> None:
    write_leaks(dataset, test, inputs, outputs["leaks"])


def _sizes(at: Results, model: str) -> Remake:
    manifest = at.download(layout.TOKENIZER, model=model)
    make = partial(make_sizes, manifest, model, at.study.tunings[model])
    return Remake(make, {"sizes": at.path(layout.SIZES, model=model)}, [manifest], long=True)


def _retrieval(at: Results, evaluation: Evaluation) -> Remake:
    run, test = evaluation.run, evaluation.test
    inputs = RetrieveInputs(
        train=at.of(layout.TRAIN, run),
        test=at.path(layout.TEST, test=test),
        train_split=at.of(layout.SPLIT, run),
        test_split=at.path(layout.SPLIT, dataset=test),
    )
    files = {"predictions": at.of(layout.PREDICTIONS, evaluation), "facts": at.of(layout.RETRIEVAL, evaluation)}
    return Remake(partial(_make_retrieval, inputs), files, [*vars(inputs).values()])


def _make_retrieval(inputs: RetrieveInputs, outputs: Outputs) -> None:
    retrieve_outputs(inputs, **outputs)


def _examples(at: Results, entry: Mapping[str, str]) -> Remake:
    embeddings = embeddings_for(at.study, entry["prompt"], entry["data"], entry["test"])
    inputs = ExampleInputs(
        train=at.path(layout.TRAIN, dataset=entry["data"]),
        test=at.path(layout.samples_of(entry["test"])),
        train_split=at.path(layout.SPLIT, dataset=entry["data"]),
        test_split=at.path(layout.SPLIT, dataset=dataset_of(entry["test"])),
        vectors=tuple(at.path(layout.VECTORS, **one) for one in embeddings),
        embeddings=tuple(at.path(layout.EMBEDDING, **one) for one in embeddings),
    )
    needs = [inputs.train, inputs.test, inputs.train_split, inputs.test_split, *inputs.vectors, *inputs.embeddings]
    settings = at.study.prompt_called(entry["prompt"], entry["data"]).examples
    assert settings is not None  # as of all prompts in `example_sets`
    make = partial(_make_examples, inputs, settings, int(entry["seed"]))
    return Remake(make, {"examples": at.path(layout.EXAMPLES, **entry)}, needs, long=True)


def _make_examples(inputs: ExampleInputs, settings: Examples, seed: int, outputs: Outputs) -> None:
    choose_examples(inputs, settings, seed, outputs["examples"])


def _scores(at: Results, evaluation: Evaluation) -> Remake:
    test, predictions = at.path(layout.samples_of(evaluation.test)), at.of(layout.PREDICTIONS, evaluation)
    split = at.path(layout.SPLIT, dataset=dataset_of(evaluation.test))
    files = {"scores": at.of(layout.SCORES, evaluation), "summary": at.of(layout.SUMMARY, evaluation)}
    verdicts = at.of(layout.VERDICTS, evaluation) if evaluation.test in executed_tests(at.study) else None
    origin = at.of(layout.origin_of(evaluation.run), evaluation)
    several = Several(
        at.study.decoding.count, verdicts, verdicts is not None and Path(origin).exists() and are_drawn(origin)
    )
    if at.drawn:
        make = partial(make_drawn_scores, test, split, predictions, files, several)
    else:
        make = partial(_make_scores, test, split, predictions, files["scores"], several)
    return Remake(make, files, [test, split, predictions, *([verdicts] if verdicts else [])], long=True)


def _make_scores(references: str, split: str, predictions: str, there: str, several: Several, outputs: Outputs) -> None:
    score_predictions(references, split, predictions, outputs["scores"], outputs["summary"], *several)
    if not compare_files(there, outputs["scores"]):  # another machine may write another last digit
        summary = read_json(outputs["summary"])
        write_json(outputs["summary"], summary | {"scores_sha256": sha256_of_file(there)})


def _count(at: Results, run: Run) -> Remake:
    summaries = [at.of(layout.SUMMARY, trial) for trial in at.study.count_trials_of(run)]
    make = partial(_make_count, at.study.counts_of(run.method), summaries, at.metric)
    return Remake(make, {"count": at.of(layout.COUNT, run)}, summaries)


def _make_count(trials: Mapping[str, int], summaries: list[str], metric: str, outputs: Outputs) -> None:
    choose_count(trials, summaries, metric, outputs["count"])


def _search(at: Results, run: Run) -> Remake:
    training = [at.of(layout.TRAINING, trial) for trial in at.study.trials_of(run)]
    make = partial(_make_search, at.study.values_of(run.method), training)
    return Remake(make, {"search": at.of(layout.SEARCH, run)}, training)


def _make_search(trials: Mapping[str, Mapping[str, Any]], training: list[str], outputs: Outputs) -> None:
    write_json(outputs["search"], to_plain(search_facts(trials, training)))


def _curve(at: Results, run: Run, drawn: Collection[Run]) -> Remake:
    inputs = {
        "predictions": at.of(layout.CURVE_PREDICTIONS, run),
        "samples": at.of(layout.VALIDATION, run),
        "split": at.of(layout.SPLIT, run),
    }
    target = at.of(layout.CURVE, run)
    if not at.drawn:
        make = partial(_make_curve, inputs)
    elif run in drawn:
        make = partial(make_drawn_curve, inputs, target)
    else:
        make = partial(make_curve_from_scores, target)
    return Remake(make, {"curve": target}, [*inputs.values()], long=True)


def _make_curve(inputs: Mapping[str, str], outputs: Outputs) -> None:
    score_curve(**inputs, target=outputs["curve"])


def _record(at: Results, run: Run) -> Remake:
    study = at.study
    tests = {evaluation.test: evaluation for evaluation in study.of_run(run)}
    kinds = {
        "origin": layout.origin_of(run),
        "summary": layout.SUMMARY,
        "predictions": layout.PREDICTIONS,
        "scores": layout.SCORES,
    }
    executed = {
        one.test: {"execution": at.of(layout.EXECUTION, one)}
        for one in study.of_run(run)
        if one.test in executed_tests(study)
    }
    trains = study.method_of(run).trains
    names = study.datasets_of(run)
    inputs = RecordInputs(
        splits={name: at.path(layout.SPLIT, dataset=name) for name in names},
        training=at.of(layout.TRAINING, run) if trains else None,
        files={"training_log": at.of(layout.TRAINING_LOG, run)} if trains else {},
        tests={
            name: {kind: at.of(of, one) for kind, of in kinds.items()} | executed.get(name, {})
            for name, one in tests.items()
        },
        search=at.of(layout.SEARCH, run) if at.made_by_search(run) else None,
        count=at.of(layout.COUNT, run) if study.count_trials_of(run) else None,
    )
    chosen = inputs.training, inputs.search, inputs.count
    needs = [*inputs.splits.values(), *inputs.files.values(), *filter(None, chosen)]
    needs += [path for files in inputs.tests.values() for path in files.values()]
    target = at.of(layout.RECORD, run)
    return Remake(partial(_make_record, run, study, inputs, Path(target).parent), {"record": target}, needs)


def _make_record(run: Run, study: Study, inputs: RecordInputs, folder: Path, outputs: Outputs) -> None:
    model, method, template = study.model_of(run), study.methods[run.method], study.template_of(run)
    record = gather_record(run, model, method, template, inputs, folder)
    write_json(outputs["record"], to_document(record))


def _records(at: Results) -> Remake:
    records = [at.of(layout.RECORD, run) for run in at.study.runs]
    return Remake(partial(_make_records, records), {"records": at.path(layout.ALL_RECORDS)}, records)


def _make_records(records: list[str], outputs: Outputs) -> None:
    gather_records(records, outputs["records"])


def _model_card(at: Results, run: Run) -> Remake:
    record, stats = at.of(layout.RECORD, run), at.path(layout.TOKEN_STATS, **at.study.token_set_of(run))
    publications = publications_of(at.config, run, [one.test for one in at.study.of_run(run)])
    make = partial(_make_model_card, record, at.metric, publications, stats)
    return Remake(make, {"card": at.of(layout.PUBLISHED, run)}, [record, stats])


def _make_model_card(path: str, metric: str, publications: Publications, stats: str, outputs: Outputs) -> None:
    record = read_record(path)
    assert record.training is not None  # as the config says of this run
    card = model_card(record, record.training, metric, publications, read_described(stats))
    write_text(outputs["card"], card)


def _comparisons(at: Results, test: str) -> Remake:
    settings = at.config["evaluation"]
    records = [at.of(layout.RECORD, one) for one in at.study.of_test(test)]
    scores = [at.of(layout.SCORES, one) for one in at.study.of_test(test)]
    leaks = [at.path(layout.LEAKS, **pair) for pair in at.study.leak_checks if pair["test"] == test]
    make = partial(_make_comparisons, records, test, leaks, at.metric, settings["resamples"], settings["seed"])
    return Remake(make, {"comparisons": at.path(layout.COMPARISONS, test=test)}, [*records, *scores, *leaks], long=True)


def _make_comparisons(
    records: list[str], test: str, leaks: list[str], metric: str, resamples: int, seed: int, outputs: Outputs
) -> None:
    measure_significance(read_records(records), test, leaks, metric, resamples, seed, outputs["comparisons"])
