"""The figures of a study: the pages of each, known from its systems alone, before anything has run."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from string import ascii_lowercase
from typing import NamedTuple, TypeVar

from codetune.study.runs import System

T = TypeVar("T")
ROOM = 8.2  # height of a page that is left for panels, in inches
TREATMENTS = 10  # at most, in a panel
SIDE_BY_SIDE = 2  # models in a row of panels, each with one as written and one on code
AROUND_CLASSES = 0.4  # height of what is above and below a panel of classes, in inches
CELL, MATRIX_AROUND = 0.2, 0.4  # height of a matrix's row, and of what is above and below it, in inches
MODELS = 7  # at most, in a panel: as many as colours and markers tell apart


class Treatment(NamedTuple):
    """What is done to a model: a system without its model.

    Attributes:
        data: Name of the training data; `none` where there are none.
        method: Name of the method.
    """

    data: str
    method: str


@dataclass(frozen=True)
class Page:
    """A page of a figure, which is drawn and named as a figure of its own.

    Attributes:
        name: The figure's name; with a letter, as in `forest-b`, where it has several pages.
        figure: Name of the figure.
        systems: Those of the page, all of which train; their models' untuned systems belong to them.
        view: Which of the figure's views of them it shows; empty where there is one alone.
    """

    name: str
    figure: str
    systems: tuple[System, ...]
    view: str = ""

    @property
    def letter(self) -> str:
        """The page's letter; empty for the only page of a figure."""
        return self.name.removeprefix(self.figure).removeprefix("-")


Systems = Sequence[System]
Layout = Callable[[Systems], list[tuple[str, Systems]]]  # of systems that train: the view and the systems of each page


def treatment_of(system: System) -> Treatment:
    """Returns what is done to the model of a system."""
    return Treatment(system.data, system.method)


def in_rows(most: int) -> Layout:
    """Lays systems out in rows, model by model: a page ends where a model does, unless that has too many rows itself.

    Args:
        most: Rows of a page.
    """

    def pages(systems: Systems) -> list[tuple[str, Systems]]:
        found: list[list[System]] = []
        for model in dict.fromkeys(system.model for system in systems):
            for group in chunks([system for system in systems if system.model == model], most):
                if found and len(found[-1]) + len(group) <= most:
                    found[-1].extend(group)
                else:
                    found.append(list(group))
        return [("", page) for page in found]

    return pages


def in_grid(models: int, treatments: int, view: str = "") -> Layout:
    """Lays systems out in panels: a page has some of the models and some of what is done to them.

    Args:
        models: How many at most.
        treatments: How many at most.
        view: Name of the view.
    """

    def pages(systems: Systems) -> list[tuple[str, Systems]]:
        parts = chunks(list(dict.fromkeys(map(treatment_of, systems))), treatments)
        groups = chunks(list(dict.fromkeys(system.model for system in systems)), models)
        found = [[one for one in systems if one.model in group and treatment_of(one) in part]
                 for group in groups for part in parts]  # fmt: skip
        return [(view, page) for page in found if page]

    return pages


def in_groups(most: int, each: int) -> Layout:
    """Lays systems out in rows below the names of their models, of which each has a row of its own.

    A page ends where a model does, unless that has too many rows itself.

    Args:
        most: Rows of a page.
        each: Rows of a system.
    """

    def pages(systems: Systems) -> list[tuple[str, Systems]]:
        found: list[tuple[int, list[System]]] = []
        for model in dict.fromkeys(system.model for system in systems):
            for group in chunks([one for one in systems if one.model == model], (most - 1) // each):
                rows = 1 + each * len(group)
                if found and found[-1][0] + rows <= most:
                    found[-1] = (found[-1][0] + rows, [*found[-1][1], *group])
                else:
                    found.append((rows, list(group)))
        return [("", page) for _, page in found]

    return pages


def in_classes(classes: int) -> Layout:
    """Lays systems out in panels that each show some classes of samples, a row each, and the systems of one model.

    Args:
        classes: How many at most.
    """

    def pages(systems: Systems) -> list[tuple[str, Systems]]:
        treatments = list(dict.fromkeys(map(treatment_of, systems)))
        height = AROUND_CLASSES + classes * height_of_class(min(len(treatments), TREATMENTS))
        rows = max(1, int(ROOM / height))
        return in_grid(min(MODELS, SIDE_BY_SIDE * rows), TREATMENTS)(systems)

    return pages


def height_of_class(systems: int) -> float:
    """Height of a row that shows so many systems in a class of samples, in inches."""
    return max(0.145, 0.06 + 0.052 * systems)


def in_matrices(systems: Systems) -> list[tuple[str, Systems]]:
    """Lays systems out in a matrix per model, of all that is done to it; a model has some untuned systems beside."""
    treatments = min(len(dict.fromkeys(map(treatment_of, systems))), TREATMENTS) + 2
    rows = max(1, int(ROOM / (MATRIX_AROUND + CELL * treatments)))
    return in_grid(rows * matrices_side_by_side(treatments), TREATMENTS)(systems)


def matrices_side_by_side(treatments: int) -> int:
    """How many matrices of so many rows a page has room for beside each other."""
    return 3 if treatments <= 3 else 2 if treatments <= 5 else 1


def chunks(things: Sequence[T], most: int) -> list[Sequence[T]]:
    """Cuts a list into as few parts as there can be, whose lengths differ by one at most."""
    count = math.ceil(len(things) / most)
    ends = [round(place * len(things) / count) for place in range(count + 1)] if count else [0]
    return [things[start:end] for start, end in pairwise(ends)]


def pages_of(figure: str, systems: Systems) -> list[Page]:
    """Returns the pages of a figure; none where nothing is trained, since all figures show what was.

    Args:
        figure: Its name.
        systems: All systems of the study, in its order; one with several seeds may come as often.
    """
    found = LAYOUTS[figure]([system for system in dict.fromkeys(systems) if system.trains])
    names = [figure] if len(found) == 1 else [f"{figure}-{_letter(place)}" for place in range(len(found))]
    return [Page(name, figure, tuple(page), view) for name, (view, page) in zip(names, found, strict=True)]


def figure_pages(systems: Systems) -> dict[str, Page]:
    """Returns the pages of all figures by their names.

    Args:
        systems: All systems of the study, in its order; one with several seeds may come as often.
    """
    return {page.name: page for figure in LAYOUTS for page in pages_of(figure, systems)}


def _letter(place: int) -> str:
    """The letter of a page: a to z, then aa, ab and so on."""
    before, last = divmod(place, len(ascii_lowercase))
    return (_letter(before - 1) if before else "") + ascii_lowercase[last]


# How each figure is laid out in pages.
LAYOUTS: Mapping[str, Layout] = {
    "figure1": in_rows(54),
    "figure2": in_grid(MODELS, 8),
    "losses": in_grid(MODELS, 8),
    "cost": in_grid(MODELS, 6),
    "dumbbell": in_groups(62, 1),
    "forest": in_groups(56, 2),
    "languages": in_classes(9),
    "lengths": in_classes(4),
    "matrix": in_matrices,
}
