"""How well a model would have written, made up: it depends on model, method, seed and step, and on nothing else.

The numbers are chosen so that tables and figures have something to show: larger models are better, most methods help,
some do not, seeds differ a little. They say nothing about any real model.
"""

import math
import random

from codetune.study.model import Model
from codetune.study.runs import Run

SLOWNESS = 0.12  # share of a training after which two thirds of its gain are reached
OVERFITTING = 0.02  # what is lost of the skill from the best step to the end


def uniform(low: float, high: float, *of: object) -> float:
    """A number between two others that depends on some things alone, and is the same on every machine."""
    return random.Random("\n".join(map(str, of))).uniform(low, high)


def untuned_skill(model: Model) -> float:
    """The skill of a model as published, from 0 to 1."""
    return 0.22 + 0.09 * math.log2(1 + model.parameters) + uniform(-0.04, 0.04, "model", model.name)


def gain_of(run: Run) -> float:
    """What a whole training adds to the skill: much or little by method, some by model, a little by seed."""
    method = run.method.partition("@")[0]
    whole = uniform(-0.01, 0.2, "method", method)
    by_model = uniform(-0.03, 0.05, "pair", run.model, method)
    return whole + by_model + uniform(-0.008, 0.008, "seed", *vars(run).values())


def skill_of(run: Run, model: Model, done: float = 1.0) -> float:
    """The skill of a run after a share of its training.

    Args:
        run: The run.
        model: Its model.
        done: Steps done, as a share of those to the best step; may be more than 1. 0 is the untuned model.
    """
    skill = untuned_skill(model)
    if done > 0:
        reached = (1 - math.exp(-min(done, 1.0) / SLOWNESS)) - OVERFITTING * max(0.0, done - 1)
        skill += gain_of(run) * reached
    return min(max(skill, 0.05), 0.95)
