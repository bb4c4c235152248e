"""Leaks: test samples that training data hold, or a near-duplicate of."""

import json
import random
import resource
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from codetune.base.errors import StudyError
from codetune.base.files import write_jsonl
from codetune.base.plain import read_as
from codetune.data.cleaning import clean
from codetune.data.duplicates import near_duplicates
from codetune.data.leaks import LeakInputs, find_leaks, write_leaks
from codetune.data.samples import Sample
from codetune.data.split import split, split_dataset
from codetune.study.data_facts import SplitFacts
from codetune.study.dataset import Split
from codetune.study.leaks import Leak, LeakFacts
from fake_records import write_split


def sample(number, request, output="x = 1"):
    return Sample(number, request, "", output)


def different(count, first=0, seed=0):
    """Samples no two of which are alike."""
    rng = random.Random(seed)
    words = [["".join(rng.choices("abcdefghij", k=6)) for _ in range(12)] for _ in range(count)]
    return [sample(first + i, " ".join(of[:8]), " ".join(of[8:])) for i, of in enumerate(words)]


def files_of(folder, dataset, train, validation, test):
    """Two data sets: the parts that one trains on, and the test part of another."""
    for name in (dataset, "other"):
        (folder / name).mkdir(parents=True)
    paths = {
        "train": folder / dataset / "train.jsonl",
        "validation": folder / dataset / "validation.jsonl",
        "test": folder / "other" / "test.jsonl",
    }
    for part, samples in (("train", train), ("validation", validation), ("test", test)):
        write_jsonl(paths[part], map(asdict, samples))
    return LeakInputs(
        **{part: str(path) for part, path in paths.items()},
        train_split=write_split(
            folder / dataset / "split.json", dataset, train=paths["train"], validation=paths["validation"]
        ),
        test_split=write_split(folder / "other" / "split.json", "other", test=paths["test"]),
    )


def test_a_test_sample_leaks_by_its_request_or_as_a_near_duplicate_from_either_part_that_is_trained_on():
    train, validation = different(20), different(20, first=50, seed=1)
    test = different(10, seed=2)
    test[1] = replace(train[4], id=1)  # the same sample
    test[3] = sample(3, f"  {validation[2].request.upper()} ", "another answer altogether, which nothing else has")
    test[6] = replace(train[7], id=6, output=f"{train[7].output} end")  # all but one of its triples
    found = find_leaks({"train": train, "validation": validation}, test)
    assert found == [Leak(1, "train", 4), Leak(3, "validation", 52), Leak(6, "train", 7)]


def test_ids_of_two_data_sets_may_be_the_same():
    assert find_leaks({"train": different(20), "validation": different(5, seed=1)}, different(9, seed=2)) == []


def test_a_test_sample_that_only_test_samples_are_like_does_not_leak():
    test = different(6, seed=2)
    test[5] = replace(test[4], id=5)
    assert find_leaks({"train": different(20), "validation": []}, test) == []


@pytest.mark.parametrize("seed", range(4))
def test_of_a_data_set_s_own_parts_the_samples_leak_that_its_split_counts(tmp_path, records, seed):
    write_jsonl(tmp_path / "records.jsonl", records)
    targets = {name: str(tmp_path / name) for name in ("train", "validation", "test", "facts")}
    settings = Split(0.7, 0.15, 0.15, seed=seed, near_duplicates="anywhere")
    split_dataset(tmp_path / "records.jsonl", "mine", settings, targets)
    samples, _ = clean(dict(enumerate(records)))
    near = near_duplicates(f"{sample.request}\n{sample.output}" for sample in samples)
    parts = split(samples, settings, near)
    found = find_leaks({part: parts[part] for part in ("train", "validation")}, parts["test"])
    assert sorted(one.id for one in found) == read_as(targets["facts"], SplitFacts).near_duplicates.leaked
    together = split(samples, replace(settings, near_duplicates="together"), near)
    assert find_leaks({part: together[part] for part in ("train", "validation")}, together["test"]) == []


def test_what_leaks_is_listed_by_id(tmp_path, capsys):
    train, test = different(30), different(20, first=100, seed=1)
    test[7] = replace(train[2], id=107)
    inputs = files_of(tmp_path, "mine", train, different(5, first=40, seed=2), test)
    targets = [tmp_path / name for name in ("one.json", "two.json")]
    for target in targets:
        write_leaks("mine", "other", inputs, str(target))
    assert targets[0].read_bytes() == targets[1].read_bytes()
    found = read_as(targets[0], LeakFacts)
    assert (found.dataset, found.test, found.threshold, found.samples) == ("mine", "other", 0.7, 20)
    assert found.leaked == [Leak(107, "train", 2)]
    assert found.ids == [107]
    assert found.samples_sha256.keys() == {"train", "validation", "test"}
    assert "other: 1 of 20 samples leak from mine" in capsys.readouterr().out


def test_a_pair_of_which_more_than_a_tenth_leaks_is_refused_in_one_line(tmp_path, capsys):
    train, test = different(30), different(20, first=100, seed=1)
    test[3:5] = [replace(train[place], id=100 + place) for place in (3, 4)]
    inputs = files_of(tmp_path, "mine", train, different(5, first=40, seed=2), test)
    write_leaks("mine", "other", inputs, str(tmp_path / "a tenth.json"))
    test[9] = replace(train[9], id=109)
    inputs = files_of(tmp_path / "more", "mine", train, different(5, first=40, seed=2), test)
    with pytest.raises(StudyError) as caught:
        write_leaks("mine", "other", inputs, str(tmp_path / "more.json"))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("config: runs: 3 of 20 test samples of 'other' are in the training data 'mine'")
    assert "ids: 103, 104, 109" in capsys.readouterr().out
    assert not (tmp_path / "more.json").exists()


def test_samples_that_their_split_did_not_write_are_refused(tmp_path):
    inputs = files_of(tmp_path, "mine", different(9), different(5, first=40, seed=2), different(9, seed=1))
    write_jsonl(inputs.test, map(asdict, different(9, seed=3)))
    with pytest.raises(StudyError, match="test.jsonl is not the file that .*other/split.json describes"):
        write_leaks("mine", "other", inputs, str(tmp_path / "found.json"))


@pytest.fixture
def conala(real):
    """CoNaLa's parts as published, and as they were divided anew."""
    official, anew = real / "conala" / "conala-{}.json", real / "conala-docprompting" / "cmd_{}.oracle_man.full.json"
    paths = {("official", part): str(official).format(part) for part in ("train", "test")}
    paths |= {("anew", part): str(anew).format(part) for part in ("train", "dev", "test")}
    if missing := [path for path in paths.values() if not Path(path).exists()]:
        pytest.skip(f"CoNaLa is not there: {missing[0]}")
    rows = {name: enumerate(json.loads(Path(path).read_text())) for name, path in paths.items()}
    return {
        name: [
            sample(number, row.get("nl") or row["rewritten_intent"] or row["intent"], row.get("cmd") or row["snippet"])
            for number, row in of
        ]
        for name, of in rows.items()
    }


def test_most_of_conala_s_test_samples_are_in_the_training_part_of_its_other_division(conala):
    anew = {"train": conala["anew", "train"], "validation": conala["anew", "dev"]}
    official = {"train": conala["official", "train"], "validation": []}
    found = find_leaks(anew, conala["official", "test"])
    assert len(found) == 382
    assert {one.part for one in found} == {"train"}
    assert len(find_leaks(official, conala["anew", "test"])) == 425
    assert len(find_leaks(official, conala["official", "test"])) == 1


def test_the_search_across_data_sets_takes_seconds_at_full_size(real):
    rows = json.loads((real / "codealpaca" / "code_alpaca_20k.json").read_text())
    trained = [Sample(i, row["instruction"], row["input"], row["output"]) for i, row in enumerate(rows)]
    tested = [replace(one, output=f"{one.output} once more") for one in trained[::10]]
    start = time.process_time()
    found = find_leaks({"train": trained, "validation": []}, tested)
    assert time.process_time() - start < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 3_000_000  # kB, with all that the tests have loaded
    assert len(found) > 0.9 * len(tested)
