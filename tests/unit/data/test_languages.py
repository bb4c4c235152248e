"""A sample's language: declared for its data set, or guessed."""

import json

import pytest
from codetune.base.errors import StudyError
from codetune.base.plain import read_as
from codetune.data.card import data_card, render_card
from codetune.data.languages import language_of
from codetune.data.samples import Sample, read_samples
from codetune.data.split import split_dataset
from codetune.evaluation.score import score_each
from codetune.study.config import load_study
from codetune.study.data_facts import SplitFacts
from codetune.study.dataset import PARTS, Split
from paper_config import edit, paper_config

DATA = "codealpaca-20k"
RECORDS = [{"instruction": f"add {n} to x", "input": "", "output": f"x + {n}"} for n in range(40)]


def test_it_is_guessed_where_none_is_declared():
    sample = Sample(0, "add 1 to x", "", "x + 1")
    assert language_of(sample) == "other"
    assert language_of(Sample(0, "Write a SQL statement", "", "SELECT 1")) == "SQL"
    assert language_of(Sample(0, "Write a SQL statement", "", "SELECT 1", language="Python")) == "Python"


def test_all_samples_of_a_declared_language_are_measured_in_it():
    for declared, values in ((None, (None, None)), ("Python", (1.0, 1.0))):
        (row,) = score_each([Sample(0, "add 1 to x", "", "x + 1", language=declared)], ["x + 1"])
        assert (row["language"], row["codebleu"], row["parses"]) == (declared or "other", *values)


@pytest.mark.parametrize("language", [None, "Python"])
def test_it_goes_from_the_config_to_each_sample_and_to_the_card(tmp_path, language):
    config = edit(paper_config(), ["datasets", DATA, "language"], language) if language else paper_config()
    study = load_study(config)
    settings = study.datasets[DATA].split
    assert settings.language == language
    source = tmp_path / "records.jsonl"
    source.write_text("".join(json.dumps(one) + "\n" for one in RECORDS))
    targets = {name: str(tmp_path / f"{name}.jsonl") for name in (*PARTS, "facts")}
    split_dataset(source, "mine", Split(0.8, 0.1, 0.1, 0, "anywhere", language=language), targets)
    parts = {part: read_samples(targets[part]) for part in PARTS}
    assert {one.language for samples in parts.values() for one in samples} == {language}
    assert ('"language"' in (tmp_path / "train.jsonl").read_text()) == bool(language)
    card = data_card(read_as(targets["facts"], SplitFacts), parts)
    assert card["parts"]["train"]["languages"] == {language or "other": 32}
    assert f"{language or 'other'}" in render_card(card)


def test_an_unknown_language_is_one_line_with_those_there_are():
    with pytest.raises(StudyError, match=r"datasets\.codealpaca-20k\.language.*Python"):
        load_study(edit(paper_config(), ["datasets", DATA, "language"], "python"))
