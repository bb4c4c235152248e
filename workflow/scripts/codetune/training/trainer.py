"""The training loop: TRL's trainer on isolated samples, packed or not, which resumes where a killed job stopped."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback
from trl import SFTTrainer

from codetune.base.files import read_json, write_json
from codetune.base.plain import to_plain
from codetune.base.progress import Stretch, doing
from codetune.base.signals import Stopped, signals_deferred
from codetune.methods.trained import trained_parameters
from codetune.methods.tuning import Tuning
from codetune.models.memory import RowLimit
from codetune.training.cost import NOTHING, CostMeter, Spent
from codetune.training.gradients import GradientSum, digests
from codetune.training.history import evaluated_steps
from codetune.training.outcome import Diverged
from codetune.training.progress import Progress
from codetune.training.rounding import StochasticRounding
from codetune.training.states import TRAINER_STATE, States, check_loaded
from codetune.training.validation import Validation

PROGRESS = "progress.json"  # the file of a state with what the Trainer knows nothing of


class TrainingOver(Exception):  # noqa: N818
    """Nothing is left to train: the state that was loaded is that of the end."""


class ResumableTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer that can be stopped at any moment, and that a later process resumes to the same bytes.

    One attempt from top to bottom, and in brackets who calls each part:

        run                     takes the last whole state, if any, and calls the Trainer's `train`
          begin                 [the callback on_train_begin, when the Trainer has loaded what it finds in the state]
            try_a_step          computes the gradients of one micro-batch twice and discards them
            after_step          makes the evaluation that was still due when the state was saved
                                raises TrainingOver past the Trainer to `run` if no step is left
          training_step         [`train`, for each micro-batch] raises Stopped past it to `run` if a signal has come
          tuning.after_step     [the callback on_optimizer_step] does what this kind of tuning needs then
          after_step            [_maybe_log_save_evaluate, the last act of a step] evaluates, keeps a checkpoint, saves
        run                     catches both; after Stopped it saves the state as of the last finished step

    Attributes:
        states: The state from which a later attempt resumes, and the checkpoints that are kept.
        tuning: What is trained.
        validation: When and how the validation loss is measured.
        meter: Time and energy.
        limit: Most sequences that are computed at once.
        deterministic: Whether torch and a repeated micro-batch say that gradients are, as in training.json.
        cut: How many samples were truncated and how many dropped to make room for virtual tokens; empty without these.
    """

    control: Any

    def __init__(
        self, states: States, tuning: Tuning, validation: Validation, meter: CostMeter, limit: RowLimit, **options: Any
    ) -> None:
        """Takes its own parts, and the options of SFTTrainer."""
        super().__init__(**options)
        self.states, self.tuning, self.validation, self.meter, self.limit = states, tuning, validation, meter, limit
        self.deterministic = True
        self.cut: Mapping[str, int] = {}
        self._gradients = GradientSum(limit, self.trainable)
        self._saved: Path | None = None
        self._stop_if_asked: Callable[[], None] = lambda: None
        self._told = Stretch("training")
        self.remove_callback(PrinterCallback)
        self.add_callback(Progress(validation, meter))  # before the callback that evaluates, which prints
        self.add_callback(_Called(self.begin, self._after_optimizer))

    def run(self) -> None:
        """Trains to the end, from the last whole state if there is one.

        Raises:
            Stopped: A signal came; a state as of the last finished step is saved.
            Diverged: No evaluation gave a number.
        """
        self._saved, before = self.states.last_whole(), NOTHING
        if self._saved:
            progress = read_json(self._saved / PROGRESS)
            self.limit.rows, before = progress["rows"], Spent(**progress["spent"])
            self.deterministic = progress["deterministic"]
        self.meter.start(before)
        with signals_deferred() as self._stop_if_asked, doing("training", "micro-batches at most") as self._told:
            try:
                self.train(resume_from_checkpoint=str(self._saved) if self._saved else None)
            except TrainingOver:
                self._end_tracking()
            except Stopped as stop:
                self._save_stopped(stop)
                self._end_tracking()
                raise
        if self.state.best_global_step is None:
            raise Diverged(
                "the training diverged: no validation loss is a number. Lower 'training.learning_rate' in the config."
            )

    def begin(self) -> None:
        """Does what comes before the first step of an attempt.

        Raises:
            TrainingOver: No step is left.
        """
        if self._saved:
            self._check_loaded(self._saved)
        with doing("trial of a step"):
            self.try_a_step()
        if self._saved:
            super()._load_rng_state(str(self._saved))
            print(f"going on after step {self.state.global_step} of {self.state.max_steps}", flush=True)
        self.after_step()
        per_step = self.args.gradient_accumulation_steps
        self._told.start(self.state.max_steps * per_step, self.state.global_step * per_step)
        if self.state.global_step >= self.state.max_steps or self._patience_is_over():
            raise TrainingOver

    def _check_loaded(self, saved: Path) -> None:
        # A parameter that no token ever passed through has no state.
        moments = [state for state in self.optimizer.state.values() if state]
        steps = {
            "the training": {self.state.global_step},
            "the optimizer": {int(state.get("step", 0)) for state in moments} or {0},
            "the schedule": {self.lr_scheduler.last_epoch},
        }
        check_loaded(saved, steps, trained_parameters(self.model))

    def trainable(self) -> list[torch.nn.Parameter]:
        """The parameters that training changes."""
        return list(trained_parameters(self.model).values())

    def try_a_step(self) -> None:
        """Computes the gradients of one micro-batch twice, and discards them.

        It shows before the first real step whether memory suffices, whether every kernel of torch's own has a
        deterministic version, and whether the bytes are the same again: of kernels that others wrote (bitsandbytes,
        Triton) torch knows nothing. torch's attention kernels are deterministic only where that is demanded; a demand
        for a mere warning does not suffice. But under the demand, a kernel without a deterministic version fails.
        """
        count = min(self.args.per_device_train_batch_size, len(self.train_dataset))
        inputs = self._prepare_inputs(self.data_collator([self.train_dataset[row] for row in range(count)]))
        torch.use_deterministic_algorithms(True)
        try:
            same = self._twice_the_same(inputs)
        except RuntimeError as error:
            if "deterministic" not in str(error):
                raise
            torch.use_deterministic_algorithms(True, warn_only=True)
            self.deterministic = False
            print(f"not every kernel can be deterministic ({str(error).splitlines()[0]})", flush=True)
        else:
            self.deterministic &= all(same)
            if not all(same):
                other = f"{same.count(False)} of {len(same)} tensors"
                print(f"not deterministic: computed twice, loss and gradients have other bytes ({other})", flush=True)
        self.model.zero_grad()
        self._metrics["train"].clear()

    def _twice_the_same(self, inputs: dict[str, Any]) -> list[bool]:
        """Whether the loss and each gradient of a micro-batch have the same bytes when it is computed again."""
        rows, found = 0, []
        while rows != self.limit.rows:  # when memory runs out, the parts that are computed again have other masks
            rows = self.limit.rows
            found = [self._loss_and_gradients(inputs) for _ in range(2)]
        return [one == other for one, other in zip(*found, strict=True)]

    def _loss_and_gradients(self, inputs: dict[str, Any]) -> list[str | None]:
        """Hashes of the loss and the gradients of a micro-batch; leaves gradients and generators as they were."""
        with torch.random.fork_rng():
            loss = self._add_gradients(self.model, inputs, torch.tensor(1))
        found = digests([loss, *(parameter.grad for parameter in self.trainable())])
        self.model.zero_grad()
        return found

    def create_optimizer(self, model: Any = None) -> Any:
        """The library's optimizer, with steps that are rounded stochastically if the weights are in bfloat16."""
        optimizer = super().create_optimizer(model)
        if all(parameter.dtype == torch.bfloat16 for parameter in self.trainable()):
            self.optimizer = optimizer = StochasticRounding(optimizer, self.args.seed)
        return optimizer

    def _after_optimizer(self) -> None:
        self.tuning.after_step(self.model, self.state.global_step + 1)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Where the library loads weights."""
        self.tuning.load_state(model or self.model, Path(resume_from_checkpoint))

    def _load_rng_state(self, _checkpoint: str | None) -> None:
        """Where the library loads the generators: by then `begin` may have replaced the state on the disk."""
        self.states.restore_generators()

    def _maybe_log_save_evaluate(self, *arguments: Any, **options: Any) -> None:
        """Lets the library log, which is the last thing that it does in a step."""
        super()._maybe_log_save_evaluate(*arguments, **options)
        self._tr_loss.zero_()  # the library subtracts it from itself, which after one NaN is NaN for good
        self.after_step()

    def after_step(self) -> None:
        """Evaluates if that is due; then keeps a checkpoint and saves a state to resume from."""
        self.states.note_generators()
        step = self.state.global_step
        if not self.validation.is_due(step, self.state.max_steps, self.state.log_history):
            return
        loss = self.evaluate()["eval_loss"]
        if step == 0:
            return
        if self.validation.is_better(loss, self.state.best_metric):
            self.state.best_metric, self.state.best_global_step = loss, step
        self.control.should_training_stop |= self._patience_is_over()
        evaluated = [one for one in evaluated_steps(self.state.log_history) if one > 0]
        self.states.keep(evaluated, self.state.best_global_step, lambda folder: self.tuning.save(self.model, folder))
        self._save_state()

    def _patience_is_over(self) -> bool:
        return self.validation.ends_training(self.state.log_history, self.state.best_global_step)

    def _save_state(self) -> None:
        """Saves all that the rest of the training depends on."""

        def write(folder: Path) -> None:
            self.tuning.save_state(self.model, folder)
            self._save_optimizer_and_scheduler(str(folder))
            self._save_rng_state(str(folder))
            self.state.save_to_json(str(folder / TRAINER_STATE))
            progress = {"rows": self.limit.rows, "deterministic": self.deterministic}
            write_json(folder / PROGRESS, {**progress, "spent": to_plain(self.meter.spent())})

        self.states.save(len(self.state.log_history), write)  # each step and each evaluation adds to the history

    def _save_stopped(self, stop: Stopped) -> None:
        """Saves the state as of the last finished step: the gradients of the unfinished one are computed again."""
        if self.state.global_step > 0:
            self.states.restore_generators()
            self._save_state()
            print(f"{stop}: saved after step {self.state.global_step} of {self.state.max_steps}", flush=True)

    def _end_tracking(self) -> None:
        """Tells the trackers that this attempt is over, as the library does at its own end: they write what waits."""
        self.callback_handler.on_train_end(self.args, self.state, self.control)

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Adds up the gradients of one micro-batch; stops before it if a signal has come."""
        self._stop_if_asked()
        loss = self._add_gradients(model, inputs, num_items_in_batch)
        if self.accelerator.sync_gradients:  # the step's last micro-batch: from here on its gradients are not discarded
            self._add_penalty(model)
        self._told.add()
        return loss

    def _add_penalty(self, model: Any) -> None:
        """Adds the gradient of what the tuning adds to the loss; the loss in the log is the samples' alone."""
        penalty = self.tuning.penalty(model)
        if penalty is not None:
            penalty.backward()

    def _add_gradients(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any) -> torch.Tensor:
        """Adds up the gradients of one micro-batch, in parts if it does not fit into memory as a whole."""
        step = super().training_step

        def compute(part: dict[str, Any]) -> torch.Tensor:
            loss: torch.Tensor = step(model, part, num_items_in_batch)
            return loss

        return self._gradients.add(inputs, compute, self._stop_if_asked)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Measures and logs the validation loss; takes the place of the library's evaluation."""
        with self.meter.evaluating():
            metrics = self.validation.measure(self.model, self._validation_batches(), self.limit)
        self.log(dict(metrics))
        return metrics

    def _validation_batches(self) -> Iterator[dict[str, Any]]:
        """The validation set on the device; stops before a batch if a signal has come."""
        sizes = [len(lengths) for lengths in self.eval_dataset["seq_lengths"]]
        with doing("evaluation", "samples", sum(sizes)) as told:
            for batch in self.get_eval_dataloader():
                self._stop_if_asked()
                yield self._prepare_inputs(batch)
                told.add(sum(map(len, batch["seq_lengths"])))


class _Called(TrainerCallback):  # type: ignore[misc]
    """Calls one function when the library has loaded the state and is about to train, and one after each update."""

    def __init__(self, begin: Callable[[], None], after_optimizer: Callable[[], None]) -> None:
        self._begin, self._after_optimizer = begin, after_optimizer

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._begin()

    def on_optimizer_step(self, *_: Any, **__: Any) -> None:
        self._after_optimizer()
