"""Schemas of the files that are dataclasses: they are those of the library, and they refuse what it does not write."""

import json
import runpy
from pathlib import Path

import jsonschema
import pytest
from codetune.base.files import read_json
from codetune.base.plain import to_plain
from fake_records import fake_record, write_fake

FOLDER = Path(__file__).parents[3] / "workflow/schemas"
GENERATED = runpy.run_path(str(FOLDER / "generate.py"))["schemas"]()


def validator(name):
    return jsonschema.Draft202012Validator(json.loads(GENERATED[f"{name}.schema.json"]))


@pytest.fixture
def record(tmp_path):
    """The document of a record."""
    return read_json(write_fake(fake_record("m", "qlora"), tmp_path))


@pytest.mark.parametrize("name", GENERATED)
def test_the_schema_that_is_there_is_the_one_of_the_library(name):
    assert (FOLDER / name).read_text() == GENERATED[name], "the library has changed: make lock"


def test_what_the_library_writes_is_of_its_schema(record):
    validator("record").validate(record)
    (tested,) = record["tests"].values()
    validator("training").validate(record["training"])
    validator("generation").validate(tested["generation"])
    validator("summary").validate(tested["summary"])


def test_a_record_of_an_untuned_model_is_one_too():
    document = to_plain(fake_record("m", "base"))
    del document["folder"]
    validator("record").validate(document)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (["folder"], "runs/d"),
        (["run", "seed"], "0"),
        (["run", "dataset"], "d"),
        (["training", "result", "best_step"], None),
        (["method", "kind"], "prompt"),
    ],
)
def test_anything_else_is_not(record, place, value):
    *parents, last = place
    part = record
    for key in parents:
        part = part[key]
    part[last] = value
    assert not validator("record").is_valid(record)


def test_a_schema_says_what_each_field_is():
    run = json.loads(GENERATED["record.schema.json"])["$defs"]["Run"]
    assert run["description"] == "One repetition of a system: a model after one method with one seed."
    seed = "Seed of all that is random: of the initial values of what is trained, of dropout and of the order of the "
    seed += "samples; or of the choice of examples."
    assert run["properties"]["seed"] == {"description": seed, "type": "integer"}
