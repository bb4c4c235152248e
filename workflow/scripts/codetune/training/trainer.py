"""QLoRA fine-tuning with TRL's SFTTrainer on packed, isolated samples, which resumes where a killed job stopped."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict
from safetensors.torch import load_file
from trl import SFTTrainer

from codetune.base.errors import StudyError
from codetune.base.files import read_json, remove, write_json
from codetune.base.machine import gpu_joules
from codetune.base.signals import Stopped, signals_deferred
from codetune.base.unfinished import is_whole, remove_except, save_sealed
from codetune.methods.adapters import ADAPTER
from codetune.models.device import evaluating
from codetune.models.memory import RowLimit
from codetune.training.batches import collate, select_sequences
from codetune.training.history import evaluated_steps
from codetune.training.states import generator_states, set_generator_states


class TrainingOver(Exception):  # noqa: N818
    """What was saved last is the end of the training."""


class QLoraTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer that evaluates per token, stops early, and can be stopped at any moment and goes on where it was.

    All that happens between two optimizer steps happens in `after_step`: evaluation, the kept adapter, and the state
    from which a later attempt goes on. A state is only used if it is whole and so are the adapters it speaks of.

    Attributes:
        work: Folder of unfinished work.
        interval: Optimizer steps between evaluations.
        patience: Evaluations without a lower validation loss before training stops.
        validation_bytes: Bytes of all validation completions.
        limit: Sequences that are computed at once.
        saved: The state that this attempt began with, if any.
        before: What earlier attempts `spent`.
        deterministic: Whether all of a step's kernels are.
        stop_if_asked: Raises `Stopped` if a signal has come; called where it is safe to stop.
    """

    control: Any
    work: Path
    interval: int
    patience: int
    validation_bytes: int
    limit: RowLimit
    saved: Path | None
    before: dict[str, float]
    start: float
    joules: float | None
    evaluation_seconds = 0.0
    deterministic = True
    stop_if_asked: Callable[[], None] = staticmethod(lambda: None)

    def run(self) -> None:
        """Trains to the end, from the last whole state if there is one.

        Raises:
            Stopped: A signal came; a state as of the last finished step is saved.
            StudyError: No evaluation gave a number: the training diverged.
        """
        self.saved = self._last_whole_state()
        self.start, self.joules = time.monotonic(), gpu_joules()
        self.before = {"seconds": 0.0, "evaluation_seconds": 0.0, "joules": 0.0}
        if self.saved:
            progress = read_json(self.saved / "progress.json")
            self.limit.rows, self.before = progress["rows"], progress["spent"]
        with signals_deferred() as self.stop_if_asked:
            try:
                self.train(resume_from_checkpoint=str(self.saved) if self.saved else None)
            except TrainingOver:
                pass
            except Stopped as stop:
                self._save_stopped(stop)
                raise
        if self.state.best_global_step is None:
            raise StudyError(
                "the training diverged: no validation loss is a number. Lower 'training.learning_rate' in the config."
            )

    def begin(self) -> None:
        """What comes before the first step of an attempt."""
        if self.saved:
            self._check_taken_up(self.saved)
        self.try_a_step()
        if self.saved:
            super()._load_rng_state(str(self.saved))
            print(f"going on after step {self.state.global_step} of {self.state.max_steps}", flush=True)
        self.after_step()
        if self.state.global_step >= self.state.max_steps or self._patience_is_over():
            raise TrainingOver

    def _check_taken_up(self, saved: Path) -> None:
        """Compares what was loaded with what the state says: the library passes over what it does not find.

        Raises:
            StudyError: The step, the weights, the optimizer or the schedule is not the saved one.
        """
        if not is_whole(saved):
            raise _not_taken_up(saved, "it has changed since it was checked")
        step = read_json(saved / "trainer_state.json")["global_step"]
        moments = self.optimizer.state
        stands = {
            "the training": {self.state.global_step},
            "the optimizer": {int(moments[parameter].get("step", 0)) for parameter in self.trainable()},
            "the schedule": {self.lr_scheduler.last_epoch},
        }
        for name, steps in stands.items():
            if steps != {step}:
                raise _not_taken_up(saved, f"{name} stands at step {', '.join(map(str, steps))}, the state at {step}")
        weights, loaded = load_file(saved / ADAPTER), get_peft_model_state_dict(self.model)
        other = [name for name in weights.keys() | loaded.keys() if not _same(weights.get(name), loaded.get(name))]
        if other:
            raise _not_taken_up(saved, f"{len(other)} of {len(weights)} weights are not those of the state")

    def trainable(self) -> list[torch.nn.Parameter]:
        """The parameters that training changes: the adapter's."""
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def try_a_step(self) -> None:
        """Computes gradients for nothing: it shows at once whether memory suffices, and whether all is deterministic.

        torch's attention kernels are deterministic where that is demanded, not where a warning would do. But what knows
        no deterministic way at all then fails.
        """
        rows = [self.train_dataset[row] for row in range(self.args.per_device_train_batch_size)]
        torch.use_deterministic_algorithms(True)
        try:
            with torch.random.fork_rng():
                self._add_gradients(self.model, self._prepare_inputs(collate(rows)), torch.tensor(1))
        except RuntimeError as error:
            if "deterministic" not in str(error):
                raise
            torch.use_deterministic_algorithms(True, warn_only=True)
            self.deterministic = False
            print(f"not all of it can be deterministic ({str(error).splitlines()[0]})", flush=True)
        self.model.zero_grad()
        self._metrics["train"].clear()

    def _load_rng_state(self, _checkpoint: str | None) -> None:
        """Where the library takes up the random numbers: by then `begin` may have replaced the state on the disk."""
        set_generator_states(self.generators)

    def _maybe_log_save_evaluate(self, *arguments: Any, **options: Any) -> None:
        """The last thing that the library does in a step: it logs."""
        super()._maybe_log_save_evaluate(*arguments, **options)
        self.after_step()

    def after_step(self) -> None:
        """Evaluates if that is due and not done yet; keeps the adapter and a state to go on from."""
        self.generators = generator_states()
        step = self.state.global_step
        due = step % self.interval == 0 or step == self.state.max_steps
        if not due or step in evaluated_steps(self.state.log_history):
            return
        loss = self.evaluate()["eval_loss"]
        if step == 0:
            return
        if self.state.best_metric is None or loss < self.state.best_metric:
            self.state.best_metric, self.state.best_global_step = (loss, step) if math.isfinite(loss) else (None, None)
        self.control.should_training_stop |= self._patience_is_over()
        save_sealed(self.work / f"step-{step:06d}", lambda folder: self.model.save_pretrained(str(folder)))
        self._save_state()

    def _patience_is_over(self) -> bool:
        since = [step for step in evaluated_steps(self.state.log_history) if step > (self.state.best_global_step or 0)]
        return len(since) >= self.patience

    def _save_state(self) -> None:
        """Saves all that training depends on, then removes the state before."""

        def write(folder: Path) -> None:
            self.model.save_pretrained(str(folder))
            self._save_optimizer_and_scheduler(str(folder))
            self._save_rng_state(str(folder))
            self.state.save_to_json(str(folder / "trainer_state.json"))
            write_json(folder / "progress.json", {"rows": self.limit.rows, "spent": self.spent()})

        name = f"state-{len(self.state.log_history):06d}"  # each step and each evaluation adds to the history
        if not (self.work / name).exists():
            save_sealed(self.work / name, write)
        remove_except(self.work.glob("state-*"), name)

    def _save_stopped(self, stop: Stopped) -> None:
        """Saves the state as of the last finished step: the gradients of the step at hand are computed again."""
        if self.state.global_step > 0:
            set_generator_states(self.generators)
            self._save_state()
            print(f"{stop}: saved after step {self.state.global_step} of {self.state.max_steps}", flush=True)

    def _last_whole_state(self) -> Path | None:
        for state in sorted(self.work.glob("state-*"), reverse=True):
            if is_whole(state):
                steps = evaluated_steps(read_json(state / "trainer_state.json")["log_history"])
                if all(is_whole(self.work / f"step-{step:06d}") for step in steps if step > 0):
                    return state
            print(f"{state.name} is damaged: not used", flush=True)
            remove(state)
        return None

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Adds up the gradients of one micro-batch; stops before it if a signal has come."""
        self.stop_if_asked()
        return self._add_gradients(model, inputs, num_items_in_batch)

    def _add_gradients(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any) -> torch.Tensor:
        """Adds up the gradients of one micro-batch, in parts if it does not fit into memory as a whole."""
        parameters = self.trainable()
        before = [None if parameter.grad is None else parameter.grad.clone() for parameter in parameters]
        compute = super().training_step

        def undo() -> None:
            for parameter, gradient in zip(parameters, before, strict=True):
                parameter.grad = None if gradient is None else gradient.clone()

        def part(sequences: slice) -> torch.Tensor:
            loss: torch.Tensor = compute(model, select_sequences(inputs, sequences), num_items_in_batch)
            return loss

        return torch.stack(self.limit.map(part, len(inputs["seq_lengths"]), undo)).sum()

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Mean negative log-likelihood of the validation completions, in nats a token and bits a byte.

        The library's own averages over batches, so that it depends on how samples are packed and batched. No random
        number is drawn, so that it does not matter to the training when this runs.
        """
        start = time.monotonic()
        with torch.random.fork_rng(), evaluating(self.model), torch.no_grad():
            sums = [total for batch in self.get_eval_dataloader() for total in self._sums(batch)]
        loss, tokens = (float(sum(column)) for column in zip(*sums, strict=True))
        self.evaluation_seconds += time.monotonic() - start
        metrics = {"eval_loss": loss / tokens, "eval_bits_per_byte": loss / math.log(2) / self.validation_bytes}
        self.log(dict(metrics))
        return metrics

    def _sums(self, batch: dict[str, Any]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Negative log-likelihood and number of tokens of each part of a batch."""
        self.stop_if_asked()
        inputs = self._prepare_inputs(batch)

        def part(sequences: slice) -> tuple[torch.Tensor, torch.Tensor]:
            with self.compute_loss_context_manager():
                outputs = self.model(**select_sequences(inputs, sequences), use_cache=False, fused_lm_head=True)
            return -outputs.log_probs.sum(dtype=torch.float64), outputs.label_mask.sum()

        return self.limit.map(part, len(inputs["seq_lengths"]), undo=lambda: None)

    def spent(self) -> dict[str, float]:
        """Time spent in training, evaluations included, and in evaluations alone, and energy; over all attempts."""
        now = gpu_joules()
        new = {
            "seconds": time.monotonic() - self.start,
            "evaluation_seconds": self.evaluation_seconds,
            "joules": 0.0 if now is None or self.joules is None else now - self.joules,
        }
        return {name: round(self.before[name] + value, 1) for name, value in new.items()}


def _not_taken_up(saved: Path, difference: str) -> StudyError:
    return StudyError(
        f"{saved}: what was loaded is not what was saved ({difference}). Make sure that nothing else writes there, and "
        "give the same command again."
    )


def _same(saved: torch.Tensor | None, loaded: torch.Tensor | None) -> bool:
    """Whether both are there and hold the same numbers, NaN included: a training may have diverged."""
    if saved is None or loaded is None or saved.shape != loaded.shape:
        return False
    return bool(torch.allclose(saved, loaded.cpu().to(saved.dtype), rtol=0.0, atol=0.0, equal_nan=True))
