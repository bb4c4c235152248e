"""How each file of a finished study is made anew from what it was made from, by the functions that the rules call.

Each file is made from the others as they lie there, not from those made anew. So a file that was changed is told where
it was changed, and all of them can be made at the same time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from codetune.base.files import read_json, sha256_of_file, write_json, write_text
from codetune.base.manifests import checked_folder
from codetune.base.plain import read_as, to_plain
from codetune.base.project import PROJECT
from codetune.data.card import write_card
from codetune.evaluation.score import score_predictions
from codetune.evaluation.score_curve import score_curve
from codetune.evaluation.significance import measure_significance
from codetune.generation.retrieve import RetrieveInputs, retrieve_outputs
from codetune.prompts.described import read_described
from codetune.report.browser import BrowserInputs, write_browser
from codetune.report.comparing import compare_files
from codetune.report.page import write_page
from codetune.report.provenance import read_config, write_provenance
from codetune.report.publish import model_card
from codetune.report.table import write_table
from codetune.report.tuned import make_sizes
from codetune.study import layout
from codetune.study.publications import Publications, publications_of
from codetune.study.record import RecordInputs, gather_record, read_record, read_records, save_record
from codetune.study.runs import NONE, Evaluation, Run
from codetune.study.search import SearchFacts
from codetune.study.study import Study
from codetune.study.tables import table_inputs, table_params
from codetune.training.choose import search_facts

Outputs = Mapping[str, str]  # where to write each file, by its role
FORMS = {"csv": layout.TABLE_CSV, "md": layout.TABLE_MD, "tex": layout.TABLE_TEX}


@dataclass(frozen=True)
class Remake:
    """Files that are made anew together.

    Attributes:
        make: Writes them where it is told.
        files: The files as they lie in the results, by their roles.
        needs: What they are made from.
        long: Whether this takes long, so that it should start first.
    """

    make: Callable[[Outputs], None]
    files: Mapping[str, str]
    needs: list[str]
    long: bool = False


@dataclass(frozen=True)
class Results:
    """Where a study lies.

    Attributes:
        study: The study.
        config: Its configuration.
        results: Folder of the results.
        resources: Folder of the downloads.
    """

    study: Study
    config: Mapping[str, Any]
    results: str
    resources: str

    def path(self, pattern: str, **values: str) -> str:
        """A path within the results."""
        return f"{self.results}/{pattern.format(**values) if values else pattern}"

    def of(self, pattern: str, what: Run | Evaluation) -> str:
        """A path of a run or an evaluation."""
        return self.path(layout.fill(pattern, what))

    def download(self, pattern: str, **values: str) -> str:
        """A path within the downloads."""
        return f"{self.resources}/{pattern.format(**values)}"

    def made_by_search(self, run: Run) -> list[str]:
        """The pattern of search.json for a run that searches; none for others."""
        return [layout.SEARCH] if run.method in self.study.trials else []

    def training_of(self, run: Run) -> Run:
        """The training that is a run's: the trial that was chosen, where settings were searched."""
        if not self.made_by_search(run):
            return run
        return replace(run, method=read_as(self.of(layout.SEARCH, run), SearchFacts).chosen)

    @property
    def metric(self) -> str:
        """Name of the study's metric."""
        return str(self.config["evaluation"]["metric"])


def remakes_of(at: Results) -> list[Remake]:
    """Everything of a finished study that follows from its config, samples, predictions and facts of GPU jobs."""
    study = at.study
    return [
        *(_data_card(at, name) for name in study.used_datasets),
        *(_sizes(at, model) for model in study.tunings),
        *(_retrieval(at, evaluation) for evaluation in study.evaluations if evaluation.run.retrieves),
        *(_scores(at, evaluation) for evaluation in study.evaluations),
        *(_search(at, run) for run in study.training_runs if at.made_by_search(run)),
        *(_curve(at, run) for run in study.training_runs),
        *(_record(at, run) for run in study.runs),
        *(_model_card(at, run) for run in study.training_runs),
        *(_comparisons(at, test) for test in study.tests),
        *_tables(at),
        *(_browser(at, test) for test in study.tests),
        _provenance(at),
        *_pages(at),
    ]


def _data_card(at: Results, name: str) -> Remake:
    patterns = {"train": layout.TRAIN, "validation": layout.VALIDATION, "test": layout.TEST_PART}
    parts = {part: at.path(pattern, dataset=name) for part, pattern in patterns.items()}
    facts = at.path(layout.SPLIT, dataset=name)
    files = {"json": at.path(layout.CARD, dataset=name), "text": at.path(layout.CARD_TEXT, dataset=name)}
    return Remake(partial(write_card, facts, parts), files, [facts, *parts.values()])


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


def _scores(at: Results, evaluation: Evaluation) -> Remake:
    test, predictions = at.path(layout.TEST, test=evaluation.test), at.of(layout.PREDICTIONS, evaluation)
    split = at.path(layout.SPLIT, dataset=evaluation.test)
    files = {"scores": at.of(layout.SCORES, evaluation), "summary": at.of(layout.SUMMARY, evaluation)}
    make = partial(_make_scores, test, split, predictions, files["scores"])
    return Remake(make, files, [test, split, predictions], long=True)


def _make_scores(references: str, split: str, predictions: str, there: str, outputs: Outputs) -> None:
    score_predictions(references, split, predictions, outputs["scores"], outputs["summary"])
    if not compare_files(there, outputs["scores"]):  # another machine may write another last digit
        summary = read_json(outputs["summary"])
        write_json(outputs["summary"], summary | {"scores_sha256": sha256_of_file(there)})


def _search(at: Results, run: Run) -> Remake:
    training = [at.of(layout.TRAINING, trial) for trial in at.study.trials_of(run)]
    make = partial(_make_search, at.study.values_of(run.method), training)
    return Remake(make, {"search": at.of(layout.SEARCH, run)}, training)


def _make_search(trials: Mapping[str, Mapping[str, Any]], training: list[str], outputs: Outputs) -> None:
    write_json(outputs["search"], to_plain(search_facts(trials, training)))


def _curve(at: Results, run: Run) -> Remake:
    inputs = {
        "predictions": at.of(layout.CURVE_PREDICTIONS, run),
        "samples": at.of(layout.VALIDATION, run),
        "split": at.of(layout.SPLIT, run),
    }
    return Remake(partial(_make_curve, inputs), {"curve": at.of(layout.CURVE, run)}, [*inputs.values()], long=True)


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
    names = dict.fromkeys([*([run.data] if run.data != NONE else []), *tests])
    inputs = RecordInputs(
        splits={name: at.path(layout.SPLIT, dataset=name) for name in names},
        training=at.of(layout.TRAINING, run) if run.trains else None,
        files={"training_log": at.of(layout.TRAINING_LOG, run)} if run.trains else {},
        tests={name: {kind: at.of(of, one) for kind, of in kinds.items()} for name, one in tests.items()},
        search=at.of(layout.SEARCH, run) if at.made_by_search(run) else None,
    )
    needs = [*inputs.splits.values(), *inputs.files.values(), *filter(None, (inputs.training, inputs.search))]
    needs += [path for files in inputs.tests.values() for path in files.values()]
    target = at.of(layout.RECORD, run)
    return Remake(partial(_make_record, run, study, inputs, Path(target).parent), {"record": target}, needs)


def _make_record(run: Run, study: Study, inputs: RecordInputs, folder: Path, outputs: Outputs) -> None:
    model, method, template = study.model_of(run), study.methods[run.method], study.template_of(run)
    record = gather_record(run, model, method, template, inputs, folder)
    save_record(record, outputs["record"])


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
    make = partial(_make_comparisons, records, test, at.metric, settings["resamples"], settings["seed"])
    return Remake(make, {"comparisons": at.path(layout.COMPARISONS, test=test)}, [*records, *scores], long=True)


def _make_comparisons(records: list[str], test: str, metric: str, resamples: int, seed: int, outputs: Outputs) -> None:
    measure_significance(read_records(records), test, metric, resamples, seed, outputs["comparisons"])


def _tables(at: Results) -> list[Remake]:
    params = table_params(at.study, at.metric)
    return [
        Remake(
            partial(_make_table, name, inputs, params),
            {form: at.path(pattern, table=name) for form, pattern in FORMS.items()},
            [path for paths in inputs.values() for path in paths],
        )
        for name, inputs in table_inputs(at.study, at.path, at.download).items()
    ]


def _make_table(name: str, inputs: Mapping[str, list[str]], params: Mapping[str, Any], outputs: Outputs) -> None:
    folders = [checked_folder(manifest) for manifest in inputs.get("configs", [])]
    write_table(name, {**inputs, "configs": folders, "paper": PROJECT / "config/paper.yaml"}, params, outputs)


def _browser(at: Results, test: str) -> Remake:
    records = [at.of(layout.RECORD, one) for one in at.study.of_test(test)]
    samples, template = at.path(layout.TEST, test=test), str(PROJECT / "workflow/report/samples.html")
    make = partial(_make_browser, BrowserInputs(samples, records, template), test, at.metric)
    shown = [at.of(name, one) for one in at.study.of_test(test) for name in (layout.PREDICTIONS, layout.SCORES)]
    return Remake(make, {"page": at.path(layout.BROWSER, test=test)}, [samples, *records, *shown])


def _make_browser(inputs: BrowserInputs, test: str, metric: str, outputs: Outputs) -> None:
    write_browser(inputs, test, metric, outputs["page"])


def _provenance(at: Results) -> Remake:
    records, path = [at.of(layout.RECORD, run) for run in at.study.runs], at.path(layout.PROVENANCE)
    return Remake(partial(_make_provenance, records, path), {"text": path}, records)


def _make_provenance(records: list[str], there: str, outputs: Outputs) -> None:
    """With the configuration that is there, which another check compares with the one at hand."""
    write_provenance(read_records(records), read_config(there), outputs["text"])


def _pages(at: Results) -> list[Remake]:
    study = at.study
    documents = {name: at.path(layout.TABLE_MD, table=name) for name in table_inputs(study, at.path, at.download)}
    documents |= {f"card-{name}": at.path(layout.CARD_TEXT, dataset=name) for name in study.used_datasets}
    documents["provenance"] = at.path(layout.PROVENANCE)
    return [
        Remake(partial(_make_page, document), {"page": at.path(layout.PAGE, page=name)}, [document])
        for name, document in documents.items()
    ]


def _make_page(document: str, outputs: Outputs) -> None:
    write_page(document, str(PROJECT / "workflow/report/page.html"), outputs["page"])
