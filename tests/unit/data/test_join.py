"""Joint training data: what several data sets train and validate on, together."""

from dataclasses import asdict, replace

import pytest
from codetune.base.errors import StudyError
from codetune.base.files import write_jsonl
from codetune.base.plain import read_as
from codetune.data.join import JoinInputs, join_datasets
from codetune.data.samples import Sample, read_part, read_samples
from codetune.data.split import split_dataset
from codetune.study.data_facts import SplitFacts
from codetune.study.dataset import Split

SPLIT = Split(0.7, 0.15, 0.15, seed=0, near_duplicates="together")


def split_into(folder, records):
    """Splits records; gives the paths of the parts and of the facts."""
    folder.mkdir()
    write_jsonl(folder / "records.jsonl", records)
    targets = {name: str(folder / f"{name}.jsonl") for name in ("train", "validation", "test")}
    targets["facts"] = str(folder / "split.json")
    split_dataset(folder / "records.jsonl", folder.name, SPLIT, targets)
    return targets


def joined(folder, sources, seed=0):
    """Joins data sets; gives the samples of each part, and the facts."""
    folder.mkdir()
    names = ("train", "validation", "facts")
    targets = {name: str(folder / f"{'split.json' if name == 'facts' else f'{name}.jsonl'}") for name in names}
    inputs = JoinInputs(*([one[name] for one in sources] for name in names))
    join_datasets("both", inputs, seed, targets)
    return {part: read_part(targets[part], targets["facts"]) for part in names[:2]}, read_as(
        targets["facts"], SplitFacts
    )


@pytest.fixture
def sources(tmp_path, records):
    return [split_into(tmp_path / name, of) for name, of in (("a", records[:120]), ("b", records[120:200]))]


def test_the_parts_are_the_sums_of_those_of_the_data_sets_and_ids_stay_apart(tmp_path, sources):
    parts, facts = joined(tmp_path / "joint", sources)
    for part, members in parts.items():
        first, second = (read_samples(one[part]) for one in sources)
        moved = [replace(sample, id=120 + sample.id) for sample in second]  # 120 records come before them
        assert sorted(members, key=lambda sample: sample.id) == sorted([*first, *moved], key=lambda sample: sample.id)
        assert members != [*first, *moved]  # shuffled
    assert (facts.dataset, facts.records, facts.seed) == ("both", 200, 0)
    assert facts.sha256.keys() == {"train", "validation"}
    assert facts.shares == facts.touched == {}


def test_the_seed_decides_on_the_order_alone(tmp_path, sources):
    (one, facts), (again, same), (other, _) = (
        joined(tmp_path / name, sources, seed) for name, seed in (("one", 0), ("again", 0), ("other", 1))
    )
    assert (one, facts) == (again, same)
    assert one["train"] != other["train"]
    assert sorted(map(repr, one["train"])) == sorted(map(repr, other["train"]))


def test_near_duplicates_of_the_other_data_set_are_counted(tmp_path):
    records = [
        {"instruction": f"Write {n} and {n * n}", "input": "", "output": f"{n * 7} x {n + 1}"} for n in range(90)
    ]
    sources = [split_into(tmp_path / "a", records[:60]), split_into(tmp_path / "b", records[50:])]
    parts, facts = joined(tmp_path / "joint", sources)
    ids = {sample.id for members in parts.values() for sample in members}
    expected = [[n, 60 + n - 50] for n in range(50, 60) if {n, 10 + n} <= ids]
    assert facts.near_duplicates.groups == expected
    assert facts.duplicate_requests.groups == len(expected) > 0
    assert (facts.near_duplicates.handling, facts.near_duplicates.leaked) == ("anywhere", [])


def test_samples_that_their_split_did_not_write_are_refused(tmp_path, sources):
    write_jsonl(sources[1]["train"], [asdict(Sample(0, "x", "", "y"))])
    with pytest.raises(StudyError, match="b/train.jsonl is not the file that .*b/split.json describes"):
        joined(tmp_path / "joint", sources)
