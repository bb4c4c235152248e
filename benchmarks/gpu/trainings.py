"""A short training by the study's own trainer, undisturbed or stopped by a signal, and its outcome."""

import json
import os
import random
import signal
import threading
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from common import read_architectures
from subjects import LORA, SETTINGS, TINY, build, draw_samples, make_tokenizer
from transformers import TrainerCallback

# isort: split

from codetune.base.files import sha256_of_file
from codetune.base.signals import Stopped
from codetune.methods.adapters import ADAPTER
from codetune.models.device import set_determinism
from codetune.models.loading import load_base
from codetune.study.method import Quantization
from codetune.study.model import Memory, Source
from codetune.study.training import TrainingPlan
from codetune.training.build import TrainingTokens, make_trainer
from codetune.training.history import log_rows
from codetune.training.trainer import ResumableTrainer

BF16 = Quantization("nf4", double=True, compute_dtype="bfloat16")
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGTERM}
EARLIEST, LEFT = 3, 4  # steps before a signal, after the first saved state, and at least so many after it
SHRUNK = {"num_hidden_layers": 2, "vocab_size": 8192}


@dataclass(frozen=True)
class Subject:
    """What is trained: two layers of Llama-3.2-1B with random weights, on random tokens of CodeAlpaca's lengths.

    Attributes:
        folder: Where all of it lies.
        small: Whether it is small, for a CPU.
    """

    folder: Path
    small: bool

    @property
    def length(self) -> int:
        """Most tokens of a sequence."""
        return 128 if self.small else SETTINGS.max_length

    @property
    def sizes(self) -> dict[str, Any]:
        """The model's shape."""
        found: dict[str, Any] = read_architectures()["llama-3.2-1b"]["config"]
        return found | (TINY if self.small else SHRUNK)

    @cached_property
    def checkpoint(self) -> Path:
        """The model's folder, made by the first process that asks."""
        target = self.folder / "model"
        if not target.exists():
            build(self.sizes, self.folder / "model.new")
            (self.folder / "model.new").rename(target)
        return target

    def samples(self, count: int) -> list[Any]:
        """Training samples; the first of them whatever their number."""
        drawn = draw_samples(4 * count, self.sizes["vocab_size"])
        return [sample for sample in drawn if len(sample) <= self.length][:count]

    def plan(self, micro_batch: int, dropout: float = LORA.peft["lora_dropout"], epochs: int = 3) -> TrainingPlan:
        """Settings of which only these matter here; a validation and a saved state after every other step."""
        settings = replace(
            SETTINGS, batch_size=8, epochs=epochs, evaluations_per_epoch=2, patience=None, max_length=self.length
        )
        lora = replace(LORA, peft={**LORA.peft, "lora_dropout": dropout})
        return TrainingPlan(Source(path="random"), Memory(micro_batch), lora, BF16, settings, seed=0)


def new_trainer(subject: Subject, name: str, plan: TrainingPlan, count: int | None = None) -> ResumableTrainer:
    """The study's trainer in a folder of its own, where an earlier attempt of that name may have left something."""
    set_determinism(plan.seed)
    samples = subject.samples(count or (34 if subject.small else 320))
    tokens = TrainingTokens(samples, samples[:4], completion_bytes=1000)
    work = subject.folder / name
    work.mkdir(exist_ok=True)
    return make_trainer(load_base(subject.checkpoint, plan.quantization), make_tokenizer(), tokens, work, plan)


def train(subject: Subject, name: str) -> None:
    """Trains to the end and writes the outcome."""
    trainer = new_trainer(subject, name, subject.plan(micro_batch=4))
    finish(trainer, subject.folder, name)


def finish(trainer: ResumableTrainer, folder: Path, name: str) -> None:
    """Runs a trainer to the end and writes FOLDER/NAME.json."""
    saved = trainer.states.last_whole()
    resumed = json.loads((saved / "trainer_state.json").read_text())["global_step"] if saved else 0
    trainer.run()
    adapters = sorted((folder / name).glob(f"step-*/{ADAPTER}"))
    outcome = {
        "adapters": {path.parent.name: sha256_of_file(path) for path in adapters},
        "log": log_rows(trainer.state.log_history),
        "best": trainer.state.best_global_step,
    }
    facts = {
        "steps": trainer.state.max_steps,
        "resumed": resumed,
        "rows": trainer.limit.rows,
        "deterministic": trainer.deterministic,
        "attention": trainer.model.config._attn_implementation,
    }
    write(folder / f"{name}.json", {"outcome": outcome, **facts})


def write(path: Path, content: dict[str, Any]) -> None:
    """Writes a JSON file whole or not at all, before whatever happens next."""
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
    unfinished.replace(path)


def disturb(subject: Subject, name: str, kind: str, rng: random.Random) -> None:
    """Begins a training and sends this process a signal at a random moment; FOLDER/NAME.signal.json says when.

    Raises:
        RuntimeError: The training came to its end all the same.
    """
    trainer = new_trainer(subject, name, subject.plan(micro_batch=4))
    trainer.add_callback(Disturbing(SIGNALS[kind], subject.folder / f"{name}.signal.json", rng))
    try:
        trainer.run()
    except Stopped:
        return
    raise RuntimeError(f"{SIGNALS[kind].name} did not end the training")


class Disturbing(TrainerCallback):  # type: ignore[misc]
    """Sends a signal to this process after a random step, within the time that the shortest step took."""

    def __init__(self, number: signal.Signals, note: Path, rng: random.Random) -> None:
        self.number, self.note, self.rng = number, note, rng
        self.step, self.began, self.shortest = 0, 0.0, float("inf")

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Chooses the step."""
        self.step = self.rng.randint(EARLIEST, state.max_steps - LEFT)

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Notes the time."""
        self.began = time.monotonic()

    def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Starts the clock of the signal."""
        self.shortest = min(self.shortest, time.monotonic() - self.began)
        if state.global_step == self.step:
            delay = self.rng.uniform(0.0, self.shortest)
            write(self.note, {"step": self.step, "delay": round(delay, 3)})
            threading.Timer(delay, os.kill, (os.getpid(), self.number)).start()
