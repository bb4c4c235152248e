"""The noun Question: what a study asks of its systems, and which of them it compares for that."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codetune.base.errors import StudyError
from codetune.study.mistakes import unknown_name
from codetune.study.runs import NONE, System

OF_FIRST = re.compile(r"_at_(\d+)")  # in the name of a metric of the first k candidates


@dataclass(frozen=True)
class Asked:
    """The systems that a question is about.

    Attributes:
        method: Name of their method.
        data: Name of their training data; None for any.
        models: Names of their models; None for all.
    """

    method: str
    data: str | None = None
    models: list[str] | None = None


@dataclass(frozen=True)
class Over:
    """What each of them is compared with.

    Attributes:
        methods: Names of methods; of several, the one that scores highest counts.
        data: Name of the training data; None for the same, or none.
        model: Name of the model; None for the same.
    """

    methods: list[str]
    data: str | None = None
    model: str | None = None


@dataclass(frozen=True)
class Question:
    """An entry of the config's `questions`.

    Attributes:
        name: Its name in the config.
        asks: The question, as people read it.
        of: The systems that it is about.
        over: What each of them is compared with.
        metric: Name of the metric; None for the headline metric.
        tests: Names of the test sets; None for all on which there is something to compare.
    """

    name: str
    asks: str
    of: Asked
    over: Over
    metric: str | None = None
    tests: list[str] | None = None

    def sides_of(self, systems: Sequence[System]) -> dict[System, list[System]]:
        """Returns each system that the question is about with those that it may be compared with.

        Args:
            systems: The systems that are evaluated on one test set.
        """
        found = {}
        for system in filter(self._is_about, systems):
            others = [other for other in systems if other != system and self._stands_against(other, system)]
            if others:
                found[system] = others
        return found

    def _is_about(self, system: System) -> bool:
        of = self.of
        return (
            system.method == of.method
            and of.data in (None, system.data)
            and (of.models is None or system.model in of.models)
        )

    def _stands_against(self, other: System, system: System) -> bool:
        over = self.over
        data = other.data == over.data if over.data else other.data in (NONE, system.data)
        return data and other.method in over.methods and other.model == (over.model or system.model)


def read_questions(config: Mapping[str, Any]) -> list[Question]:
    """Reads the questions of a configuration.

    Args:
        config: The configuration.

    Raises:
        StudyError: A question names what there is not.
    """
    questions = [as_question(name, entry) for name, entry in asked_entries(config).items()]
    for question in questions:
        _check_names(question, config)
        _check_metric(question, config["generation"].get("candidates", 1))
    return questions


def asked_entries(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the entries of a configuration's questions; those that an overlay sets to null are not asked."""
    return {name: entry for name, entry in config.get("questions", {}).items() if entry}


def as_question(name: str, entry: Mapping[str, Any]) -> Question:
    """Builds a question from its entry in the config.

    Args:
        name: Its name.
        entry: The entry, as the schema has it.
    """
    of, over = Asked(**entry["of"]), Over(**entry["over"])
    return Question(name, entry["asks"], of, over, entry.get("metric"), entry.get("tests"))


def _check_names(question: Question, config: Mapping[str, Any]) -> None:
    """Checks that each name exists in the config.

    Raises:
        StudyError: One does not.
    """
    of, over = question.of, question.over
    named: Iterable[tuple[str, str, Sequence[str | None]]] = (
        ("of.method", "methods", [of.method]),
        ("of.data", "datasets", [of.data]),
        ("of.models", "models", of.models or []),
        ("over.methods", "methods", over.methods),
        ("over.data", "datasets", [over.data]),
        ("over.model", "models", [over.model]),
        ("tests", "datasets", question.tests or []),
    )
    for key, kind, names in named:
        for name in names:
            if name is not None and name not in config[kind]:
                raise unknown_name(f"questions.{question.name}.{key}", name, config[kind])


def _check_metric(question: Question, candidates: int) -> None:
    """Checks that a metric of the first k candidates has no more of them than there are.

    Raises:
        StudyError: It has.
    """
    of_first = OF_FIRST.search(question.metric or "")
    if of_first and int(of_first[1]) > candidates:
        raise StudyError(
            f"config: questions.{question.name}.metric: '{question.metric}' is of {of_first[1]} candidates per prompt, "
            f"and there are {candidates}; raise generation.candidates, or name another metric"
        )
