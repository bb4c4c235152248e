"""Each type of PEFT tried on a miniature model, through this workflow's own training and decoding.

What is tried is what a run needs of a type (`TRIALS`), each against PEFT's or transformers' own way of doing it.
"""

import contextlib
import io
import math
import signal
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from codetune.base.errors import StudyError
from codetune.base.signals import Stopped
from codetune.generation.decoding import decode, greedy_config
from codetune.methods.tuning import make_tuning
from codetune.models.loading import load_base
from codetune.models.tokenizers import load_tokenizer
from codetune.study.method import TuningSettings
from codetune.training.batches import collate, pack_samples, select_sequences
from codetune.training.states import TRAINED
from miniatures import DECODING, FP32, PLAN, complete, tokens_for, trainer_for

CLOSE = 1e-4  # relative difference of losses and logits that other kernels explain, in fp32
START = 0.05  # relative difference of a fresh adapter's loss from the base model's
LEAST = 0.002  # nats per token that the loss has to fall: the model has hardly been pre-trained
STOP = 9  # look for a signal at which a training is stopped
TRIALS = ("trains", "resumes", "loads", "decodes", "swaps", "packs", "recomputes", "bfloat16")


@dataclass(frozen=True)
class Trial:
    """What a type is tried with.

    Attributes:
        name: Of the entry, which the table shows.
        keys: PEFT's keys.
        rate: Learning rate.
    """

    name: str
    keys: dict
    rate: float = 1e-2

    def plan(self, quantization=FP32, **settings):
        """A training of some steps."""
        settings = {"learning_rate": self.rate, "epochs": 3, "patience": None, "batch_size": 4, **settings}
        tuning = TuningSettings("peft", self.keys)
        return replace(PLAN, tuning=tuning, quantization=quantization, settings=replace(PLAN.settings, **settings))


class Failed(Exception):  # noqa: N818
    """What was tried did not come out as it must."""


def try_type(checkpoint, trial, quantization=FP32, trials=TRIALS):
    """Tries one type.

    Returns:
        By the names of the trials: "yes", or what is not as it must be.
    """
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = tokens_for(checkpoint, 24)
        trained = None
        for one in trials:
            try:
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    if trained is None:
                        trained = Trained(checkpoint, trial, quantization, folder, samples)
                    getattr(trained, one)()
                found[one] = "yes"
            except (Exception, StudyError) as error:
                found[one] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
                if trained is None:
                    break
    return found


class Trained:
    """A finished training, and what is asked of it."""

    def __init__(self, checkpoint, trial, quantization, folder, samples):
        self.checkpoint, self.trial, self.quantization = checkpoint, trial, quantization
        self.folder, self.samples, self.plan = folder, samples, trial.plan(quantization)
        self.trainer = trainer_for(checkpoint, folder / "whole", samples, self.plan)
        self.trainer.run()
        self.steps = sorted((folder / "whole" / "work").glob("step-*"))
        self.tuning = make_tuning(self.plan.tuning)

    def trains(self):
        """It begins with the base model's loss, each evaluation is a number, and the loss becomes lower."""
        losses = [row["eval_loss"] for row in self.trainer.state.log_history if "eval_loss" in row]
        if not all(map(math.isfinite, losses)) or not min(losses[1:]) < losses[0] - LEAST:
            raise Failed(f"losses {[round(loss, 3) for loss in losses]}")
        untrained = loss_of(self.base(), self.samples[:5])
        if not abs(losses[0] - untrained) < START * untrained:
            raise Failed(f"it begins with the loss {losses[0]:.3f}, the base model has {untrained:.3f}")

    def resumes(self):
        """Stopped in the middle of a step and gone on with, it ends with the same bytes."""
        other = self.folder / "stopped"
        trainer = trainer_for(self.checkpoint, other, self.samples, self.plan)
        with stopped_at(STOP):
            try:
                trainer.run()
            except Stopped:
                pass
            else:
                raise Failed("the training was not stopped")
        again = trainer_for(self.checkpoint, other, self.samples, self.plan)
        again.run()
        for step in self.steps:
            for file in sorted(step.iterdir()):
                if file.read_bytes() != (other / "work" / step.name / file.name).read_bytes():
                    raise Failed(f"{step.name}/{file.name} has other bytes")

    def base(self, quantization=None):
        """A base model of its own."""
        return load_base(self.checkpoint, quantization or self.quantization)

    def plain(self, quantization=None):
        """The last checkpoint as PEFT itself loads it."""
        from peft import PeftModel

        return PeftModel.from_pretrained(self.base(quantization), str(self.steps[-1])).eval()

    def loads(self):
        """PEFT's own loading gives the validation loss of the training, and so does ours."""
        expected = [row["eval_loss"] for row in self.trainer.state.log_history if "eval_loss" in row][-1]
        for name, model in (("PEFT", self.plain()), ("ours", self.tuning.load(self.base(), self.steps[-1]))):
            found = loss_of(model, self.samples[:5])
            if not abs(found - expected) < CLOSE * expected:
                raise Failed(f"validation loss {expected:.5f} in training, {found:.5f} loaded ({name})")

    def decodes(self):
        """Greedy decoding of a batch gives the tokens that transformers' own generate gives for each prompt alone."""
        prompts = [sample.prompt for sample in self.samples[:6]]
        model, ends = self.tuning.load(self.base(), self.steps[-1]), self.trainer.processing_class.eos_token_id
        options = greedy_config(model, DECODING.max_new_tokens, [ends])
        found = decode(model, prompts, options)
        plain, expected = self.plain(), []
        for prompt in prompts:
            ids = torch.tensor([prompt])
            made = plain.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=options)
            expected.append(made[0, len(prompt) :].tolist())
        other = [pair for pair in zip(found, expected, strict=True) if pair[0] != pair[1]]
        if other:
            raise Failed(f"{len(other)} of {len(found)} completions differ: {other[0]}")

    def swaps(self):
        """A checkpoint in the place of another computes as one that was loaded afresh."""
        model = self.tuning.load(self.base(), self.steps[0])
        for step in (self.steps[-1], self.steps[0], self.steps[1]):
            model = self.tuning.swap(model, step)
            fresh = self.tuning.load(self.base(), step)
            if not torch.equal(logits_of(model, self.samples[0]), logits_of(fresh, self.samples[0])):
                raise Failed(f"{step.name} computes something else in the place of another")

    def packs(self):
        """The gradients of a packed row are those of its samples, each alone."""
        samples, draws = self.samples[:6], self.trainer.tuning.uses_dropout
        packed = gradients(self.trainer, list(pack_samples(samples, 512)), training=not draws)
        rows = [row for one in samples for row in pack_samples([one], 512)]
        alone = gradients(self.trainer, rows, one_by_one=True, training=not draws)
        check_close("the gradients of packed samples", packed, alone, 1e-3)

    def recomputes(self):
        """Gradients with checkpointing are those without it."""
        plan = replace(self.plan, memory=replace(self.plan.memory, gradient_checkpointing=True))
        trainer = trainer_for(self.checkpoint, self.folder / "again", self.samples, plan)
        trainer.tuning.save_state(self.trainer.model, self.folder)
        trainer.tuning.load_state(trainer.model, self.folder)
        if not (self.folder / TRAINED).exists():
            raise Failed("no state")
        trainer.model.train()
        rows = list(pack_samples(self.samples[:6], 512))
        check_close("the gradients with checkpointing", gradients(trainer, rows), gradients(self.trainer, rows), 1e-3)

    def bfloat16(self):
        """In bfloat16 it trains, and computes, loaded without autocast, as it did with it."""
        bf16 = replace(self.quantization, compute_dtype="bfloat16")
        plan = replace(self.plan, quantization=bf16)
        trainer = trainer_for(self.checkpoint, self.folder / "bf16", self.samples, plan)
        trainer.run()
        kinds = {parameter.dtype for parameter in trainer.trainable()}
        if kinds != {torch.float32}:
            raise Failed(f"trained in {kinds}")
        step = sorted((self.folder / "bf16" / "work").glob("step-*"))[-1]
        expected = [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row][-1]
        model = self.tuning.load(self.base(bf16), step)
        found = loss_of(model, self.samples[:5])
        if not abs(found - expected) < 0.02 * expected:
            raise Failed(f"validation loss {expected:.4f} in training, {found:.4f} loaded")
        complete(model, load_tokenizer(self.checkpoint), self.samples[:3])


@contextlib.contextmanager
def stopped_at(call):
    """Stands for a signal that comes just before a training looks for one for this time."""
    from codetune.training import trainer

    calls, before = 0, trainer.signals_deferred

    def look():
        nonlocal calls
        calls += 1
        if calls == call:
            raise Stopped(signal.SIGTERM)

    @contextlib.contextmanager
    def deferred():
        yield look

    trainer.signals_deferred = deferred
    try:
        yield
    finally:
        trainer.signals_deferred = before


def logits_of(model, sample):
    """The logits of one sample."""
    with torch.no_grad():
        return model(input_ids=torch.tensor([sample.prompt + sample.completion])).logits[0].float()


def loss_of(model, samples):
    """The mean negative log-likelihood of the completions, from the logits of each sample alone."""
    total, count = 0.0, 0
    for sample in samples:
        logits = logits_of(model, sample).double().log_softmax(-1)
        ids = torch.tensor(sample.completion)
        places = torch.arange(len(sample.prompt), len(sample.prompt) + len(ids)) - 1
        total, count = total - logits[places, ids].sum().item(), count + len(ids)
    return total / count


def gradients(trainer, rows, one_by_one=False, training=True):
    """The gradients of these rows, by parameter; their loss is a sum, so that rows may come one by one."""
    model = trainer.model.train(training)
    model.zero_grad()
    for part in [[row] for row in rows] if one_by_one else [rows]:
        inputs = select_sequences(collate(part), slice(0, None))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            trainer.compute_loss(model, inputs, num_items_in_batch=torch.tensor(100)).backward()
    found = {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}
    model.zero_grad()
    return found


def check_close(what, found, expected, most):
    """Compares gradients by the norm of all of them."""
    if found.keys() != expected.keys():
        raise Failed(f"{what}: of other parameters")
    one, other = (torch.cat([grads[name].flatten().double() for name in expected]) for grads in (found, expected))
    difference = ((one - other).norm() / other.norm()).item()
    if not difference < most:
        raise Failed(f"{what} differ by {difference:.1e}")
