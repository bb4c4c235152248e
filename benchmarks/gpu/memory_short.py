"""A training in which memory runs out: on a GPU because torch may take no more, on a CPU because the model says so.

Dropout is off: its masks are drawn for all sequences at once, so fewer of them at once would get other masks.
"""

import os
import signal
from typing import Any

import torch
from gpu.trainings import Subject, finish, new_trainer, write
from gpu.weights import free
from transformers import TrainerCallback

# isort: split

from codetune.base.signals import Stopped
from codetune.models.device import device
from codetune.training.trainer import ResumableTrainer

TOGETHER = 8  # sequences at once, for which memory does not suffice; it does for half as many


class Noting(TrainerCallback):  # type: ignore[misc]
    """Notes the gradients of the first optimizer step, and can stop the training after it by SIGTERM."""

    def __init__(self, stops: bool) -> None:
        self.stops = stops
        self.gradients: list[torch.Tensor] = []

    def on_pre_optimizer_step(self, _args: Any, _state: Any, _control: Any, model: Any = None, **_: Any) -> None:
        """Copies the gradients, if they are the first."""
        if not self.gradients:
            self.gradients = [p.grad.float().cpu().clone() for p in model.parameters() if p.grad is not None]

    def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Sends the signal."""
        if self.stops and state.global_step == 1:
            os.kill(os.getpid(), signal.SIGTERM)


def train_in_short_memory(subject: Subject) -> None:
    """Trains with enough memory and with too little, there undisturbed and stopped; writes FOLDER/memory.json.

    Raises:
        RuntimeError: The signal did not stop the training.
    """
    ample, whole = _first_step(subject, "ample", TOGETHER)
    _, half = _first_step(subject, "half", TOGETHER // 2)
    given = (half + whole) // 2
    facts = {"together": TOGETHER, "whole": whole, "half": half, "given": given}
    _give(given)
    trainer, noting = _trainer(subject, "short")
    finish(trainer, subject.folder, "short")
    facts |= {"rows": trainer.limit.rows, "change": _change(noting.gradients, ample)}
    del trainer
    free()
    trainer, _ = _trainer(subject, "short-stopped", stops=True)
    try:
        trainer.run()
    except Stopped:
        pass
    else:
        raise RuntimeError("SIGTERM did not end the training")
    del trainer
    free()
    trainer, _ = _trainer(subject, "short-stopped")
    finish(trainer, subject.folder, "short-stopped")
    write(subject.folder / "memory.json", facts)


def _first_step(subject: Subject, name: str, rows: int) -> tuple[list[torch.Tensor], int]:
    """The gradients of the first step with so many sequences at once, and the bytes that torch reserved at most."""
    free()
    trainer = new_trainer(subject, name, subject.plan(rows, dropout=0.0, epochs=1), _count(subject))
    noting = Noting(stops=False)
    trainer.add_callback(noting)
    finish(trainer, subject.folder, name)
    return noting.gradients, torch.cuda.max_memory_reserved() if torch.cuda.is_available() else rows


def _trainer(subject: Subject, name: str, stops: bool = False) -> tuple[ResumableTrainer, Noting]:
    """A trainer for which memory does not suffice, and what notes its gradients."""
    plan = subject.plan(TOGETHER, dropout=0.0, epochs=1)
    trainer = new_trainer(subject, name, plan, _count(subject))
    if device() == "cpu":
        _fail_beyond(trainer.model, TOGETHER // 2 * subject.length)
    noting = Noting(stops)
    trainer.add_callback(noting)
    return trainer, noting


def _count(subject: Subject) -> int:
    """Samples for two or three steps."""
    return 24 if subject.small else 200


def _give(size: int) -> None:
    """Lets torch take no more of the GPU's memory than this many bytes."""
    free()
    if torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(size / torch.cuda.get_device_properties(0).total_memory)


def _fail_beyond(model: Any, tokens: int) -> None:
    """Makes a model fail as CUDA does when it gets more tokens than this."""
    forward = model.forward

    def limited(*arguments: Any, **inputs: Any) -> Any:
        if inputs["input_ids"].shape[1] > tokens:
            raise torch.OutOfMemoryError("CUDA out of memory. This is played, on a CPU.")
        return forward(*arguments, **inputs)

    model.forward = limited


def _change(found: list[torch.Tensor], expected: list[torch.Tensor]) -> float:
    """How far gradients differ from others, relative to their norm."""
    one, other = (torch.cat([gradient.flatten() for gradient in gradients]) for gradients in (found, expected))
    return ((one - other).norm() / other.norm()).item()
