"""Rule paper: the study as an article of two to four pages, from the sentences of its report."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from codetune.base.files import Row, atomic, reading, sha256_of_json
from codetune.report.article import DETAIL, EXTRA, MORE, Article, Part, joined
from codetune.report.article_tables import checkpoint_table, claim_tables, cost_table, score_table, settings_table
from codetune.report.described import describe_study, read_cards
from codetune.report.finding import Finding, Material, listed
from codetune.report.findings import conclude, read_material
from codetune.report.provenance import read_config
from codetune.report.quoted import read_costs, read_settings
from codetune.report.short_table import short_tables
from codetune.report.stamp import stamp_of_pages
from codetune.report.typeset import set_article
from codetune.study.declared import file_of, read_paper
from codetune.study.declared_tables import MAIN

ANSWERS = ("gain", "code", "format")  # findings of the abstract, without their details
DETAILS = {"gain": "The text as written, method by method:", "code": "The code alone, method by method:"}
OTHERS = ("cost", "audit", "limits")  # those that have a section of their own
# A paragraph each: kinds of sentences, and the tables that it refers to.
KINDS = {("data",): [], ("training", "decoding"): ["settings", "checkpoints"], ("statistics",): []}
DIGITS = 12  # of the hash of the configuration
CAPTIONS = {
    "dumbbell": "The score of each system on the test samples (marks) beside those of its baselines (ticks). The thin "
    "line is the 95 % interval of the gain, laid from the tick of the better baseline.",
    "figure2": "The score against training steps and tokens seen, on a part of the validation samples, and the gain "
    "over the untuned model (step 0) with its 95 % interval. A star is the checkpoint that a seed keeps.",
}
COLUMN, FULL = 3.6 * 72, 7.0 * 72  # widest figure of one column, and that of a page, in points
HIGHEST = 9.0 * 72  # a figure, in points


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
        """The paper that is followed: as its file says, or as CITATION.cff has it."""
        if "title" in self.paper:
            return {"title": self.paper["title"], "authors": [{"name": name} for name in self.paper["authors"]]}
        found: Row = self.citation["references"][0]
        return found

    def models_of_the_paper(self, material: Material) -> list[str]:
        """Names of the models that are the paper's own checkpoints."""
        repos = {name: one["repo"] for name, one in self.paper["models"].items()}
        models = {record.run.model: record.model for record in material.records}
        return [name for name, one in models.items() if name in repos and one.source.is_repository(repos[name])]

    @property
    def has_its_data(self) -> bool:
        """Whether the data sets are the paper's, whole."""
        entries = self.config.get("datasets") or {}
        used = [(entries.get(name) or {}, declared) for name, declared in self.paper["datasets"].items()]
        return all(
            one.get("repo") == declared["repo"] and not one.get("path") and not one.get("sample")
            for one, declared in used
        )


def write_paper(inputs: Mapping[str, Any], metric: str, project: str | Path, target: str) -> None:
    """Writes the article as a PDF.

    Args:
        inputs: Paths: those of `macros.write_macros`; `figures`, SVG files; and
            `provenance`, which has the configuration.
        metric: Name of the study's metric.
        project: Folder of the project, which has the template, CITATION.cff and what the paper declares.
        target: The PDF to write.

    Raises:
        StudyError: A file is damaged.
    """
    project = Path(project)
    citation, config = project / "CITATION.cff", read_config(inputs["provenance"])
    with reading(citation, "Put back the project's own."):
        origins = Origins(
            citation=yaml.safe_load(citation.read_text(encoding="utf-8")),
            paper=read_paper(project / file_of(config.get("paper", MAIN))),
            config=config,
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
    described = describe_study(material, read_cards(inputs["cards"]))
    answers = [one for one in findings if _is_answer(one)]
    article = Article(_title(material, origins), _byline(origins), joined(answers), stamp=stamp_of_pages())
    article.add("heading", "Question")
    article.add("text", f"{described[0].text} {_say_replicated(material, origins)}")
    article.add("heading", "Data, models and settings")
    for kind, tables in KINDS.items():
        if found := [one for one in described[1:] if one.name.partition(".")[0] in kind]:
            article.add("text", joined(found), mentions=tables)
    models = {record.model.label: record.run.model for record in material.records}
    if path := inputs.get("table1"):
        article.parts.append(settings_table(read_settings(path, models), path))
    article.parts.append(checkpoint_table(material))
    article.add("heading", "Results")
    article.parts += _results(material, findings, inputs)
    article.parts += _rest(findings, inputs, models)
    article.add("heading", "Reference")
    article.add("text", _say_sources(origins))
    return article


def _is_answer(one: Finding) -> bool:
    first, *more = one.name.split(".")
    return first in ANSWERS and (first not in DETAILS or len(more) <= 1)


def _title(material: Material, origins: Origins) -> str:
    """The title of the paper, and whether this is a replication of it."""
    title = str(origins.replicated["title"]).partition(":")[0].strip()
    replicates = origins.models_of_the_paper(material) and origins.has_its_data
    return f"{title}: {'a replication' if replicates else 'a study with other models or data'}"


def _byline(origins: Origins) -> str:
    digest = sha256_of_json(origins.config)[:DIGITS]
    title, version = origins.citation["title"], origins.citation["version"]
    return f"Made by the workflow \u201c{title}\u201d, version {version}, from the configuration {digest}"


def _say_replicated(material: Material, origins: Origins) -> str:
    """Which paper is replicated, and how closely."""
    authors = listed([str(one["name"]) for one in origins.replicated["authors"]])
    own, named = origins.models_of_the_paper(material), len(origins.paper["models"])
    which = "other models" if not own else f"{'all' if len(own) == named else 'some'} of its models"
    data = "its data" if origins.has_its_data else "other data"
    return f"The study follows that of {authors} [1], with {which} and {data}."


def _results(material: Material, findings: Sequence[Finding], inputs: Mapping[str, Any]) -> Iterator[Part]:
    """Table 2, the figures, and what was found beside the answers."""
    tables = [
        score_table(table, [*material.paths.values()], number) for number, table in enumerate(short_tables(material))
    ]
    figures = [_figure(path, number) for number, path in enumerate(inputs["figures"])]
    found = [one for one in findings if one.name.partition(".")[0] not in (*OTHERS, *ANSWERS)]
    yield Part("text", joined(found), mentions=[part.key for part in (*figures[:1], *tables, *figures[1:])])
    for kind, words in DETAILS.items():
        if details := [one for one in findings if one.name.startswith(f"{kind}.") and not _is_answer(one)]:
            yield Part("list", words, items=[one.text for one in details], rank=DETAIL)
    yield from (*figures[:1], *tables, *figures[1:])


def _caption(path: str) -> str:
    """What a figure shows; of several pages, which one it is."""
    figure, _, letter = Path(path).stem.partition("-")
    return f"{CAPTIONS[figure]}{f' Page {letter}.' if letter else ''} From {path}."


def _figure(path: str, number: int) -> Part:
    """A figure, as wide as it is drawn. All but the first can be left out, those that are as high as a page first.

    Args:
        path: Of its SVG.
        number: Its place among all, from 0 on.
    """
    with reading(path):
        svg = Path(path).read_text(encoding="utf-8")
        width, height = _size_of(svg)
    wide = width > COLUMN
    scaled = height * (FULL if wide else COLUMN) / width
    rank = 0 if number == 0 else EXTRA if scaled > HIGHEST / 2 else MORE
    cut = HIGHEST if scaled > HIGHEST else 0.0
    return Part("figure", _caption(path), svg=svg, wide=wide, height=cut, key=Path(path).stem, rank=rank)


def _size_of(svg: str) -> tuple[float, float]:
    """Width and height of a drawing, in points.

    Raises:
        ValueError: It has none.
    """
    root = re.search(r"<svg\b[^>]*>", svg)
    found = dict(re.findall(r'\b(width|height)="([0-9.]+)pt"', root[0] if root else ""))
    if len(found) < 2:
        raise ValueError("a drawing without a size in points")
    return float(found["width"]), float(found["height"])


def _rest(findings: Sequence[Finding], inputs: Mapping[str, Any], models: Mapping[str, str]) -> Iterator[Part]:
    """Costs, the paper's claims, and what cannot be said."""
    by_section = {name: [one for one in findings if one.name.partition(".")[0] == name] for name in OTHERS}
    if by_section["cost"]:
        yield Part("heading", "Cost")
        yield Part("text", joined(by_section["cost"]), mentions=["cost"])
        if path := inputs.get("cost"):
            yield cost_table(read_costs(path, models), path)
    if by_section["audit"]:
        yield Part("heading", "The published claims")
        yield Part("text", joined(by_section["audit"]), mentions=["claims", "failed"])
        yield from claim_tables(inputs["audit"])
    yield Part("heading", "What cannot be said")
    yield Part("list", items=[one.text for one in by_section["limits"]])


def _say_sources(origins: Origins) -> str:
    """The paper, and what made this article."""
    authors = listed([str(one["name"]) for one in origins.replicated["authors"]])
    return f"[1] {authors}: {origins.replicated['title']}."
