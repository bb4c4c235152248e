"""QLoRA fine-tuning with TRL's SFTTrainer on packed, isolated samples, which goes on where a killed job stopped."""

import math
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import trl.trainer.utils
from datasets import Dataset
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from codetune import records
from codetune.architectures import steps_per_epoch
from codetune.attention import Packed, candidates
from codetune.cards import model_card
from codetune.errors import StudyError
from codetune.files import atomic, link_or_copy, read_json, remove, write_json, write_jsonl, write_text
from codetune.memory import RowLimit
from codetune.models import ADAPTER, device, load_base, set_determinism
from codetune.signals import Stopped, signals_deferred
from codetune.tokens import TokenSample, load_tokenizer, pack, read_tokens
from codetune.unfinished import is_whole, remove_except, save_sealed, unfinished_work

IGNORED = -100  # label of a token that does not count in the loss
# The library scores the positions with a label alone, but where there is no GPU all of them: for devices that compile
# anew for every shape. A CPU does not.
trl.trainer.utils._use_triton = lambda _device: True

ADAPTER_FILES = ("adapter_config.json", ADAPTER)


@dataclass(frozen=True)
class FinetuneInputs:
    """What a fine-tuning reads.

    Attributes:
        train: Token set.
        validation: Token set, for early stopping only.
        stats: The statistics that came with the token sets.
        checkpoint: Folder of the base model.
    """

    train: str
    validation: str
    stats: str
    checkpoint: str


@dataclass(frozen=True)
class FinetuneOutputs:
    """What a fine-tuning writes.

    Attributes:
        adapter: Folder of the best adapter, as PEFT and the hub take it.
        checkpoints: Folder with the adapter of each evaluation, `step-<n>`.
        log: Training log, JSON lines.
        record: Record of the run, JSON.
        work: Folder of unfinished work, removed in the end.
    """

    adapter: str
    checkpoints: str
    log: str
    record: str
    work: str


def finetune(
    inputs: FinetuneInputs,
    outputs: FinetuneOutputs,
    model: dict[str, Any],
    settings: dict[str, Any],
    seed: int,
    code: str,
) -> None:
    """Fine-tunes one model and writes its best adapter, all kept checkpoints, the log and a record.

    If an earlier attempt at the same was cut off, training goes on from what it saved last, and ends with the same
    bytes as if it had not been cut off.

    Args:
        inputs: Paths to read.
        outputs: Paths to write.
        model: The config's entry of the model.
        settings: `lora`, `quantization` and `training` of the config, and `max_length` in tokens.
        seed: Of the adapter's initial weights, dropout and the order of the samples.
        code: Hash of the code: what other code left unfinished is not used.

    Raises:
        StudyError: The checkpoint cannot be loaded, no attention keeps packed samples apart, one sequence does not fit
            into memory, or the training diverged.
        Stopped: The process was asked to end; the training done so far is saved.
    """
    set_determinism(seed)
    identity = {
        "model": model,
        "settings": settings,
        "seed": seed,
        "data": records.file_hashes(train=inputs.train, validation=inputs.validation),
        "checkpoint": records.checkpoint_identity(inputs.checkpoint),
        "code": code,
        "packages": records.environment()["packages"],
    }
    with unfinished_work(outputs.work, identity) as work:
        base = load_base(inputs.checkpoint, settings["quantization"])
        trainer = make_trainer(
            base,
            load_tokenizer(inputs.checkpoint),
            {"train": read_tokens(inputs.train), "validation": read_tokens(inputs.validation)},
            read_json(inputs.stats)["parts"]["validation"]["bytes_of_completions"],
            work,
            model,
            settings,
            seed,
        )
        trainer.run()
        name_base_model(trainer.model, model)
        _write_results(trainer, identity, outputs)
    best = trainer.state.best_global_step
    print(f"best validation loss {trainer.state.best_metric:.4f} at step {best} of {trainer.state.global_step}")


def make_trainer(
    base: Any,
    tokenizer: Any,
    tokens: dict[str, list[TokenSample]],
    validation_bytes: int,
    work: Path,
    model: dict[str, Any],
    settings: dict[str, Any],
    seed: int,
) -> "QLoraTrainer":
    """TRL's trainer with the paper's settings, a fresh adapter in fp32, and the study's way of evaluating.

    Raises:
        StudyError: No attention keeps the packed samples apart.
    """
    choose_attention(base, tokens["train"])
    sets = {part: pack_samples(samples, settings["max_length"]) for part, samples in tokens.items()}
    epoch = steps_per_epoch(len(sets["train"]), model["batch_size"])
    training = settings["training"]
    arguments = SFTConfig(
        output_dir=str(work),
        num_train_epochs=model["epochs"],
        per_device_train_batch_size=model["micro_batch"],
        per_device_eval_batch_size=model["micro_batch"],
        gradient_accumulation_steps=model["batch_size"] // model["micro_batch"],
        gradient_checkpointing=model.get("gradient_checkpointing", False),  # TRL's default is True
        optim="adamw_torch",
        learning_rate=training["learning_rate"],
        lr_scheduler_type=training["schedule"],
        warmup_steps=training["warmup_steps"],
        weight_decay=training["weight_decay"],
        max_grad_norm=training["max_grad_norm"],
        bf16=settings["quantization"]["compute_dtype"] == "bfloat16",
        use_cpu=device() == "cpu",
        seed=seed,
        data_seed=seed,
        dataset_kwargs={"skip_prepare_dataset": True},
        dataloader_pin_memory=False,
        eval_strategy="no",  # QLoraTrainer.after_step evaluates and saves
        save_strategy="no",
        logging_nan_inf_filter=False,  # it would log a loss of 0 where there is none
        logging_steps=1,  # so that no running mean is lost with the process
        disable_tqdm=True,
        report_to=[],
    )
    trainer = QLoraTrainer(
        model=base,
        args=arguments,
        train_dataset=sets["train"],
        eval_dataset=sets["validation"],
        processing_class=tokenizer,
        data_collator=collate,
        peft_config=lora_config(settings["lora"]),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_Reports(trainer))
    trainer.work = work
    trainer.interval = max(1, math.ceil(epoch / training["evaluations_per_epoch"]))
    trainer.patience = training["patience"]
    trainer.validation_bytes = validation_bytes
    trainer.limit = RowLimit(
        model["micro_batch"],
        "sequences",
        "Set 'gradient_checkpointing: true' for this model in the config, or a lower 'max_length' for all.",
    )
    # TRL casts the adapter to bf16, in which most updates of a cosine schedule's end are lost to rounding.
    for parameter in trainer.trainable():
        parameter.data = parameter.data.float()
    return trainer


def lora_config(lora: dict[str, Any]) -> LoraConfig:
    """The config's `lora` in PEFT's words."""
    return LoraConfig(
        r=lora["r"],
        lora_alpha=lora["alpha"],
        lora_dropout=lora["dropout"],
        target_modules=lora["target_modules"],
        task_type="CAUSAL_LM",
    )


def pack_samples(samples: list[TokenSample], capacity: int) -> Dataset:
    """Packs samples into training sequences of at most `capacity` tokens.

    Returns:
        One row a sequence: `input_ids`; `labels`, which count completions only; `seq_lengths`, the samples' lengths.
    """
    rows: dict[str, list[list[int]]] = {"input_ids": [], "labels": [], "seq_lengths": []}
    for members in pack([len(sample) for sample in samples], capacity):
        chosen = [samples[index] for index in members]
        rows["input_ids"].append([token for s in chosen for token in s.prompt + s.completion])
        rows["labels"].append([label for s in chosen for label in [IGNORED] * len(s.prompt) + s.completion])
        rows["seq_lengths"].append([len(sample) for sample in chosen])
    return Dataset.from_dict(rows)


def collate(sequences: list[dict[str, list[int]]]) -> dict[str, Any]:
    """Lays packed sequences end to end: no padding.

    Returns:
        `input_ids`, `labels` and `position_ids`, which restart with each sample, of shape (1, tokens); and
        `seq_lengths`, the lengths of the samples of each sequence.
    """
    flat = {key: [value for sequence in sequences for value in sequence[key]] for key in ("input_ids", "labels")}
    lengths = [sequence["seq_lengths"] for sequence in sequences]
    positions = torch.cat([torch.arange(length) for sequence in lengths for length in sequence])
    return {
        **{key: torch.tensor([values]) for key, values in flat.items()},
        "position_ids": positions[None],
        "seq_lengths": lengths,
    }


def choose(batch: dict[str, Any], sequences: slice) -> dict[str, Any]:
    """Some of the packed sequences of a batch, as the model takes them."""
    lengths: list[list[int]] = batch["seq_lengths"]
    start = sum(map(sum, lengths[: sequences.start]))
    chosen = [length for sequence in lengths[sequences] for length in sequence]
    tensors = {key: value[:, start : start + sum(chosen)] for key, value in batch.items() if key != "seq_lengths"}
    return {**tensors, "packed": Packed(chosen, batch["input_ids"].device)}


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
        self.start, self.joules = time.monotonic(), records.gpu_joules()
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
        _set_generator_states(self.generators)

    def _maybe_log_save_evaluate(self, *arguments: Any, **options: Any) -> None:
        """The last thing that the library does in a step: it logs."""
        super()._maybe_log_save_evaluate(*arguments, **options)
        self.after_step()

    def after_step(self) -> None:
        """Evaluates if that is due and not done yet; keeps the adapter and a state to go on from."""
        self.generators = _generator_states()
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
            _set_generator_states(self.generators)
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
            loss: torch.Tensor = compute(model, choose(inputs, sequences), num_items_in_batch)
            return loss

        return torch.stack(self.limit.map(part, len(inputs["seq_lengths"]), undo)).sum()

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Mean negative log-likelihood of the validation completions, in nats a token and bits a byte.

        The library's own averages over batches, so that it depends on how samples are packed and batched. No random
        number is drawn, so that it does not matter to the training when this runs.
        """
        start = time.monotonic()
        with torch.random.fork_rng(), _evaluating(self.model), torch.no_grad():
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
                outputs = self.model(**choose(inputs, sequences), use_cache=False, fused_lm_head=True)
            return -outputs.log_probs.sum(dtype=torch.float64), outputs.label_mask.sum()

        return self.limit.map(part, len(inputs["seq_lengths"]), undo=lambda: None)

    def spent(self) -> dict[str, float]:
        """Time spent in training, evaluations included, and in evaluations alone, and energy; over all attempts."""
        now = records.gpu_joules()
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


def evaluated_steps(history: list[dict[str, Any]]) -> list[int]:
    """The steps after which the validation loss was measured, 0 for the untrained adapter."""
    return [row["step"] for row in history if "eval_loss" in row]


def _generator_states() -> tuple[torch.Tensor, torch.Tensor | None]:
    """The states of the random number generators that dropout draws from."""
    return torch.get_rng_state(), torch.cuda.get_rng_state() if torch.cuda.is_available() else None


def _set_generator_states(states: tuple[torch.Tensor, torch.Tensor | None]) -> None:
    torch.set_rng_state(states[0])
    if states[1] is not None:
        torch.cuda.set_rng_state(states[1])


class _Reports(TrainerCallback):  # type: ignore[misc]
    """Tells the trainer when training begins, and people how it goes."""

    def __init__(self, trainer: QLoraTrainer) -> None:
        self.trainer = trainer
        self.start, self.first = time.monotonic(), 0

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        self.start, self.first = time.monotonic(), state.global_step
        self.trainer.begin()

    def on_log(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        row = log_row(state.log_history[-1])
        if len(row) == 2:
            return
        done = state.global_step - self.first
        elapsed = time.monotonic() - self.start
        left = f", at most {elapsed / done * (state.max_steps - state.global_step) / 60:.1f} min left" if done else ""
        shown = ", ".join(f"{key} {value:.4g}" for key, value in row.items() if key != "step")
        print(f"step {row['step']}/{state.max_steps}: {shown} [{elapsed / 60:.1f} min{left}]", flush=True)


LOGGED = ("loss", "grad_norm", "learning_rate", "mean_token_accuracy", "eval_loss", "eval_bits_per_byte")


def log_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the training log: step and epoch, and what the library logs, less what depends on the clock."""
    kept = {key: row[key] for key in LOGGED if key in row}
    return {"step": row["step"], "epoch": round(row.get("epoch", 0.0), 4), **kept}


def choose_attention(model: Any, samples: list[TokenSample]) -> None:
    """Gives a model the fastest attention for packed samples that is right for it on this device, as tried on it.

    The logits of a sample must not change at all when its neighbour in the row does, and must be those that the
    library's own attention gives the sample alone, up to the rounding of the compute type (relative errors below 0.02
    in bf16).

    Raises:
        StudyError: None is right.
    """
    middle = len(samples) // 2
    first, second = sorted(samples, key=len)[middle - 1 : middle + 1]
    other = TokenSample(first.id, first.prompt[::-1], first.completion[::-1])
    with _evaluating(model), torch.no_grad():
        alone = model(input_ids=_row([second]), use_cache=False).logits[0].float()
        for name in candidates(model.dtype, device()):
            model.set_attn_implementation(name)
            try:
                logits, changed = (_logits_of_last(model, row) for row in ([first, second], [other, second]))
            except RuntimeError as error:
                print(f"attention {name}: cannot be had ({str(error).splitlines()[0]})", flush=True)
                continue
            leak, rounding = (((logits - x).norm() / x.norm()).item() for x in (changed, alone))
            print(f"attention {name}: {leak:.1e} with another neighbour, {rounding:.1e} alone (relative)", flush=True)
            if leak < 1e-4 and rounding < 0.05:
                return
    raise StudyError("no attention keeps the packed samples of this model apart: see the log")


def _row(samples: list[TokenSample]) -> torch.Tensor:
    """The ids of some samples in a row; shape (1, tokens)."""
    return torch.tensor([[token for s in samples for token in s.prompt + s.completion]], device=device())


def _logits_of_last(model: Any, samples: list[TokenSample]) -> torch.Tensor:
    """Logits of the last of some samples packed into one row, in their order; shape (tokens, vocabulary)."""
    lengths = [len(sample) for sample in samples]
    positions = torch.cat([torch.arange(length, device=device()) for length in lengths])[None]
    packed = Packed(lengths, device())
    logits = model(input_ids=_row(samples), position_ids=positions, packed=packed, use_cache=False).logits[0]
    return logits[-lengths[-1] :].float()


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def name_base_model(model: Any, entry: dict[str, Any]) -> None:
    """Writes into the adapter's configuration which checkpoint it belongs to, by its public name and commit."""
    config = model.peft_config["default"]
    config.base_model_name_or_path = entry["path"] if "path" in entry else entry["repo"]
    config.revision = entry.get("revision")


def _write_results(trainer: QLoraTrainer, identity: dict[str, Any], outputs: FinetuneOutputs) -> None:
    """Puts the adapters of all evaluations into place, the best of them as the result, the log and the record."""
    state = trainer.state
    names = [f"step-{step:06d}" for step in evaluated_steps(state.log_history) if step > 0]
    with atomic(outputs.checkpoints) as folder:
        for name in names:
            (folder / name).mkdir(parents=True)
            link_or_copy(trainer.work / name / ADAPTER, folder / name)
            trainer.model.peft_config["default"].save_pretrained(str(folder / name))
    record = _record(trainer, identity)
    with atomic(outputs.adapter) as folder:
        folder.mkdir()
        for name in ADAPTER_FILES:
            shutil.copy(Path(outputs.checkpoints) / f"step-{state.best_global_step:06d}" / name, folder)
        write_text(folder / "README.md", model_card(identity["model"], identity["settings"], record))
    write_jsonl(outputs.log, (row for row in map(log_row, state.log_history) if len(row) > 2))
    write_json(outputs.record, record)


def _record(trainer: QLoraTrainer, identity: dict[str, Any]) -> dict[str, Any]:
    state, spent = trainer.state, trainer.spent()
    tokens = sum(map(len, trainer.train_dataset["input_ids"]))
    return {
        "model": identity["model"],
        "settings": identity["settings"],
        "seed": identity["seed"],
        "checkpoint": identity["checkpoint"],
        "inputs_sha256": identity["data"],
        "parameters": {
            "trainable": sum(parameter.numel() for parameter in trainer.trainable()),
            "dtype": "float32",
        },
        "attention": trainer.model.config._attn_implementation,
        "deterministic": trainer.deterministic,
        "data": {
            "packed_sequences": len(trainer.train_dataset),
            "tokens": tokens,
            "packing_fill": round(tokens / (len(trainer.train_dataset) * identity["settings"]["max_length"]), 4),
        },
        "result": {
            "steps": state.global_step,
            "planned_steps": state.max_steps,
            "best_step": state.best_global_step,
            "best_validation_loss": state.best_metric,
            "stopped_early": state.global_step < state.max_steps,
            "checkpoints": [step for step in evaluated_steps(state.log_history) if step > 0],
        },
        "cost": {
            "seconds": spent["seconds"],
            "evaluation_seconds": spent["evaluation_seconds"],
            **({"energy_joules": spent["joules"]} if spent["joules"] else {}),
            "tokens_per_second": round(
                (state.epoch or 0.0) * tokens / max(spent["seconds"] - spent["evaluation_seconds"], 0.1), 1
            ),
            "micro_batch": trainer.limit.rows,
            "peak_memory": records.peak_memory(),
        },
        "environment": records.environment(),
    }
