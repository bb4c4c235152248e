"""Kinds of measures on the runs of this study."""

from collections.abc import Callable, Mapping

from codetune.papers.evidence import paths_of
from codetune.papers.measured import Declared, Measured
from codetune.study.record import Record


def _of_training(name: str) -> Callable[[Record], list[str]]:
    """Returns what gives a setting of a run's training."""

    def read(record: Record) -> list[str]:
        return [str(getattr(record.training.plan.settings, name))] if record.training else []

    return read


def _decodings(record: Record) -> list[str]:
    decodings = [tested.generation.decoding for tested in record.tests.values() if tested.generation]
    return [f"{one.name}, at most {one.max_new_tokens} new tokens" for one in decodings]


SETTINGS: Mapping[str, Callable[[Record], list[str]]] = {
    "Optimizer": _of_training("optimizer"),
    "Learning rate": _of_training("learning_rate"),
    "Epochs": _of_training("epochs"),
    "Batch size": _of_training("batch_size"),
    "Decoding": _decodings,
}


def setting(declared: Declared, name: str) -> Measured:
    """What the runs of this study have as a setting; of several values all."""
    values = dict.fromkeys(value for record in declared.records for value in SETTINGS[name](record))
    return Measured(list(values), ", ".join(values) or "-", "this study's own choice", paths_of(declared.records))
