"""The config of the paper's study, and changes of it."""

import copy

import yaml
from small_study import ROOT


def paper_config():
    """The study on the paper's own test set, without HumanEval."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    del config["datasets"]["humaneval"]
    for entry in config["runs"]:
        entry.pop("tests", None)
    return config


def edit(config, path, value):
    """A copy of a config with another value at one place; an ellipsis removes what is there."""
    config = copy.deepcopy(config)
    entry = config
    *parents, last = path
    for key in parents:
        entry = entry[key]
    if value is ...:
        del entry[last]
    else:
        entry[last] = value
    return config
