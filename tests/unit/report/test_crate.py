"""The RO-Crate of a study: its structure, and that all it says of files is so."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from codetune.base.identity import CheckpointIdentity
from codetune.report.rocrate import CONTEXT, write_crate
from conftest import ROOT
from fake_records import fake_generation, fake_record, write_fake

CONFIG = {
    "datasets": {"d": {"repo": "x/d", "revision": "abc", "sha256": "0" * 64, "license": "CC BY-NC 4.0"}},
    "models": {"m": {"path": "/home/somebody/m"}},
}
RUN = "runs/d/m/qlora/seed0"
FILES = [
    "tables/table2.csv",
    "figures/figure1.svg",
    "comparisons/d.json",
    "data/d/card.md",
    "data/d/split.json",
    "data/d/test.jsonl",
    "report/samples/d.html",
    "report/pages/table2.html",
    "report/provenance.md",
    f"{RUN}/training.json",
    f"{RUN}/training_log.jsonl",
    f"{RUN}/curve.json",
    f"{RUN}/curve/predictions.jsonl",
    f"{RUN}/tuned/adapter_model.safetensors",
    f"{RUN}/published/adapter_model.safetensors",
    f"{RUN}/published/README.md",
    *(f"{RUN}/tests/d/{name}" for name in ("predictions.jsonl", "generation.json", "scores.jsonl", "summary.json")),
]
LEFT_OUT = [
    "tokens/d/m/paper/train.arrow",
    "prompts/d/m/paper/none/seed0/prompts.arrow",
    "logs/table1.log",
    "report.html",
    f"{RUN}/checkpoints/step-000001/adapter_model.safetensors",
    f"{RUN}/unfinished/generate/rows.jsonl",
    f"{RUN}/tuned/.snakemake_timestamp",
]


def a_record():
    """The record of a run that started from a local checkpoint."""
    checkpoint = CheckpointIdentity("1" * 64, path="/home/somebody/m")
    record = fake_record("m", "qlora", "d", test="d")
    return replace(record, tests={"d": replace(record.tests["d"], generation=fake_generation(checkpoint=checkpoint))})


@pytest.fixture(scope="module")
def crate(tmp_path_factory):
    """Folder of a study's results, described."""
    results = tmp_path_factory.mktemp("crate") / "results"
    for name in (*FILES, *LEFT_OUT):
        path = results / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    write_fake(a_record(), results)
    write_crate(ROOT, CONFIG, "9.27.1", results / "workflow", results / "ro-crate-metadata.json")
    return results


@pytest.fixture
def graph(crate):
    document = json.loads((crate / "ro-crate-metadata.json").read_text())
    assert document.keys() == {"@context", "@graph"}
    assert document["@context"] == CONTEXT
    ids = [entity["@id"] for entity in document["@graph"]]
    assert len(set(ids)) == len(ids)
    return {entity["@id"]: entity for entity in document["@graph"]}


def references(value):
    """All ids that are referred to anywhere in a value."""
    if isinstance(value, list):
        return {found for part in value for found in references(part)}
    if isinstance(value, dict):
        return {value["@id"]} if value.keys() == {"@id"} else {i for part in value.values() for i in references(part)}
    return set()


def ids(entities):
    return {entity["@id"] for entity in entities}


def test_the_descriptor_leads_to_the_root_and_that_to_the_workflow(graph):
    descriptor = graph["ro-crate-metadata.json"]
    assert descriptor["about"] == {"@id": "./"}
    assert {"@id": "https://w3id.org/ro/crate/1.1"} in descriptor["conformsTo"]
    root = graph["./"]
    assert root["@type"] == "Dataset"
    assert root.keys() >= {"name", "description", "datePublished", "author", "conformsTo"}
    assert "license" not in root
    main = graph[root["mainEntity"]["@id"]]
    assert main["@id"] == "workflow/Snakefile"
    assert main["@type"] == ["File", "SoftwareSourceCode", "ComputationalWorkflow"]
    assert graph[main["programmingLanguage"]["@id"]]["version"] == "9.27.1"


def test_every_reference_leads_somewhere(graph):
    outside = {"https://w3id.org/ro/crate/1.1"}
    assert references(list(graph.values())) - outside <= set(graph)


def test_files_are_there_with_their_sizes_and_hashes(crate, graph):
    files = [entity for entity in graph.values() if "File" in entity["@type"]]
    assert len(files) > len(FILES) + 30
    for entity in files:
        content = (crate / entity["@id"]).read_bytes()
        assert entity["contentSize"] == str(len(content))
        assert entity["sha256"] == hashlib.sha256(content).hexdigest()
    assert ids(files) == ids(graph["./"]["hasPart"])


def test_results_are_described_and_what_follows_from_them_is_not(graph):
    assert ids(graph["#run"]["result"]) == {*FILES, f"{RUN}/record.json"}
    assert not set(LEFT_OUT) & set(graph)
    assert graph["data/d/test.jsonl"]["encodingFormat"] == "application/jsonl"


def test_the_run_names_what_went_in(graph):
    assert graph["./"]["mentions"] == {"@id": "#run"}
    assert graph["#run"]["instrument"] == {"@id": "workflow/Snakefile"}
    assert ids(graph["#run"]["object"]) == {"workflow/config-used.yaml", "#dataset-d", "#checkpoint-m"}
    dataset, checkpoint = graph["#dataset-d"], graph["#checkpoint-m"]
    assert (dataset["alternateName"], dataset["version"], dataset["sha256"]) == ("x/d", "abc", "0" * 64)
    assert (checkpoint["alternateName"], checkpoint["sha256"]) == ("m", "1" * 64)
    assert graph["#package-torch"]["softwareVersion"] == "2.0"


def test_the_copy_of_the_workflow_is_whole(crate):
    copy = crate / "workflow"
    assert yaml.safe_load((copy / "config-used.yaml").read_text()) == CONFIG
    for name in (
        "Snakefile",
        "workflow/rules/report.smk",
        "workflow/scripts/codetune/report/rocrate.py",
        "config/papers/slm-qlora.yaml",
    ):
        assert (copy / name).read_bytes() == (ROOT / name).read_bytes()
    assert not [path for path in copy.rglob("*") if path.name == "__pycache__" or path.suffix == ".pyc"]


def test_authors_are_those_of_the_citation_file(graph):
    citation = yaml.safe_load(Path(ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    names = [graph[author["@id"]]["name"] for author in graph["./"]["author"]]
    assert names == [author["name"] for author in citation["authors"]]
    assert [graph[one["@id"]]["name"] for one in graph["./"]["citation"]] == [citation["references"][0]["title"]]
