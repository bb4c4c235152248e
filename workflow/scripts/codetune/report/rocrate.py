"""A finished study as an RO-Crate: its results with the workflow that made them, described for machines.

Follows RO-Crate 1.1, Workflow RO-Crate 1.0 and Workflow Run Crate 0.5 (w3id.org/ro/crate, .../workflowhub, .../wfrun).
"""

import mimetypes
import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from codetune.base.files import atomic, sha256_of_file, write_json
from codetune.base.plain import read_as
from codetune.report.provenance import checkpoints_of, versions_of
from codetune.report.stamp import stamped
from codetune.study import layout
from codetune.study.examples import EmbeddingFacts
from codetune.study.joint import without_joints
from codetune.study.model import Source
from codetune.study.record import Record
from codetune.study.records import read_records

Entity = dict[str, Any]
CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
ENGINE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
COPIED = (
    *("Snakefile", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "requirements.lock"),
    *("config", "docs", "envs", "profiles", "workflow"),
)
USED = Path(layout.CRATE_CONFIG).name

# The results that are described. Token sets, checkpoints and logs follow from the rest, or are large.
RESULTS = (
    *(layout.TRAIN, layout.VALIDATION, layout.TEST, layout.SPLIT, layout.CARD, layout.CARD_TEXT),
    *(layout.EXAMPLES, layout.VECTORS, layout.EMBEDDING, layout.COUNT),
    *(layout.RECORD, layout.TRAINING, layout.TRAINING_LOG, layout.SEARCH, layout.CURVE, layout.CURVE_PREDICTIONS),
    *(layout.TUNED_FILES, layout.PUBLISHED_FILES),
    *(layout.PREDICTIONS, layout.GENERATION, layout.RETRIEVAL, layout.SCORES, layout.SUMMARY),
    *(layout.TABLE_CSV, layout.TABLE_MD, layout.TABLE_TEX),
    *(layout.FIGURE_PNG, layout.FIGURE_SVG, layout.FIGURE_PDF),
    *(layout.PAPER, layout.NUMBERS, layout.MACROS),
    *(layout.LEAKS, layout.SIZES, layout.COMPARISONS, layout.ANSWERS),
    *(layout.BROWSER, layout.PROVENANCE, layout.PAGE),
)
FORMATS = {
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".yaml": "application/yaml",
    ".tex": "application/x-tex",
}


def write_crate(project: str | Path, config: Entity, engine: str, copy: str | Path, target: str | Path) -> None:
    """Copies the workflow beside the results and describes both.

    Args:
        project: The folder with the Snakefile.
        config: The configuration as used.
        engine: Snakemake's version.
        copy: Folder to write the workflow to, within the results.
        target: The ro-crate-metadata.json to write; its folder is that of the results.
    """
    root, copy = Path(target).parent, Path(copy)
    with atomic(copy) as folder:
        copy_workflow(Path(project), config, folder)
    citation = yaml.safe_load((Path(project) / "CITATION.cff").read_text(encoding="utf-8"))
    workflow = [_file(path, root) for path in sorted(copy.rglob("*")) if path.is_file()]
    paths = _files(root, *RESULTS)
    results = [_file(path, root) for path in paths]
    ended = datetime.fromtimestamp(max(path.stat().st_mtime for path in paths), UTC)
    authors = [_author(number, entry) for number, entry in enumerate(citation["authors"], start=1)]
    references = [_reference(number, entry) for number, entry in enumerate(citation["references"], start=1)]
    records = read_records(_files(root, layout.RECORD))
    packages = _packages(records)
    encoders = [read_as(path, EmbeddingFacts) for path in _files(root, layout.EMBEDDING)]
    sources = [*_datasets(config), *_checkpoints(records), *_encoders(encoders)]
    main = next(entity for entity in workflow if entity["@id"] == f"{copy.name}/Snakefile")
    main |= _main(citation, authors, packages)
    used = next(entity for entity in workflow if entity["@id"] == f"{copy.name}/{USED}")
    run = _run(main, [used, *sources], results, ended)
    study = _root(citation, authors, references, main, run, [*workflow, *results], ended)
    graph = [_descriptor(), study, run, *_profiles(), _engine(engine), *authors, *references, *sources, *packages]
    write_json(target, {"@context": CONTEXT, "@graph": [*graph, *workflow, *results]})


def _main(citation: Entity, authors: list[Entity], packages: list[Entity]) -> Entity:
    """What makes the Snakefile more than a file."""
    return {
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": citation["title"],
        "version": citation["version"],
        "programmingLanguage": {"@id": ENGINE},
        "author": _ids(authors),
        "softwareRequirements": _ids(packages),
    }


def _run(main: Entity, inputs: list[Entity], results: list[Entity], ended: datetime) -> Entity:
    return {
        "@id": "#run",
        "@type": "CreateAction",
        "name": "The computation of the study",
        "instrument": {"@id": main["@id"]},
        "object": _ids(inputs),
        "result": _ids(results),
        "endTime": ended.isoformat(timespec="seconds"),
    }


def _root(
    citation: Entity,
    authors: list[Entity],
    references: list[Entity],
    main: Entity,
    run: Entity,
    files: list[Entity],
    ended: datetime,
) -> Entity:
    """The results' folder. It has no licence of its own: those of data and checkpoints differ."""
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": stamped(f"Results: {citation['title']}"),
        "description": f"{citation['abstract'].strip()} Its results, records and outputs, and the workflow itself.",
        "datePublished": f"{ended:%Y-%m-%d}",
        "conformsTo": [{"@id": profile} for profile in PROFILES],
        "author": _ids(authors),
        "citation": _ids(references),
        "mainEntity": {"@id": main["@id"]},
        "mentions": {"@id": run["@id"]},
        "hasPart": _ids(files),
    }


def copy_workflow(project: Path, config: Entity, folder: Path) -> None:
    """Copies all that a rerun needs, and the configuration as used."""
    folder.mkdir()
    for name in COPIED:
        source = project / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        elif source.exists():
            shutil.copy(source, folder / name)
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    (folder / USED).write_text(text, encoding="utf-8")


def _descriptor() -> Entity:
    conforms = [SPECIFICATION, "https://w3id.org/workflowhub/workflow-ro-crate/1.0"]
    return {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": [{"@id": address} for address in conforms],
    }


def _profiles() -> list[Entity]:
    return [
        {"@id": address, "@type": "CreativeWork", "name": name, "version": address.rpartition("/")[2]}
        for address, name in PROFILES.items()
    ]


def _engine(version: str) -> Entity:
    return {"@id": ENGINE, "@type": "ComputerLanguage", "name": "Snakemake", "version": version}


def _files(root: Path, *patterns: str) -> list[Path]:
    """The files of these patterns of the layout, without hidden ones."""
    found = {path for pattern in patterns for path in root.glob(layout.glob_of(pattern))}
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def _file(path: Path, root: Path) -> Entity:
    """A file with its size in bytes and its hash."""
    form = FORMATS.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    return {
        "@id": _address(path.relative_to(root)),
        "@type": "File",
        "name": os.fsencode(path.name).decode(errors="replace"),
        "contentSize": str(path.stat().st_size),
        "sha256": sha256_of_file(path),
        **({"encodingFormat": form} if form else {}),
    }


def _address(path: Path) -> str:
    """A relative path as a URI, in which a space, a per cent sign or a letter beyond ASCII is written as `%20`."""
    return quote(os.fsencode(path.as_posix()), safe="/!$&'()*+,;=@~")


def _author(number: int, entry: Entity) -> Entity:
    """An author as CITATION.cff names them: a person by their names, anyone else by one name."""
    if "family-names" in entry:
        name = f"{entry.get('given-names', '')} {entry['family-names']}".strip()
        return {"@id": entry.get("orcid", f"#author-{number}"), "@type": "Person", "name": name}
    return {"@id": f"#author-{number}", "@type": "Organization", "name": entry["name"]}


def _reference(number: int, entry: Entity) -> Entity:
    authors = ", ".join(_author(0, author)["name"] for author in entry["authors"])
    return {"@id": f"#reference-{number}", "@type": "ScholarlyArticle", "name": entry["title"], "creditText": authors}


def _datasets(config: Entity) -> Iterator[Entity]:
    """The data sets as published."""
    for name, entry in without_joints(config)["datasets"].items():
        source = Source(entry.get("path"), entry.get("repo", entry.get("github")), entry.get("revision"))
        known = {"sha256": entry.get("sha256"), "creditText": entry.get("license")}
        yield _source(f"#dataset-{name}", name, source, known)


def _checkpoints(records: list[Record]) -> list[Entity]:
    """The checkpoints that the runs started from."""
    return [
        _source(f"#checkpoint-{model}", model, Source(one.path, one.repo, one.revision), {"sha256": one.sha256})
        for model, one in checkpoints_of(records).items()
    ]


def _encoders(embeddings: list[EmbeddingFacts]) -> list[Entity]:
    """The encoders by whose vectors examples were chosen."""
    known = {facts.encoder: facts.checkpoint for facts in embeddings}
    return [
        _source(f"#encoder-{name}", name, Source(one.path, one.repo, one.revision), {"sha256": one.sha256})
        for name, one in known.items()
    ]


def _source(identity: str, name: str, source: Source, known: Mapping[str, str | None]) -> Entity:
    """Where something was published; of a local path only the last name is told."""
    origin = Path(source.path).name if source.path else source.name
    properties = {key: value for key, value in {"version": source.revision, **known}.items() if value}
    return {"@id": identity, "@type": "CreativeWork", "name": name, "alternateName": origin, **properties}


def _packages(records: list[Record]) -> list[Entity]:
    """The libraries that the runs were computed with."""
    return [
        {"@id": f"#package-{name}", "@type": "SoftwareApplication", "name": name, "softwareVersion": version}
        for name, version in versions_of(records).items()
    ]


def _ids(entities: list[Entity]) -> list[Entity]:
    return [{"@id": entity["@id"]} for entity in entities]
