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
        systems: Those of the page, which train or show examples; the untuned systems of their models belong to them.
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
Pages = list[tuple[str, Systems]]  # the view and the systems of each page


class ShownTests(NamedTuple):
    """The test sets of a study, as far as pages depend on them.

    Attributes:
        names: Their names.
        together: Most test sets that one system that trains or shows examples is evaluated on.
        executed: The names of those with unit tests, which are no others if there are only such.
    """

    names: Sequence[str]
    together: int = 1
    executed: Sequence[str] = ()


Layout = Callable[[Systems, ShownTests], Pages]  # of systems that train, or show examples


def treatment_of(system: System) -> Treatment:
    """Returns what is done to the model of a system."""
    return Treatment(system.data, system.method)


def in_rows(most: int, each: int = 1, on_each: bool = False) -> Layout:
    """Lays systems out in rows, model by model: a page ends where a model does, unless that has too many rows itself.

    Args:
        most: Rows of a page; where something else than the model tells rows apart, the model's name takes one.
        each: Rows of a system.
        on_each: Whether a system has these rows on each of its test sets.
    """

    def pages(systems: Systems, tests: ShownTests) -> Pages:
        heading = int(each > 1 or len(set(map(treatment_of, systems))) > 1)
        room = max(most // tests.together, heading + each) if on_each else most
        found: list[list[System]] = []
        for model in dict.fromkeys(system.model for system in systems):
            of_model = [system for system in systems if system.model == model]
            for group in chunks(of_model, (room - heading) // each):
                together = [*found[-1], *group] if found else []
                if together and each * len(together) + heading * len({one.model for one in together}) <= room:
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

    def pages(systems: Systems, _: ShownTests) -> Pages:
        parts = chunks(list(dict.fromkeys(map(treatment_of, systems))), treatments)
        groups = chunks(list(dict.fromkeys(system.model for system in systems)), models)
        found = [
            [one for one in systems if one.model in group and treatment_of(one) in part]
            for group in groups
            for part in parts
        ]
        return [(view, page) for page in found if page]

    return pages


def on_each_test(layout: Layout) -> Layout:
    """Lays systems out for each test set anew: the view of a page is the test set's name."""

    def pages(systems: Systems, tests: ShownTests) -> Pages:
        return [(test, page) for test in tests.names for _, page in layout(systems, tests)]

    return pages


def on_executed(layout: Layout) -> Layout:
    """Lays systems out for each test set with unit tests in the same way."""
    return lambda systems, tests: on_each_test(layout)(systems, tests._replace(names=tests.executed))


def scores_and_gains(systems: Systems, tests: ShownTests) -> Pages:
    """Lays curves out: scores and gains share a page where each takes three rows of panels at most."""
    if len(set(map(treatment_of, systems))) <= 3:
        return in_grid(MODELS, 3, "scores and gains")(systems, tests)
    return [page for view in ("scores", "gains") for page in in_grid(MODELS, 9, view)(systems, tests)]


def in_classes(classes: int) -> Layout:
    """Lays systems out in panels that each show some classes of samples, a row each, and the systems of one model.

    Args:
        classes: How many at most.
    """

    def pages(systems: Systems, tests: ShownTests) -> Pages:
        treatments = list(dict.fromkeys(map(treatment_of, systems)))
        height = AROUND_CLASSES + classes * height_of_class(min(len(treatments), TREATMENTS))
        rows = max(1, int(ROOM / (height * tests.together)))
        return in_grid(min(MODELS, SIDE_BY_SIDE * rows), TREATMENTS)(systems, tests)

    return pages


def height_of_class(systems: int) -> float:
    """Height of a row that shows so many systems in a class of samples, in inches."""
    return max(0.145, 0.06 + 0.052 * systems)


def in_matrices(systems: Systems, tests: ShownTests) -> Pages:
    """Lays systems out in a matrix per model, of all that is done to it; a model has some untuned systems beside."""
    treatments = min(len(dict.fromkeys(map(treatment_of, systems))), TREATMENTS) + 2
    rows = max(1, int(ROOM / (MATRIX_AROUND + CELL * treatments)))
    models = max(1, rows * matrices_side_by_side(treatments) // tests.together)
    return in_grid(models, TREATMENTS)(systems, tests)


def matrices_side_by_side(treatments: int) -> int:
    """How many matrices of so many rows a page has room for beside each other."""
    return 3 if treatments <= 3 else 2 if treatments <= 5 else 1


def chunks(things: Sequence[T], most: int) -> list[Sequence[T]]:
    """Cuts a list into as few parts as there can be, whose lengths differ by one at most."""
    count = math.ceil(len(things) / most)
    ends = [round(place * len(things) / count) for place in range(count + 1)] if count else [0]
    return [things[start:end] for start, end in pairwise(ends)]


def pages_of(figure: str, trained: Systems, tests: ShownTests, examples: Systems = ()) -> list[Page]:
    """Returns the pages of a figure; none where the study has nothing that it shows.

    Args:
        figure: Its name.
        trained: All systems of the study that train, in its order; one with several seeds may come as often.
        tests: Its test sets.
        examples: In the same way, its systems with examples in their prompts.
    """
    systems = [*trained, *(examples if figure in WITH_EXAMPLES else ())]
    found = LAYOUTS[figure](list(dict.fromkeys(systems)), tests)
    names = [figure] if len(found) == 1 else [f"{figure}-{_letter(place)}" for place in range(len(found))]
    return [Page(name, figure, tuple(page), view) for name, (view, page) in zip(names, found, strict=True)]


def figure_pages(trained: Systems, tests: ShownTests, examples: Systems = ()) -> dict[str, Page]:
    """Returns the pages of all figures by their names; the arguments are those of `pages_of`."""
    return {page.name: page for figure in LAYOUTS for page in pages_of(figure, trained, tests, examples)}


def _letter(place: int) -> str:
    """The letter of a page: a to z, then aa, ab and so on."""
    before, last = divmod(place, len(ascii_lowercase))
    return (_letter(before - 1) if before else "") + ascii_lowercase[last]


# The figures of scores and gains: examples in prompts gain something, too. All others show what was trained alone.
WITH_EXAMPLES = ("dumbbell", "forest")

# How each figure is laid out in pages.
LAYOUTS: Mapping[str, Layout] = {
    "figure1": in_rows(60),
    "figure2": scores_and_gains,
    "losses": in_grid(MODELS, 9),
    "cost": on_each_test(in_grid(MODELS - 1, 6)),
    "dumbbell": in_rows(62, on_each=True),
    "forest": in_rows(56, 2, on_each=True),
    "languages": in_classes(9),
    "lengths": in_classes(4),
    "matrix": in_matrices,
    "execution": on_executed(in_rows(36)),
}
