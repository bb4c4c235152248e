"""A sample of a data set: which records are drawn, and what the split says of them."""

import json
from dataclasses import replace

import pytest
from codetune.base.errors import StudyError
from codetune.base.files import read_json, write_jsonl
from codetune.data.card import write_card
from codetune.data.drawing import draw
from codetune.data.samples import read_samples, sha256_of_records
from codetune.data.split import split_dataset
from codetune.study.config import load_study
from codetune.study.dataset import PARTS, Split, Subset
from codetune.study.tables import table_params
from paper_config import paper_config

RECORDS = [{"instruction": f"Write {n}", "input": "", "output": f"{n * 7} x {n * n}"} for n in range(500)]
NUMBERED = dict(enumerate(RECORDS))
SPLIT = Split(0.8, 0.1, 0.1, seed=0, near_duplicates="together")


def test_all_records_are_taken_without_a_sample():
    assert draw(NUMBERED, None, "mine") == NUMBERED


@pytest.mark.parametrize("count", [1, 2, 77, 499, 500])
def test_as_many_as_asked_for_are_drawn_under_their_numbers_and_in_their_order(count):
    drawn = draw(NUMBERED, Subset(count, seed=3), "mine")
    assert len(drawn) == count
    assert list(drawn) == sorted(drawn)
    assert all(drawn[number] is RECORDS[number] for number in drawn)


def test_the_seed_decides_and_a_larger_sample_holds_the_smaller():
    assert draw(NUMBERED, Subset(100, 0), "mine") == draw(dict(enumerate(RECORDS)), Subset(100, 0), "mine")
    assert draw(NUMBERED, Subset(100, 0), "mine") != draw(dict(enumerate(RECORDS)), Subset(100, 1), "mine")
    assert draw(NUMBERED, Subset(100, 0), "mine").items() < draw(NUMBERED, Subset(300, 0), "mine").items()


def test_every_record_has_the_same_chance():
    drawn = [number for seed in range(400) for number in draw(dict(enumerate(RECORDS[:20])), Subset(5, seed), "mine")]
    assert all(60 <= drawn.count(number) <= 140 for number in range(20))  # 100 expected, standard deviation 8.7


def test_the_split_is_of_the_sample_and_says_so(tmp_path):
    write_jsonl(tmp_path / "records.jsonl", RECORDS)
    targets = {name: str(tmp_path / f"{name}.jsonl") for name in (*PARTS, "facts")}
    split_dataset(tmp_path / "records.jsonl", "mine", replace(SPLIT, sample=Subset(200, 1)), targets)
    facts = read_json(targets["facts"])
    samples = [sample for part in PARTS for sample in read_samples(targets[part])]
    assert {sample.id for sample in samples} == set(draw(NUMBERED, Subset(200, 1), "mine"))
    assert all(sample.output == RECORDS[sample.id]["output"] for sample in samples)
    assert facts["sample"] == {"records": 200, "seed": 1}
    assert (facts["records"], facts["records_sha256"]) == (500, sha256_of_records(RECORDS))
    write_card(targets["facts"], targets, {"json": str(tmp_path / "card.json"), "text": str(tmp_path / "card.md")})
    assert read_json(tmp_path / "card.json")["sample"] == {"records": 200, "seed": 1}
    assert "Of these, 200 were drawn with seed 1" in (tmp_path / "card.md").read_text()


def test_more_than_there_are_is_refused_and_nothing_written(tmp_path):
    write_jsonl(tmp_path / "records.jsonl", RECORDS)
    targets = {name: str(tmp_path / f"{name}.jsonl") for name in (*PARTS, "facts")}
    with pytest.raises(StudyError, match=r"mine: the config's 'sample' draws 501 records, but the data set has 500"):
        split_dataset(tmp_path / "records.jsonl", "mine", replace(SPLIT, sample=Subset(501, 1)), targets)
    assert not (tmp_path / "facts.jsonl").exists()


@pytest.mark.parametrize(
    ("change", "said"), [({}, "are too few"), ({"output": ""}, "the cleaning dropped all records")]
)
def test_a_sample_too_small_to_split_is_told_from_data_that_are_too_few(tmp_path, change, said):
    write_jsonl(tmp_path / "records.jsonl", [record | change for record in RECORDS])
    with pytest.raises(StudyError, match=f"{said}.*This is about a part of the records: a larger 'sample'"):
        split_dataset(tmp_path / "records.jsonl", "mine", replace(SPLIT, sample=Subset(1, 1)), {})


def with_sample(sample):
    config = paper_config()
    config["datasets"]["codealpaca-20k"]["sample"] = sample
    return config


def test_the_config_gives_the_sample_to_the_split():
    study = load_study(with_sample({"records": 400, "seed": 2}))
    assert study.datasets["codealpaca-20k"].split.sample == Subset(400, 2)


@pytest.mark.parametrize(("records", "whole"), [(400, False), (20021, False), (20022, True)])
def test_a_part_of_the_data_is_not_the_paper_s_data_and_a_sample_of_all_is(records, whole):
    params = table_params(load_study(with_sample({"records": records, "seed": 2})), "rouge_l")
    assert (params == table_params(load_study(paper_config()), "rouge_l")) == whole
    assert ("codealpaca-20k" in params["datasets"]) == whole


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"records": 20023, "seed": 0}, "sample: 20023 records cannot be drawn from 20022"),
        ({"records": 0, "seed": 0}, "sample.records"),
        ({"records": 1.5, "seed": 0}, "sample.records"),
        ({"records": True, "seed": 0}, "sample.records"),
        ({"records": 10}, "sample: the key 'seed' is missing"),
        ({"seed": 1}, "sample: the key 'records' is missing"),
        ({"records": 10, "seed": -1}, "sample.seed"),
        ({"records": 10, "seed": 0, "share": 0.1}, "share"),
        (400, "sample"),
        (None, "sample"),
    ],
    ids=json.dumps,
)
def test_a_wrong_sample_is_refused(sample, message):
    with pytest.raises(StudyError) as caught:
        load_study(with_sample(sample))
    assert str(caught.value).startswith("config: datasets.codealpaca-20k")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
