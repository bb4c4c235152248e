"""What entries of the config may leave out, and what then holds."""

import re
from collections.abc import Mapping
from typing import Any

Entry = Mapping[str, Any]  # a part of the configuration

SHARES = {"validation": 0.05, "test": 0.10}  # train has what these leave
SEEDS = [0]
PARAMETERS = 1.0  # billions, of a model whose names do not tell
SIZE = re.compile(r"(?<![0-9.A-Za-z])([0-9]{1,3}(?:\.[0-9]{1,4})?)([bm])(?![A-Za-z])", re.IGNORECASE)


def with_defaults(config: Entry) -> dict[str, Any]:
    """Returns a config whose data sets, models and runs have all keys; what they state stays as it is.

    Args:
        config: The configuration, already checked against its schema.
    """
    return {
        **config,
        "datasets": {name: {**entry, "split": _split(entry)} for name, entry in config["datasets"].items()},
        "models": {name: _model(name, entry) for name, entry in config["models"].items()},
        "runs": [{"seeds": SEEDS, **entry} for entry in config["runs"]],
    }


def _split(entry: Entry) -> dict[str, Any]:
    """How a data set is split. Where files give the parts, the training part is all that there is to cut."""
    shares = SHARES | ({"test": 0.0} if "parts" in entry else {}) | entry.get("split", {})
    train = round(1 - shares["validation"] - shares["test"], 12)
    return {"train": train, "seed": 0, "near_duplicates": "together", **shares}


def _model(name: str, entry: Entry) -> dict[str, Any]:
    """A model is called what its entry is called, and is a family of its own."""
    label = entry.get("label", name)
    places = (name, entry.get("path", entry.get("repo", "")))
    sizes = (size for place in places if (size := _size_in(place)))
    return {"label": label, "family": label, "parameters": next(sizes, PARAMETERS), **entry}


def _size_in(text: str) -> float:
    """The number of parameters in billions that a name tells, as `1.7b` or `135M` do; 0 if it tells none."""
    found = SIZE.search(text)
    return 0.0 if found is None else float(found[1]) / (1000 if found[2] in "mM" else 1)
