"""Kinds of measures on the data and runs of this study: what it does where a paper leaves something open."""

from collections.abc import Callable, Mapping, Sequence

from codetune.base.files import read_json, reading
from codetune.base.plain import read_number
from codetune.papers.declared import TUNED
from codetune.papers.evidence import OWN_CHOICE, paths_of
from codetune.papers.measured import Declared, Measured
from codetune.papers.printed import format_seeds
from codetune.study.facts import GenerationFacts
from codetune.study.record import Record

Setting = tuple[str, Sequence[str]]  # what it is here, and the files that say so
PACKING = {True: "packed", False: "one sample each"}


def records_of_data(declared: Declared) -> Measured | None:
    """The number of records of the paper's data set; None where it was not used."""
    evidence = declared.evidence
    if not evidence.card:
        return None
    records = read_number(evidence.card, "records")
    return Measured([records], f"{records:,}", "counted", [evidence.card], evidence.obstacle(data=True))


def setting(declared: Declared, name: str) -> Measured | None:
    """What this study has as a setting; None where it has no run that has it.

    Args:
        declared: The paper.
        name: One of `SETTINGS`.
    """
    found = SETTINGS[name](declared)
    return found and Measured([], found[0], "this study's own choice", found[1], OWN_CHOICE)


def _split(declared: Declared) -> Setting | None:
    path = declared.evidence.card
    if not path:
        return None
    card = read_json(path)
    with reading(path):
        if "records_of_parts" in card:
            return "those of the files", [path]
        return " / ".join(str(card["split"]["shares"][part]) for part in ("train", "validation", "test")), [path]


def _test_samples(declared: Declared) -> Setting | None:
    path = declared.evidence.card
    return (f"{read_number(path, 'parts', 'test', 'samples'):,}", [path]) if path else None


def _packing(declared: Declared) -> Setting | None:
    models = declared.evidence.models.values()
    stats = [model.stats for model in models if model.stats]
    if not stats:
        return None
    trained = [one.training for model in models for one in model.runs_of(TUNED) if one.training]
    packs = {facts.plan.settings.packing for facts in trained} or {True}
    how = " and ".join(words for packing, words in PACKING.items() if packing in packs)
    return f"{how}, {read_number(stats[0], 'max_length'):,} tokens", stats


def _records(declared: Declared) -> list[Record]:
    """The records of the paper's models."""
    models = declared.evidence.models.values()
    return [record for model in models for method in model.records for record in model.records[method]]


def _of_generations(read: Callable[[GenerationFacts], str]) -> Callable[[Declared], Setting | None]:
    """Returns what joins what each generation on the paper's data has."""

    def join(declared: Declared) -> Setting | None:
        records = _records(declared)
        generations = [one for record in records if (one := record.tests[declared.evidence.data].generation)]
        values = dict.fromkeys(read(one) for one in generations)
        return (", ".join(values), paths_of(records)) if values else None

    return join


def _of_trainings(name: str) -> Callable[[Declared], Setting]:
    """Returns what joins the values that a setting has in all trainings."""

    def join(declared: Declared) -> Setting:
        records = [record for record in declared.evidence.records if record.training]
        settings = [record.training.plan.settings for record in records if record.training]
        return ", ".join(dict.fromkeys(str(getattr(one, name)) for one in settings)) or "-", paths_of(records)

    return join


def _seeds(declared: Declared) -> Setting | None:
    models = declared.evidence.models.values()
    most = max((len(seeds) for model in models for seeds in model.records.values()), default=0)
    return (f"{format_seeds(most)} per model", paths_of(_records(declared))) if most else None


SETTINGS: Mapping[str, Callable[[Declared], Setting | None]] = {
    "split": _split,
    "test samples": _test_samples,
    "packing": _packing,
    "decoding": _of_generations(lambda one: f"{one.decoding.name}, at most {one.decoding.max_new_tokens} new tokens"),
    "precision": _of_generations(
        lambda one: f"{one.quantization.weights}, computed in {one.quantization.compute_dtype}"
    ),
    "seeds": _seeds,
    "checkpoints": _of_generations(lambda one: one.checkpoint.repo or "a local folder"),
    "optimizer": _of_trainings("optimizer"),
    "learning rate": _of_trainings("learning_rate"),
    "epochs": _of_trainings("epochs"),
    "batch size": _of_trainings("batch_size"),
}
