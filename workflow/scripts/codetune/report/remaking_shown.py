"""How answers, tables, pages and the sample browser of a finished study are made anew; the other files: remaking.py."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from codetune.base.manifests import checked_folder
from codetune.base.plain import read_as
from codetune.base.project import PROJECT
from codetune.evaluation.answers import Bootstrap, answer_questions
from codetune.report.browser import BrowserInputs, write_browser
from codetune.report.macros import write_macros
from codetune.report.page import write_page
from codetune.report.paper import write_paper
from codetune.report.provenance import read_config, write_provenance
from codetune.report.remake import Outputs, Remake, Results
from codetune.report.summary import write_summary
from codetune.report.table import write_table
from codetune.study import layout
from codetune.study.answering import answering_tests
from codetune.study.declared import path_of_params
from codetune.study.embeddings import embeddings_of
from codetune.study.examples import EmbeddingFacts
from codetune.study.paper import macro_inputs, paper_inputs, paths_in
from codetune.study.records import read_records
from codetune.study.summary import summary_inputs
from codetune.study.tables import table_inputs, table_params

FORMS = {"csv": layout.TABLE_CSV, "md": layout.TABLE_MD, "tex": layout.TABLE_TEX}
PAGE_TEMPLATE = str(PROJECT / "workflow/report/page.html")


def shown_of(at: Results) -> list[Remake]:
    """What shows the results of a study: answers, tables, sample browsers, provenance, conclusions and pages."""
    return [
        *_answers(at),
        *_tables(at),
        *(_browser(at, test) for test in at.study.tests),
        _provenance(at),
        _summary(at),
        *_pages(at),
        _macros(at),
        _paper(at),
    ]


def _answers(at: Results) -> list[Remake]:
    """The answers to the study's questions, if it asks any."""
    if not at.study.questions:
        return []
    tests = answering_tests(at.study)
    scores = [at.of(layout.SCORES, one) for test in tests for one in at.study.of_test(test)]
    records = at.path(layout.ALL_RECORDS)
    make = partial(_make_answers, at, records)
    return [Remake(make, {"answers": at.path(layout.ANSWERS)}, [records, *scores], long=True)]


def _make_answers(at: Results, records: str, outputs: Outputs) -> None:
    settings = at.config["evaluation"]
    bootstrap = Bootstrap(settings["resamples"], settings["seed"])
    answer_questions(read_records([records]), at.study.questions, at.metric, bootstrap, outputs["answers"])


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
    write_table(name, {**inputs, "configs": folders, "paper": path_of_params(params)}, params, outputs)


def _browser(at: Results, test: str) -> Remake:
    records = [at.of(layout.RECORD, one) for one in at.study.of_test(test)]
    samples, template = at.path(layout.TEST, test=test), str(PROJECT / "workflow/report/samples.html")
    make = partial(_make_browser, BrowserInputs(samples, records, template), test, at.metric)
    shown = [at.of(name, one) for one in at.study.of_test(test) for name in (layout.PREDICTIONS, layout.SCORES)]
    return Remake(make, {"page": at.path(layout.BROWSER, test=test)}, [samples, *records, *shown])


def _make_browser(inputs: BrowserInputs, test: str, metric: str, outputs: Outputs) -> None:
    write_browser(inputs, test, metric, outputs["page"])


def _provenance(at: Results) -> Remake:
    records, path = [at.path(layout.ALL_RECORDS)], at.path(layout.PROVENANCE)
    embeddings = [at.path(layout.EMBEDDING, **entry) for entry in embeddings_of(at.study)]
    make = partial(_make_provenance, records, embeddings, path)
    return Remake(make, {"text": path}, [*records, *embeddings])


def _make_provenance(records: list[str], embeddings: list[str], there: str, outputs: Outputs) -> None:
    """With the configuration that is there, which another check compares with the one at hand."""
    facts = [read_as(path, EmbeddingFacts) for path in embeddings]
    write_provenance(read_records(records), read_config(there), outputs["text"], facts)


def _pages(at: Results) -> list[Remake]:
    study = at.study
    documents = {name: at.path(layout.TABLE_MD, table=name) for name in table_inputs(study, at.path, at.download)}
    documents |= {f"card-{name}": at.path(layout.CARD_TEXT, dataset=name) for name in study.used_datasets}
    documents["provenance"] = at.path(layout.PROVENANCE)
    return [
        Remake(partial(_make_page, document), {"page": at.path(layout.PAGE, page=name)}, [document])
        for name, document in documents.items()
    ]


def _summary(at: Results) -> Remake:
    inputs = summary_inputs(at.study, at.path)
    files = {"text": at.path(layout.CONCLUSIONS), "page": at.path(layout.FIRST_PAGE)}
    return Remake(partial(_make_summary, inputs, at.metric), files, paths_in(inputs))


def _make_summary(inputs: Mapping[str, Any], metric: str, outputs: Outputs) -> None:
    write_summary(inputs, PAGE_TEMPLATE, metric, outputs)


def _make_page(document: str, outputs: Outputs) -> None:
    write_page(document, PAGE_TEMPLATE, outputs["page"])


def _macros(at: Results) -> Remake:
    inputs = macro_inputs(at.study, at.path)
    files = {"json": at.path(layout.NUMBERS), "tex": at.path(layout.MACROS)}
    return Remake(partial(_make_macros, inputs, at.metric), files, paths_in(inputs))


def _make_macros(inputs: Mapping[str, Any], metric: str, outputs: Outputs) -> None:
    write_macros(inputs, metric, outputs)


def _paper(at: Results) -> Remake:
    inputs = paper_inputs(at.study, at.path)
    return Remake(partial(_make_paper, inputs, at.metric), {"pdf": at.path(layout.PAPER)}, paths_in(inputs))


def _make_paper(inputs: Mapping[str, Any], metric: str, outputs: Outputs) -> None:
    """With the configuration that the provenance has, which another check compares with the one at hand."""
    write_paper(inputs, metric, PROJECT, outputs["pdf"])
