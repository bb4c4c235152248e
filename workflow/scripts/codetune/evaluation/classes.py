"""Classes of test samples, by language and by length of the reference; small ones are pooled."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

# Lengths of references in characters: the longest of each class; the last has no bound.
LENGTHS = (50, 150, 400, None)
FEWEST = 30  # samples of a class that stands alone
MOST = 9  # classes by language; beyond these, the smaller ones are pooled, whatever their size


@dataclass(frozen=True)
class Division:
    """Some of the samples.

    Attributes:
        name: What they are; of pooled classes, what all of them are.
        members: The classes that it holds, with the number of samples of each; one if nothing is pooled.
        places: Where the samples stand among all.
    """

    name: str
    members: dict[str, int]
    places: list[int]


def length_class(length: int) -> str:
    """Returns the name of the length class of a reference with `length` characters."""
    place = next(place for place, longest in enumerate(LENGTHS) if longest is None or length <= longest)
    return _name_of_lengths(place, place)


def _name_of_lengths(first: int, last: int) -> str:
    """The name of neighbouring classes, by the places of the first and the last of them."""
    shortest, longest = (LENGTHS[first - 1] or 0) + 1 if first else None, LENGTHS[last]
    if shortest is None:
        return "all" if longest is None else f"up to {longest}"
    return f"over {shortest - 1}" if longest is None else f"{shortest} to {longest}"


def divide_by_language(languages: Sequence[str]) -> list[Division]:
    """Divides samples by language, the largest class first; the small ones are one class, which comes last.

    Small are those with fewer than `FEWEST` samples, and those beyond the `MOST` - 1 largest if there are more.

    Args:
        languages: Of each sample.
    """
    order = sorted(Counter(languages).items(), key=lambda one: (-one[1], one[0]))
    large = [name for name, count in order if count >= FEWEST]
    alone = large if len(order) <= MOST and len(large) == len(order) else large[: MOST - 1]
    small = [name for name, _ in order if name not in alone]
    groups = [[name] for name in alone] + ([small] if small else [])
    return [_division(", ".join(group), group, languages) for group in groups]


def divide_by_length(lengths: Sequence[int]) -> list[Division]:
    """Divides samples by length of the reference, the shortest first; a small class is put to its neighbour.

    That is the one before it, for the first the one after it.

    Args:
        lengths: Of each sample's reference, in characters.
    """
    labels = [length_class(length) for length in lengths]
    counts, names = Counter(labels), [_name_of_lengths(place, place) for place in range(len(LENGTHS))]
    spans = _join_small([counts[name] for name in names])
    return [
        _division(_name_of_lengths(first, last), [name for name in names[first : last + 1] if counts[name]], labels)
        for first, last in spans
    ]


def _join_small(counts: Sequence[int]) -> list[tuple[int, int]]:
    """First and last place of neighbouring classes that are one, so that each has `FEWEST` samples if all together do.

    Classes without a sample at the ends are left out.
    """
    spans: list[tuple[int, int]] = []
    for place in (place for place, count in enumerate(counts) if count):
        if spans and min(counts[place], sum(counts[spans[-1][0] : spans[-1][1] + 1])) < FEWEST:
            spans[-1] = (spans[-1][0], place)
        else:
            spans.append((place, place))
    return spans


def _division(name: str, members: Sequence[str], labels: Sequence[str]) -> Division:
    counts = Counter(labels)
    places = [place for place, label in enumerate(labels) if label in members]
    return Division(name, {member: counts[member] for member in members}, places)
