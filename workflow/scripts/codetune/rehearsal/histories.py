"""The log of a made-up training: losses that fall, and rise again after the best evaluation."""

import math

from codetune.base.files import Row
from codetune.methods.schedule import share_of_highest
from codetune.prompts.packing import steps_between_evaluations
from codetune.rehearsal.skills import skill_of, uniform
from codetune.study.model import Model
from codetune.study.runs import Run
from codetune.study.training import TrainingPlan, TrainingSettings
from codetune.training.history import log_rows

EARLIEST, LATEST = 4, 10  # evaluations to the best one
WITHOUT_PATIENCE = 3  # evaluations after the best one that have a higher loss, where training never stops early
BEST_RATE = 3e-4  # highest learning rate with which the loss is lowest


def made_up_history(run: Run, model: Model, plan: TrainingPlan, per_epoch: int) -> list[Row]:
    """The rows of a training log: a loss after each step, and the validation loss after each evaluation.

    Args:
        run: The run, or trial of a search.
        model: Its model.
        plan: The settings.
        per_epoch: Optimizer steps of one epoch.
    """
    settings = plan.settings
    planned = settings.epochs * per_epoch
    between = steps_between_evaluations(per_epoch, settings.evaluations_per_epoch)
    evaluated = list(range(between, planned + 1, between)) or [planned]
    who = [*vars(run).values()]
    best = min(round(uniform(EARLIEST, LATEST, "best", *who)), len(evaluated))
    last = min(best + (settings.patience or WITHOUT_PATIENCE), len(evaluated))
    end = planned if settings.patience is None or last == len(evaluated) else evaluated[last - 1]
    first, lowest = _losses(run, model, settings)
    rows: list[Row] = [{"step": 0, "epoch": 0.0, "eval_loss": first}]
    for step in range(1, end + 1):
        done, epoch = step / evaluated[best - 1], step / per_epoch
        trained = lowest + (first - lowest) * math.exp(-5 * done) - 0.04 * max(0.0, done - 0.7)
        share = share_of_highest(settings.schedule, settings.warmup_steps, step - 1, planned)
        rows.append(
            {
                "step": step,
                "epoch": epoch,
                "loss": round(max(trained, 0.05) + uniform(-0.03, 0.03, "loss", step, *who), 4),
                "grad_norm": round(uniform(0.2, 0.9, "norm", step, *who), 4),
                "learning_rate": settings.learning_rate * share,
            }
        )
        if step in evaluated[:last]:
            number = evaluated.index(step) + 1
            worse = 0.004 * (number - best) ** 2 if number > best else (first - lowest) * math.exp(-4.5 * done)
            rows.append({"step": step, "epoch": epoch, "eval_loss": round(lowest + worse, 4)})
    return log_rows(rows)


def _losses(run: Run, model: Model, settings: TrainingSettings) -> tuple[float, float]:
    """The validation loss before training, and the lowest: the more skill, and the better the rate, the lower."""
    off = math.log10(max(settings.learning_rate, 1e-9) / BEST_RATE)
    lowest = 1.15 - 0.9 * skill_of(run, model) + 0.05 * min(off**2, 4.0)
    return round(2.1 - 0.8 * skill_of(run, model, 0.0), 4), round(max(lowest, 0.2), 4)
