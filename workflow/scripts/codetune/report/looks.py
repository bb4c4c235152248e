"""The grammar of the figures: what a system looks like in all of them, what it is called, and who stands in a panel.

Colour and marker belong to the model, line style and filling to what is done to it (method and training data). They are
those of the whole study, so that a system looks the same on every page. A panel has at most `MODELS` models of one
method, or one model's methods: nothing looks the same twice in it, in grey either. Seeds are one system.
"""

import statistics
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from codetune.base.text import printable
from codetune.report.flags import FLAG, MEANING, flag, flagged
from codetune.study.figures import MODELS, Treatment, treatment_of
from codetune.study.record import Record
from codetune.study.runs import NONE, System

Look = dict[str, Any]  # keyword arguments of a matplotlib line

# Okabe and Ito's colours, which stay apart for colour-blind readers, without the yellow, which paper swallows; in grey,
# markers stay apart. Of any seven models in a row none share either; the eighth begins again, on another page.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#555555"  # of what stands for a method of any model, and of axes' own lines
PALE = "#bbbbbb"  # of what a panel shows of systems that are another panel's, and a filling
# 24 pairs of a line with a filling; the first four share neither. Hollow, half hollow or pale is what nobody trains.
LINES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (9, 3)))
HALF: Look = {"markerfacecoloralt": "white"}
FILLS: tuple[Look, ...] = (
    {},
    HALF | {"fillstyle": "left"},
    HALF | {"fillstyle": "bottom"},
    HALF | {"fillstyle": "right"},
)
HOLLOW: Look = {"markerfacecolor": "white"}
UNTUNED_FILLS: tuple[Look, ...] = (
    HOLLOW,
    HALF | {"fillstyle": "top"},
    HOLLOW | {"markeredgewidth": 2.0},
    {"markerfacecolor": PALE},
)
LONGEST_LINE = 40  # of a name, in characters


class Spread(NamedTuple):
    """A value of several seeds.

    Attributes:
        mean: Over the seeds.
        low: Of the lowest.
        high: Of the highest.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Looks:
    """Looks and names of the systems of a study.

    Attributes:
        systems: All of them, in the study's order.
        labels: Label of each model by its name.
        marked: Systems with a training that has a problem (`report/flags.py`).
        tuned: Systems that train a model.
    """

    systems: tuple[System, ...]
    labels: Mapping[str, str]
    marked: frozenset[System]
    tuned: frozenset[System]

    @classmethod
    def of_study(cls, records: Sequence[Record]) -> "Looks":
        """Returns the looks in a study.

        Args:
            records: Of all its runs, untuned ones too: looks follow from their order.
        """
        return cls(
            tuple(dict.fromkeys(record.run.system for record in records)),
            {record.run.model: record.model.label for record in records},
            frozenset(record.run.system for record in flagged(records)),
            frozenset(record.run.system for record in records if record.trains),
        )

    @cached_property
    def models(self) -> list[str]:
        """Names of the models: first those that are trained, `none` last."""
        trained = {system.model for system in self.tuned}
        names = dict.fromkeys(system.model for system in self.systems)
        return sorted(names, key=lambda name: (name == NONE, name not in trained))

    @cached_property
    def treatments(self) -> list[Treatment]:
        """What is done to models, first what trains them."""
        ordered = sorted(self.systems, key=lambda system: system not in self.tuned)
        return list(dict.fromkeys(map(treatment_of, ordered)))

    @cached_property
    def trained(self) -> list[Treatment]:
        """What trains models."""
        tuned = set(map(treatment_of, self.tuned))
        return [one for one in self.treatments if one in tuned]

    def of(self, system: System) -> Look:
        """Returns the look of a system: its model's colour and marker, its treatment's line and filling."""
        return self.of_model(system.model) | self._stroke(treatment_of(system))

    def of_model(self, name: str) -> Look:
        """Returns the look of a model, whatever is done to it."""
        place = self.models.index(name) % MODELS
        return {"color": COLORS[place], "marker": MARKERS[place], "markerfacecolor": COLORS[place], "linestyle": ""}

    def of_treatment(self, treatment: Treatment) -> Look:
        """Returns the look of what is done to a model, whichever that is."""
        return {"color": GREY, "marker": "o", "markerfacecolor": GREY} | self._stroke(treatment)

    def _stroke(self, treatment: Treatment) -> Look:
        """Line and filling of a treatment."""
        if treatment in self.trained:
            place = self.trained.index(treatment)
            filling = FILLS[(place + place // (2 * len(LINES))) % len(FILLS)]
            return {"linestyle": LINES[place % len(LINES)]} | filling
        place = self.treatments.index(treatment) - len(self.trained)
        return {"linestyle": ""} | UNTUNED_FILLS[place % len(UNTUNED_FILLS)]

    def name(self, system: System, longest: int = LONGEST_LINE) -> str:
        """Returns the name of a system in lines: its model's, with what is done to it where that tells systems apart.

        Args:
            system: The system.
            longest: Most characters of a line.
        """
        is_told = len(self.trained) > 1 or system not in self.tuned
        treatment = f", {self._treatment(treatment_of(system))}" if is_told else ""
        return in_lines(self.labels[system.model] + treatment + flag(system in self.marked), longest)

    def model(self, name: str, longest: int = LONGEST_LINE) -> str:
        """Returns the label of a model in lines."""
        return in_lines(self.labels[name], longest)

    def without_model(self, system: System, longest: int = LONGEST_LINE) -> str:
        """Returns the name of a system that has no model in lines: with its data, where there are several."""
        several = len({one.data for one in self.systems if one.model == NONE}) > 1
        return in_lines(self.labels[NONE] + (f", {system.data}" if several else ""), longest)

    def treatment(self, treatment: Treatment, longest: int = LONGEST_LINE) -> str:
        """Returns the name of what is done to models in lines: the method, with the data where there are several."""
        return in_lines(self._treatment(treatment), longest)

    def method(self, system: System, longest: int = LONGEST_LINE) -> str:
        """Returns the name of what is done to the model of a system, for a row or a line below that model's name."""
        return in_lines(self._treatment(treatment_of(system)) + flag(system in self.marked), longest)

    def _treatment(self, treatment: Treatment) -> str:
        several = len({system.data for system in self.systems if NONE not in (system.data, system.model)}) > 1
        return f"{treatment.method}, {treatment.data}" if several and treatment.data != NONE else treatment.method

    def flag_entries(self, systems: Sequence[System]) -> dict[str, Look]:
        """Returns the legend's entry that says what the mark behind some names means; none if none of these has it."""
        return {f"{FLAG} {MEANING}": {"linestyle": ""}} if self.marked & set(systems) else {}

    def model_entries(self, systems: Sequence[System]) -> dict[str, Look]:
        """Returns the legend's entries of the models of some systems, for panels that each show one treatment."""
        marked = {system.model for system in self.marked & set(systems)}
        names = {name: self.labels[name] + flag(name in marked) for name in by_model(systems)}
        return {in_lines(label): self.of_model(name) for name, label in names.items()}

    def treatment_entries(self, systems: Sequence[System]) -> dict[str, Look]:
        """Returns the legend's entries of what is done to models, for panels that each show one model."""
        return {self.treatment(one): self.of_treatment(one) for one in dict.fromkeys(map(treatment_of, systems))}


def by_model(systems: Sequence[System]) -> dict[str, list[System]]:
    """The systems of each model: a panel, or a group of rows, each."""
    return {name: [one for one in systems if one.model == name] for name in dict.fromkeys(one.model for one in systems)}


def by_treatment(systems: Sequence[System]) -> dict[Treatment, list[System]]:
    """The systems of each treatment, whose models a panel tells apart; more than `MODELS` of them take more pages."""
    found: dict[Treatment, list[System]] = {}
    for system in systems:
        found.setdefault(treatment_of(system), []).append(system)
    assert max(map(len, found.values()), default=0) <= MODELS
    return found


def spread_of(seeds: Sequence[float]) -> Spread:
    """The mean of a value over seeds, with its lowest and its highest."""
    return Spread(statistics.fmean(seeds), min(seeds), max(seeds))


def in_lines(name: str, longest: int = LONGEST_LINE) -> str:
    """A name in lines of so many characters at most; no character is dropped where one ends."""
    return "\n".join(textwrap.wrap(printable(name), longest, replace_whitespace=False, drop_whitespace=False))


def lines_of(names: Sequence[str]) -> int:
    """Lines of the name that has most of them."""
    return max((name.count("\n") + 1 for name in names), default=1)
