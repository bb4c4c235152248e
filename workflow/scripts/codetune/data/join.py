"""Joint training data: the training and validation parts of several data sets, each put together and shuffled."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from codetune.base.files import sha256_of_list, write_json, write_jsonl
from codetune.base.plain import read_as, to_plain
from codetune.base.progress import doing
from codetune.data.duplicates import THRESHOLD, near_duplicates
from codetune.data.samples import Sample, by_request, read_part, rows_of, sha256_of_samples
from codetune.study.data_facts import DuplicateRequests, NearDuplicates, SplitFacts

JOINED = ("train", "validation")


@dataclass(frozen=True)
class JoinInputs:
    """The files that are put together, in the order of the data sets.

    Attributes:
        train: Paths of the training samples.
        validation: Paths of the validation samples.
        splits: Paths of the facts of the splits that wrote them.
    """

    train: Sequence[str]
    validation: Sequence[str]
    splits: Sequence[str]


def join_datasets(name: str, inputs: JoinInputs, seed: int, targets: Mapping[str, str]) -> None:
    """Puts the training parts of data sets together, and their validation parts, and shuffles each by seed.

    A sample's id is the number of its record among the records of all data sets, one after the other: those of the
    first keep theirs, to those of the second the number of the first one's records is added, and so on.

    Args:
        name: Name of what comes out.
        inputs: The files to put together.
        seed: Seed of the shuffle.
        targets: Paths to write: `train` and `validation` (JSON lines), and `facts` (JSON).

    Raises:
        StudyError: Samples are not those that their split wrote.
    """
    facts = [read_as(path, SplitFacts) for path in inputs.splits]
    rng = random.Random(seed)
    parts: dict[str, list[Sample]] = {}
    for part in JOINED:
        first, parts[part] = 0, []
        for path, split, of in zip(getattr(inputs, part), inputs.splits, facts, strict=True):
            parts[part] += [replace(sample, id=first + sample.id) for sample in read_part(path, split)]
            first += of.records
        rng.shuffle(parts[part])
        write_jsonl(targets[part], rows_of(parts[part]))
    write_json(targets["facts"], to_plain(_describe(name, facts, parts, seed)))
    print(", ".join(f"{part}: {len(members)}" for part, members in parts.items()))


def _describe(name: str, facts: Sequence[SplitFacts], parts: Mapping[str, Sequence[Sample]], seed: int) -> SplitFacts:
    """The facts, in the form of those of a split: of a data set without a test part, which nothing was dropped from."""
    samples = [sample for members in parts.values() for sample in members]
    same = [len(group) for group in by_request(samples).values() if len(group) > 1]
    with doing(f"search for near-duplicates among {len(samples):,} samples"):
        near = near_duplicates(f"{sample.request}\n{sample.output}" for sample in samples)
    groups = sorted(sorted(samples[place].id for place in group) for group in near)
    return SplitFacts(
        dataset=name,
        records=sum(one.records for one in facts),
        records_sha256=sha256_of_list(one.records_sha256 for one in facts),
        touched={},
        duplicate_requests=DuplicateRequests(sum(same), len(same), "left where the data sets have them"),
        near_duplicates=NearDuplicates(THRESHOLD, sum(map(len, groups)), groups, "anywhere", []),
        shares={},
        seed=seed,
        sha256={part: sha256_of_samples(members) for part, members in parts.items()},
    )
