"""Leaks: test samples that the training data of a run hold, or a near-duplicate of. No training depends on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codetune.base.errors import StudyError
from codetune.base.files import write_json
from codetune.base.plain import to_plain
from codetune.base.progress import doing
from codetune.data.duplicates import THRESHOLD, near_duplicates
from codetune.data.samples import Sample, by_request, read_part, sha256_of_samples
from codetune.study.leaks import Leak, LeakFacts

TRAINED_ON = ("train", "validation")  # the second chooses the checkpoint
MOST = 10  # a test set of which more than this part leaks, a tenth, is refused


@dataclass(frozen=True)
class LeakInputs:
    """The files that are compared.

    Attributes:
        train: Path of the training samples.
        validation: Path of the validation samples.
        test: Path of the test samples.
        train_split: Path of the facts of the split that wrote the first two.
        test_split: Path of the facts of the split that wrote the test samples.
    """

    train: str
    validation: str
    test: str
    train_split: str
    test_split: str


def write_leaks(dataset: str, test: str, inputs: LeakInputs, target: str) -> None:
    """Lists the test samples that leak from training data, whether their own or other ones.

    Args:
        dataset: Name of the training data.
        test: Name of the test set.
        inputs: The files to compare.
        target: JSON to write, in the form of `LeakFacts`.

    Raises:
        StudyError: More than a tenth of the test samples leak, or samples are not those that their split wrote.
    """
    parts = {part: read_part(getattr(inputs, part), inputs.train_split) for part in TRAINED_ON}
    tested = read_part(inputs.test, inputs.test_split)
    samples = sum(map(len, parts.values())) + len(tested)
    with doing(f"search for near-duplicates among {samples:,} samples"):
        leaked = find_leaks(parts, tested)
    print(f"{test}: {len(leaked)} of {len(tested)} samples leak from {dataset}")
    if MOST * len(leaked) > len(tested):
        print(f"ids: {', '.join(str(one.id) for one in leaked)}")
        raise StudyError(
            f"config: runs: {len(leaked)} of {len(tested)} test samples of '{test}' are in the training data "
            f"'{dataset}', or have a near-duplicate there, which is more than a tenth. Name another test set for the "
            f"runs on '{dataset}', or train on other data. The log of this job lists the samples."
        )
    hashes = {part: sha256_of_samples(members) for part, members in (parts | {"test": tested}).items()}
    write_json(target, to_plain(LeakFacts(dataset, test, THRESHOLD, hashes, len(tested), leaked)))


def find_leaks(parts: Mapping[str, Sequence[Sample]], tested: Sequence[Sample]) -> list[Leak]:
    """Finds the test samples that have the request of a sample that is trained on, or are near-duplicates of one.

    Near-duplicates are those of `near_duplicates` among all of these samples, by pairs or chains. So of a data set's
    own parts the samples leak that its split counts, and those whose request is in another part: a split has none of
    these, but files that give the parts may.

    Args:
        parts: The samples of `train` and of `validation`.
        tested: The test samples.

    Returns:
        One per test sample that leaks, in their order, with the first sample that it is like.
    """
    trained = [(part, sample) for part, samples in parts.items() for sample in samples]
    everything = [*(sample for _, sample in trained), *tested]
    place_of: dict[int, int] = {}  # the first sample that is trained on, by the place of one that is tested
    groups = near_duplicates(f"{sample.request}\n{sample.output}" for sample in everything)
    for group in [*groups, *_same_requests(everything)]:
        if group[0] < len(trained):
            for place in group:
                place_of[place] = min(group[0], place_of.get(place, group[0]))
    tests = range(len(trained), len(everything))
    found = [(everything[place], trained[place_of[place]]) for place in tests if place in place_of]
    return [Leak(sample.id, part, like.id) for sample, (part, like) in found]


def _same_requests(samples: Sequence[Sample]) -> list[list[int]]:
    """The places of the samples of each request, ascending."""
    place_of = {id(sample): place for place, sample in enumerate(samples)}
    return [[place_of[id(sample)] for sample in group] for group in by_request(samples).values()]
