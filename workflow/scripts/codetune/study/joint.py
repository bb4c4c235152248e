"""The noun Joint: the training and validation parts of several data sets together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codetune.base.errors import StudyError
from codetune.study.mistakes import unknown_name

KEY = "joint"  # of an entry of the config's `datasets`
SEED = 0  # of an entry that states none
MAY_STAND = (KEY, "seed")


@dataclass(frozen=True)
class Joint:
    """An entry of the config's `datasets` that is made from others. It has no test part: those of the others test it.

    Attributes:
        name: Its name in the config and in paths.
        datasets: Names of the data sets, in the order in which their samples are numbered.
        seed: Seed of the shuffle.
    """

    name: str
    datasets: list[str]
    seed: int


def read_joints(config: Mapping[str, Any]) -> dict[str, Joint]:
    """Reads the joint data sets of a configuration, by their names.

    Args:
        config: The configuration.

    Raises:
        StudyError: One is made from a data set that does not exist or is joint itself, from one twice, or says more.
    """
    entries = config["datasets"]
    joints = {name: entry for name, entry in entries.items() if KEY in entry}
    for name, entry in joints.items():
        where = f"datasets.{name}.{KEY}"
        if more := [key for key in entry if key not in MAY_STAND]:
            raise StudyError(f"config: datasets.{name}: '{more[0]}' says nothing with '{KEY}'; leave it out")
        for one in entry[KEY]:
            if one not in entries:
                raise unknown_name(where, one, entries)
            if one in joints:
                raise StudyError(f"config: {where}: '{one}' is joint itself; name the data sets that it is made from")
    for name, entry in entries.items():
        if name not in joints and "seed" in entry:
            raise StudyError(f"config: datasets.{name}: 'seed' is for '{KEY}'; write 'split: {{seed: ...}}'")
    return {name: Joint(name, entry[KEY], entry.get("seed", SEED)) for name, entry in joints.items()}


def without_joints(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration with those data sets alone that come from somewhere."""
    return {**config, "datasets": {name: entry for name, entry in config["datasets"].items() if KEY not in entry}}
