"""Entries of data sets, and what entries of the config may leave out."""

import pytest
from codetune.base.errors import StudyError
from codetune.study.config import load_study
from codetune.study.dataset import Subset
from codetune.study.downloads import repositories_of
from codetune.study.tables import table_params
from paper_config import paper_config

HUB = {"repo": "org/data", "revision": "0" * 40}
PARTS = {"train": "a/train.json", "test": "test.json"}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with a file of one's own, and with files of parts."""
    monkeypatch.chdir(tmp_path)
    for name in ("mine.jsonl", "data/a/train.json", "data/test.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("[]")


def study_with(entry, **changes):
    config = paper_config() | changes
    config["datasets"] = {"mine": entry} | config["datasets"]
    return load_study(config)


def dataset(entry):
    return study_with(entry).datasets["mine"]


def test_an_entry_needs_nothing_but_a_path():
    found = dataset({"path": "mine.jsonl"})
    split = found.split
    assert (split.train, split.validation, split.test, split.seed) == (0.85, 0.05, 0.1, 0)
    assert split.near_duplicates == "together"
    assert found.published.records is found.published.sha256 is found.published.fields is None
    assert found.is_whole


@pytest.mark.parametrize(
    ("split", "shares"),
    [
        ({"test": 0.2}, (0.75, 0.05, 0.2)),
        ({"validation": 0.1}, (0.8, 0.1, 0.1)),
        ({"seed": 3}, (0.85, 0.05, 0.1)),
        ({"train": 0.7, "validation": 0.2}, (0.7, 0.2, 0.1)),
    ],
    ids=str,
)
def test_the_training_part_is_what_the_others_leave(split, shares):
    found = dataset({"path": "mine.jsonl", "split": split}).split
    assert (found.train, found.validation, found.test) == shares


def test_a_file_on_github_is_pinned_and_no_repository_of_the_hub():
    study = study_with({"github": "o/data", "revision": "0" * 40, "file": "a.jsonl"})
    published = study.datasets["mine"].published
    assert (published.github, published.source.repo, published.source.revision) == ("o/data", None, "0" * 40)
    assert repositories_of(study, [], ["mine"]) == []


def test_the_main_study_s_data_set_is_what_it_was():
    found = load_study(paper_config()).datasets["codealpaca-20k"]
    assert (found.published.parts, found.published.fields, found.published.keep) == (None, None, None)
    assert (found.split.keep, found.split.parts) == (None, None)
    assert found.published.files == ["code_alpaca_20k.json"]


def test_parts_are_files_of_the_hub_in_the_order_of_the_parts():
    found = dataset({**HUB, "parts": dict(reversed(PARTS.items()))})
    assert found.published.files == ["a/train.json", "test.json"]
    assert found.published.local_files == []
    assert found.split.parts == ["train", "test"]
    assert found.split.shares == {"validation": 0.05}
    (first, *_) = repositories_of(study_with({**HUB, "parts": PARTS}), [], ["mine"])
    assert first["file"] == "a/train.json"


def test_parts_are_files_in_a_folder():
    found = dataset({"path": "data", "parts": PARTS})
    assert [str(path) for path in found.published.local_files] == ["data/a/train.json", "data/test.json"]


ONLY_TESTS = {**HUB, "parts": {"test": "test.json"}}


def test_a_data_set_may_have_nothing_but_a_test_part():
    split = dataset(ONLY_TESTS).split
    assert (split.parts, split.filled, split.shares) == (["test"], ("test",), {})
    runs = [
        {"datasets": ["codealpaca-20k"], "models": ["gemma-2-2b"], "methods": ["base", "qlora"], "tests": ["mine"]},
        {"datasets": ["mine"], "models": ["qwen2.5-3b"], "methods": ["base"]},
    ]
    assert study_with(ONLY_TESTS, runs=runs).tests == ["mine"]


@pytest.mark.parametrize(
    ("data", "models", "method"),
    [("mine", "gemma-2-2b", "qlora"), ("both", "gemma-2-2b", "qlora"), ("mine", "none", "retrieval")],
)
def test_what_needs_training_samples_is_refused_them_of_a_test_set(data, models, method):
    runs = [{"datasets": [data], "models": [models], "methods": [method], "tests": ["mine"]}]
    datasets = paper_config()["datasets"] | {"mine": ONLY_TESTS, "both": {"joint": ["codealpaca-20k", "mine"]}}
    with pytest.raises(StudyError) as error:
        load_study(paper_config() | {"datasets": datasets, "runs": runs})
    assert f"runs: the method '{method}' needs training samples, but 'mine' has only a test part" in str(error.value)


def test_a_local_folder_takes_the_place_of_the_hub():
    assert dataset({**HUB, "path": "data", "parts": PARTS}).published.source.repo is None


def test_a_field_or_a_list_of_fields_is_a_list():
    fields = {"output": "snippet", "instruction": ["rewritten_intent", "intent"]}
    found = dataset({"path": "mine.jsonl", "fields": fields}).published.fields
    assert found == {"instruction": ["rewritten_intent", "intent"], "output": ["snippet"]}
    assert list(found) == ["instruction", "output"]


def test_filters_belong_to_the_reading_or_to_the_split():
    found = dataset({"path": "mine.jsonl", "keep": ["python-parses", "one-turn", "no-input"]})
    assert found.published.keep == ["one-turn"]
    assert found.split.keep == ["python-parses", "no-input"]
    assert not found.is_whole


def test_what_is_left_of_the_paper_s_data_is_not_the_paper_s_data():
    config = paper_config()
    config["datasets"]["codealpaca-20k"]["keep"] = ["python-parses"]
    assert table_params(load_study(config), "rouge_l")["datasets"] == {}


MISTAKES = {
    "no source": ({}, "datasets.mine: the key 'repo' is missing (or give a local 'path')"),
    "hub and GitHub": (
        HUB | {"github": "o/data", "file": "a"},
        "datasets.mine: 'repo' and 'github' exclude each other",
    ),
    "no commit on GitHub": ({"github": "o/data", "file": "a"}, "datasets.mine: the key 'revision' is missing (or give"),
    "two instructions": (
        {"path": "mine.jsonl", "instruction": "Do it.", "fields": {"instruction": "a", "output": "b"}},
        "datasets.mine.instruction: is that of all records; it needs 'fields' that name 'output'",
    ),
    "no file": (HUB, "datasets.mine: the key 'file' is missing (or give a local 'path')"),
    "no revision": ({"repo": "org/data", "parts": PARTS}, "datasets.mine: the key 'revision' is missing"),
    "file and parts": ({**HUB, "file": "a", "parts": PARTS}, "datasets.mine: 'file' and 'parts' exclude each other"),
    "validation without training": (
        {**HUB, "parts": {"test": "a", "validation": "b"}},
        "datasets.mine.parts.validation: says nothing without a training part; leave it out, or add 'train'",
    ),
    "a sample of a test set": (
        {**HUB, "parts": {"test": "a"}, "sample": {"records": 9, "seed": 1}},
        "datasets.mine.sample: says nothing without a training part",
    ),
    "a split of a test set": ({**HUB, "parts": {"test": "a"}, "split": {"seed": 1}}, "mine.split: says nothing, since"),
    "no test part": ({**HUB, "parts": {"train": "a"}}, "datasets.mine.parts: the part 'test' is missing; add its"),
    "no part": ({**HUB, "parts": {}}, "datasets.mine.parts: the part 'test' is missing"),
    "another part": ({**HUB, "parts": {**PARTS, "dev": "a"}}, "datasets.mine.parts: 'dev' is unknown; known: train"),
    "a file twice": ({**HUB, "parts": {"train": "a", "test": "a"}}, "parts: a is the file of two parts"),
    "a list of parts": ({**HUB, "parts": ["a"]}, 'datasets.mine.parts: ["a"] is not of type object'),
    "outside": ({**HUB, "parts": {**PARTS, "test": "../a"}}, "parts: '../a' is not the name of a file in a repository"),
    "a file for a folder": ({"path": "mine.jsonl", "parts": PARTS}, "mine.jsonl is a file, but has to be a folder, in"),
    "a folder for a file": ({"path": "data"}, "datasets.mine.path: data is a folder, but has to be a file"),
    "a part that is missing": (
        {"path": "data", "parts": {**PARTS, "validation": "dev.json"}},
        "datasets.mine.parts.validation.path: there is no data/dev.json",
    ),
    "a folder for a part": (
        {"path": "data", "parts": {**PARTS, "train": "a"}},
        "data/a is a folder, but has to be a file",
    ),
    "shares of parts": ({**HUB, "parts": PARTS, "split": {"test": 0.1}}, "split: 'test' says nothing, since 'parts'"),
    "a split of three": (
        {**HUB, "parts": {**PARTS, "validation": "v"}, "split": {"seed": 1}},
        "datasets.mine.split: says nothing, since 'parts' names a file for each part",
    ),
    "nothing to train on": ({"path": "mine.jsonl", "split": {"test": 0.96}}, "validation + test is 1.01, which leaves"),
    "too much": ({"path": "mine.jsonl", "split": {"train": 0.9}}, "train + validation + test is 1.05, but has to be 1"),
    "no answer": (
        {"path": "mine.jsonl", "fields": {"instruction": "a"}},
        "fields: the key 'output' is missing; add it",
    ),
    "no request": ({"path": "mine.jsonl", "fields": {"output": "a"}}, "fields: the key 'instruction' is missing; add"),
    "no field": ({"path": "mine.jsonl", "fields": {}}, "fields: the key 'instruction' is missing; add it"),
    "turns and more": (
        {"path": "mine.jsonl", "fields": {"messages": "a", "output": "b"}},
        "fields: 'messages' holds request and answer; leave 'output' out",
    ),
    "another field": ({"path": "mine.jsonl", "fields": {"answer": "a"}}, "datasets.mine.fields: 'answer' is unknown"),
    "a number for a field": (
        {"path": "mine.jsonl", "fields": {"instruction": 1, "output": "b"}},
        "fields.instruction: 1",
    ),
    "an empty list": ({"path": "mine.jsonl", "fields": {"instruction": [], "output": "b"}}, "fields.instruction: []"),
    "another filter": (
        {"path": "mine.jsonl", "keep": ["python-parse"]},
        'keep[0]: "python-parse" is not one of one-turn, no-input, python-parses; did you mean "python-parses"?',
    ),
    "a filter twice": ({"path": "mine.jsonl", "keep": ["no-input", "no-input"]}, "lists the same entry twice"),
    "no filter": ({"path": "mine.jsonl", "keep": []}, "datasets.mine.keep: [] is empty"),
    "one filter": ({"path": "mine.jsonl", "keep": "no-input"}, "write a list: [no-input]"),
}


@pytest.mark.parametrize(("entry", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_an_entry_is_one_line_that_names_it(entry, message):
    with pytest.raises(StudyError) as error:
        dataset(entry)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_sample_is_of_as_many_records_as_there_are_at_most():
    assert dataset({"path": "mine.jsonl", "sample": {"records": 9, "seed": 1}}).split.sample == Subset(9, 1)


def test_a_model_needs_no_label_no_family_and_no_parameters():
    config = paper_config()
    for name in ("tiny-135M", "smol-1.7b-it", "odd", "gpt2"):
        config["models"][name] = {"repo": "org/Model", "revision": "0" * 40}
    config["models"]["gpt2"]["repo"] = "org/Other-3B"
    models = load_study(config).models
    assert (models["odd"].label, models["odd"].family) == ("odd", "odd")
    found = [models[name].parameters for name in ("tiny-135M", "smol-1.7b-it", "odd", "gpt2")]
    assert found == [0.135, 1.7, 1.0, 3.0]


def test_runs_need_no_seeds():
    runs = [{"datasets": ["codealpaca-20k"], "models": ["gemma-2-2b"], "methods": ["qlora"]}]
    assert [run.seed for run in load_study(paper_config() | {"runs": runs}).runs] == [0]
