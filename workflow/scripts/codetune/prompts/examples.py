"""Rule examples: which training samples stand in the prompts of a test set, each with its output."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from codetune.base.errors import StudyError
from codetune.base.files import write_json
from codetune.base.plain import to_plain
from codetune.base.progress import counted, doing
from codetune.data.duplicates import Components, near_duplicates
from codetune.data.samples import Sample, by_request, read_part, sha256_of_samples
from codetune.prompts.dense import dense_signature, rank_by_vectors, read_vectors
from codetune.prompts.nearest import Nearest, signature
from codetune.study.examples import ExampleFacts
from codetune.study.prompt import Examples


@dataclass(frozen=True)
class ExampleInputs:
    """What a choice of examples reads.

    Attributes:
        train: The training samples, of which examples are taken.
        test: The test samples.
        train_split: Facts of the split that the training samples come from.
        test_split: Facts of the split that the test samples come from.
        vectors: Vectors of training and of test samples, where an encoder tells what is similar.
        embeddings: Facts of these.
    """

    train: str
    test: str
    train_split: str
    test_split: str
    vectors: tuple[str, ...] = ()
    embeddings: tuple[str, ...] = ()


def choose_examples(inputs: ExampleInputs, settings: Examples, seed: int, target: str) -> None:
    """Chooses the examples of each test sample, and writes which they are.

    None is the test sample itself or a near-duplicate of it, and no two of them are near-duplicates of each other.
    Random ones are the same for all test samples, so that none is a near-duplicate of any of them.

    Args:
        inputs: Paths to read.
        settings: How many are chosen, and how.
        seed: Of a random choice. A larger one by the same seed holds the smaller one.
        target: Path to write, JSON.

    Raises:
        StudyError: The samples are not those that the splits wrote, or too few are left to choose from.
    """
    train, test = read_part(inputs.train, inputs.train_split), read_part(inputs.test, inputs.test_split)
    with doing(f"comparing {len(train):,} training and {len(test):,} test samples"):
        groups = groups_of([*train, *test])
    own, others = groups[: len(train)], groups[len(train) :]
    if settings.choose == "random":
        drawn = _draw(own, set(others), settings.count, seed)
        chosen, how = [drawn] * len(test), f"random|seed:{seed}"
    elif settings.encoder:
        ranked, how = _ranked(inputs, train, test)
        near = zip(counted(test, "retrieval", "samples"), ranked, others, strict=True)
        chosen = [_first(places, own, {group}, settings.count) for _, places, group in near]
    else:
        chosen, how = _similar(train, test, own, others, settings.count), signature()
    if (fewest := min(map(len, chosen))) < settings.count:
        raise StudyError(
            f"{inputs.train}: {settings.count} examples per prompt are asked for, but only {fewest} training samples "
            "differ from each other and from the test samples. Ask for fewer in the config's 'prompts'."
        )
    facts = ExampleFacts(
        inputs_sha256={"train_samples": sha256_of_samples(train), "test_samples": sha256_of_samples(test)},
        signature=f"{how}|count:{settings.count}",
        left_out=sum(group in set(others) for group in own),
        tests=[sample.id for sample in test],
        examples=[[train[place].id for place in places] for places in chosen],
    )
    write_json(target, to_plain(facts))
    print(
        f"{settings.count} examples for each of {len(test)} test samples; left out as near-duplicates: {facts.left_out}"
    )


def groups_of(samples: Sequence[Sample]) -> list[int]:
    """Finds samples that are near-duplicates of each other, or ask the same, as the split does.

    Args:
        samples: Samples of several parts or data sets, so that ids may occur twice.

    Returns:
        For each the number of its group, which it shares with those.
    """
    found = Components(len(samples))
    numbered = [replace(sample, id=place) for place, sample in enumerate(samples)]
    same = ([sample.id for sample in group] for group in by_request(numbered).values())
    for group in [*same, *near_duplicates(f"{sample.request}\n{sample.output}" for sample in samples)]:
        found.connect(group)
    return [found.root(place) for place in range(len(samples))]


def _draw(groups: Sequence[int], forbidden: set[int], count: int, seed: int) -> list[int]:
    """Draws places of samples of different groups, none of which is forbidden."""
    order = list(range(len(groups)))
    random.Random(seed).shuffle(order)
    return _first(order, groups, forbidden, count)


def _similar(
    train: Sequence[Sample], test: Sequence[Sample], own: Sequence[int], others: Sequence[int], count: int
) -> list[list[int]]:
    """The places of the training samples that are most similar to each test sample, the most similar first."""
    with doing("indexing the training samples"):
        nearest = Nearest(train)
    places = {sample.id: place for place, sample in enumerate(train)}
    chosen = []
    for sample, group in zip(counted(test, "retrieval", "samples"), others, strict=True):
        asked, found = 2 * count, list[int]()
        while not found:
            near = (places[one.id] for one in nearest.to(sample.request, asked))
            found = _first(near, own, {group}, count)
            if len(found) < count and asked < len(train):  # others have to take the place of those that are left out
                asked, found = 4 * asked, []
        chosen.append(found)
    return chosen


def _ranked(inputs: ExampleInputs, train: Sequence[Sample], test: Sequence[Sample]) -> tuple[Iterable[list[int]], str]:
    """For each test sample the places of all training samples, the most similar by an encoder first; its signature."""
    parts = zip(inputs.vectors, inputs.embeddings, (train, test), strict=True)
    (own, of_train), (others, of_test) = (read_vectors(*part) for part in parts)
    how = dense_signature(of_train, of_test, inputs.embeddings[1])
    return rank_by_vectors(own, others), how


def _first(places: Iterable[int], groups: Sequence[int], forbidden: set[int], count: int) -> list[int]:
    """The first of some places that belong to groups of their own, none of which is forbidden."""
    taken, found = set(forbidden), []
    for place in places:
        if groups[place] not in taken:
            taken.add(groups[place])
            found.append(place)
        if len(found) == count:
            break
    return found
