"""Rule paper: the study as an article of two to four pages, from the sentences of its report."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from codetune.base.files import Row, atomic, reading, sha256_of_json
from codetune.papers.declared import read_paper
from codetune.report.article import DETAIL, Article, Part, joined
from codetune.report.article_tables import checkpoint_table, claim_tables, cost_table, score_table, settings_table
from codetune.report.described import describe_study, read_cards
from codetune.report.finding import Finding, Material, listed
from codetune.report.findings import conclude, read_material
from codetune.report.provenance import read_config
from codetune.report.quoted import read_costs, read_settings
from codetune.report.short_table import short_tables
from codetune.report.typeset import set_article

ANSWERS = ("gain", "code")  # findings that the abstract has
OTHERS = ("cost", "audit", "limits")  # those that have a section of their own
DIGITS = 12  # of the hash of the configuration
COLUMN = 3.6 * 72  # widest figure of one column, in points


@dataclass(frozen=True)
class Origins:
    """What the article says of itself.

    Attributes:
        citation: CITATION.cff of the workflow.
        paper: What the replicated paper declares.
        config: The configuration as used.
    """

    citation: Row
    paper: Row
    config: Row

    @property
    def replicated(self) -> Row:
        """The paper that is replicated, as CITATION.cff has it."""
        found: Row = self.citation["references"][0]
        return found

    def models_of_the_paper(self, material: Material) -> list[str]:
        """Names of the models that are the paper's own checkpoints."""
        repos = {name: one["repo"] for name, one in self.paper["models"].items()}
        models = {record.run.model: record.model for record in material.records}
        return [name for name, one in models.items() if name in repos and one.source.is_repository(repos[name])]

    @property
    def has_its_data(self) -> bool:
        """Whether the data set is the paper's, whole."""
        declared = self.paper["dataset"]
        used: Row = (self.config.get("datasets") or {}).get(declared["name"]) or {}
        return used.get("repo") == declared["repo"] and not used.get("path") and not used.get("sample")


def write_paper(inputs: Mapping[str, Any], metric: str, project: str | Path, target: str) -> None:
    """Writes the article as a PDF.

    Args:
        inputs: Paths: those of `macros.write_macros`; `figures`, SVG files with their captions (`captions`); and
            `provenance`, which has the configuration.
        metric: Name of the study's metric.
        project: Folder of the project, which has the template, CITATION.cff and what the paper declares.
        target: The PDF to write.

    Raises:
        StudyError: A file is damaged.
    """
    project = Path(project)
    citation = project / "CITATION.cff"
    with reading(citation, "Put back the project's own."):
        origins = Origins(
            citation=yaml.safe_load(citation.read_text(encoding="utf-8")),
            paper=read_paper(project / "config" / "paper.yaml"),
            config=read_config(inputs["provenance"]),
        )
    article = make_article(read_material(inputs, metric), inputs, origins)
    pdf = set_article(article, project / "workflow" / "report" / "paper.typ")
    with atomic(target) as temporary:
        temporary.write_bytes(pdf)


def make_article(material: Material, inputs: Mapping[str, Any], origins: Origins) -> Article:
    """The article of a study.

    Args:
        material: The study.
        inputs: As those of `write_paper`.
        origins: What it says of itself.
    """
    findings = conclude(material)
    described = {one.name.partition(".")[0]: one for one in describe_study(material, read_cards(inputs["cards"]))}
    data = [one for one in describe_study(material, read_cards(inputs["cards"])) if one.name.startswith("data.")]
    answers = [one for one in findings if _is_answer(one)]
    article = Article(_title(material, origins), _byline(origins), joined(answers))
    article.add("heading", "Question")
    article.add("text", f"{described['study'].text} {_say_replicated(material, origins)}")
    article.add("heading", "Data, models and settings")
    article.add("text", joined([*data, *(described[name] for name in ("training", "decoding", "statistics") if name in described)]))
    models = {record.model.label: record.run.model for record in material.records}
    if path := inputs.get("table1"):
        article.parts.append(settings_table(read_settings(path, models), path))
    article.add("heading", "Results")
    article.parts += _results(material, findings, inputs)
    article.parts += _rest(material, findings, inputs, models)
    article.add("heading", "What replicates, and what was used")
    article.add("text", _say_sources(origins))
    article.parts.append(checkpoint_table(material))
    return article


def _is_answer(one: Finding) -> bool:
    first, *more = one.name.split(".")
    return first in ANSWERS and len(more) <= 1


def _title(material: Material, origins: Origins) -> str:
    """The title of the paper, and whether this is a replication of it."""
    title = str(origins.replicated["title"]).partition(":")[0].strip()
    replicates = origins.models_of_the_paper(material) and origins.has_its_data
    return f"{title}: {'a replication' if replicates else 'its study with other models or data'}"


def _byline(origins: Origins) -> str:
    digest = sha256_of_json(origins.config)[:DIGITS]
    return (
        f"Made by the workflow \u201c{origins.citation['title']}\u201d, version {origins.citation['version']}, from the "
        f"configuration {digest}"
    )


def _say_replicated(material: Material, origins: Origins) -> str:
    """Which paper is replicated, and how closely."""
    authors = listed([str(one["name"]) for one in origins.replicated["authors"]])
    own, named = origins.models_of_the_paper(material), len(origins.paper["models"])
    which = f"{len(own)} of its {named} models" if own else "other models"
    data = "its data" if origins.has_its_data else "other data"
    return f"The study follows that of {authors} [1], with {which} and {data}."


def _results(material: Material, findings: Sequence[Finding], inputs: Mapping[str, Any]) -> Iterator[Part]:
    """Table 2, the figures, and what was found beside the answers."""
    for number, table in enumerate(short_tables(material)):
        yield score_table(table, [*material.paths.values()], rank=DETAIL if number else 0)
    for number, (path, caption) in enumerate(zip(inputs["figures"], inputs["captions"], strict=True)):
        yield _figure(path, caption, rank=1 if number else 0)
    found = [one for one in findings if one.name.partition(".")[0] not in (*OTHERS, *ANSWERS)]
    details = [one for one in findings if one.name.partition(".")[0] in ANSWERS and not _is_answer(one)]
    if found:
        yield Part("text", joined(found))
    if details:
        yield Part("list", items=[one.text for one in details], rank=DETAIL)


def _figure(path: str, caption: str, rank: int) -> Part:
    with reading(path):
        svg = Path(path).read_text(encoding="utf-8")
        width = re.search(r'<svg[^>]*?\swidth="([\d.]+)pt"', svg)
        wide = width is not None and float(width[1]) > COLUMN
    return Part("figure", caption, svg=svg, wide=wide, rank=rank)


def _rest(
    material: Material, findings: Sequence[Finding], inputs: Mapping[str, Any], models: Mapping[str, str]
) -> Iterator[Part]:
    """Costs, the paper's claims, and what cannot be said."""
    by_section = {name: [one for one in findings if one.name.partition(".")[0] == name] for name in OTHERS}
    if by_section["cost"]:
        yield Part("heading", "Cost")
        yield Part("text", joined(by_section["cost"]))
        if path := inputs.get("cost"):
            yield cost_table(read_costs(path, models), path)
    if by_section["audit"]:
        yield Part("heading", "The published claims")
        yield Part("text", joined(by_section["audit"]))
        yield from claim_tables(inputs["audit"])
    yield Part("heading", "What cannot be said")
    yield Part("list", items=[one.text for one in by_section["limits"]])


def _say_sources(origins: Origins) -> str:
    """The paper, and what made this article."""
    authors = listed([str(one["name"]) for one in origins.replicated["authors"]])
    return f"[1] {authors}: {origins.replicated['title']}."
