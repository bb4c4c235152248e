"""Training on miniature models: gradients, losses, fp32 adapters, determinism, memory."""

import math
from dataclasses import replace

import pytest
import torch
from codetune.methods.schedule import share_of_highest
from codetune.models.attention import Packed
from codetune.models.memory import RowLimit
from codetune.prompts.tokensets import TokenSample
from codetune.study.model import Memory
from codetune.training.batches import IGNORED, pack_samples
from codetune.training.gradients import GradientSum, digests
from codetune.training.history import log_row
from miniatures import (
    FAMILIES,
    FOUR_AT_ONCE,
    FP32,
    FULL_PLAN,
    MODEL,
    PLAN,
    batch_of,
    complete,
    out_of_memory_beyond,
    tokens_for,
    trainer_for,
)
from tunings import lora


def test_labels_count_completions_only():
    samples = [TokenSample(0, [5, 6], [7, 8]), TokenSample(1, [9], [10])]
    batch = batch_of(samples, 8)
    assert batch["input_ids"][0].tolist() == [5, 6, 7, 8, 9, 10]
    assert batch["packed"].lengths == [4, 2]
    assert batch["labels"][0].tolist() == [IGNORED, IGNORED, 7, 8, IGNORED, 10]
    assert batch["position_ids"][0].tolist() == [0, 1, 2, 3, 0, 1]


def test_adapters_train_in_fp32_and_the_base_stays_frozen(checkpoints, tmp_path):
    trainer = trainer_for(checkpoints / "llama-3.2-1b", tmp_path, tokens_for(checkpoints / "llama-3.2-1b"))
    trainable = {name: p for name, p in trainer.model.named_parameters() if p.requires_grad}
    assert trainable
    assert all("lora_" in name and p.dtype == torch.float32 for name, p in trainable.items())
    assert type(trainer.optimizer).__name__ == "NoneType"  # made by train(), from the fp32 parameters


@pytest.mark.parametrize("name", FAMILIES)
def test_the_full_study_s_bfloat16_trains_and_generates_too(checkpoints, tmp_path, name):
    """The paper's compute type, here on a CPU: adapters stay in fp32, losses agree with fp32 up to rounding."""
    samples = tokens_for(checkpoints / name, 16)
    losses = {}
    for dtype in ("float32", "bfloat16"):
        plan = replace(PLAN, quantization=replace(FP32, compute_dtype=dtype))
        trainer = trainer_for(checkpoints / name, tmp_path / dtype, samples, plan)
        trainer.run()
        assert all(p.dtype == torch.float32 for p in trainer.model.parameters() if p.requires_grad)
        losses[dtype] = trainer.evaluate()["eval_loss"]
        trainer.model.set_attn_implementation("eager")
        complete(trainer.model.eval(), trainer.processing_class, samples[:3])
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)


DROPOUT = replace(PLAN, tuning=lora(lora_dropout=0.2))


def weights_of(trainer):
    return torch.cat([parameter.detach().flatten() for parameter in trainer.trainable()])


@pytest.mark.parametrize("possible", [True, False])
def test_training_demands_deterministic_kernels_where_it_can(checkpoints, tmp_path, monkeypatch, possible):
    """torch's attention on a GPU is deterministic only then. The trial leaves no trace in log, weights or seeds."""
    samples = tokens_for(checkpoints / "llama-3.2-1b", 8)
    trainer = trainer_for(checkpoints / "llama-3.2-1b", tmp_path, samples, DROPOUT)
    compute, calls = trainer.compute_loss, []

    def compute_loss(*arguments, **options):
        calls.append(torch.is_deterministic_algorithms_warn_only_enabled())
        if not possible and not calls[-1]:
            raise RuntimeError("put_ does not have a deterministic implementation, but you set ...")
        return compute(*arguments, **options)

    monkeypatch.setattr(trainer, "compute_loss", compute_loss)
    trainer.run()
    assert trainer.deterministic is possible
    assert calls[0] is False
    assert set(calls[1:]) == {not possible}
    plain = trainer_for(checkpoints / "llama-3.2-1b", tmp_path / "plain", samples, DROPOUT)
    monkeypatch.setattr(plain, "try_a_step", lambda: None)
    plain.run()
    assert [log_row(row) for row in trainer.state.log_history] == [log_row(row) for row in plain.state.log_history]
    assert torch.equal(weights_of(trainer), weights_of(plain))


class DrawsOfItsOwn(torch.autograd.Function):
    """The identity, with a backward pass that gives other bytes each time: what a kernel with atomic sums does."""

    calls = 0

    @staticmethod
    def forward(_, values):
        return values.clone()

    @staticmethod
    def backward(_, gradient):
        DrawsOfItsOwn.calls += 1
        return gradient * (1 + 1e-5 * DrawsOfItsOwn.calls)


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_kernels_that_torch_knows_nothing_of_are_found_by_computing_twice(checkpoints, tmp_path, capsys, where):
    """A difference in the backward pass alone leaves the loss as it is. The training goes on."""
    trainer = trainer_for(checkpoints / MODEL, tmp_path, tokens_for(checkpoints / MODEL, 12), DROPOUT)
    layer = trainer.model.base_model.model.model.layers[1].mlp

    def disturb(_module, _inputs, output):
        if where == "backward" or not torch.is_grad_enabled():
            return DrawsOfItsOwn.apply(output)
        DrawsOfItsOwn.calls += 1
        return output * (1 + 1e-5 * DrawsOfItsOwn.calls)

    layer.register_forward_hook(disturb)
    trainer.run()
    assert trainer.deterministic is False
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("not deterministic")]
    assert len(said) == 1
    tensors = 1 + len(trainer.trainable())
    assert "computed twice, loss and gradients have other bytes (" in said[0]
    assert f" of {tensors} tensors)" in said[0]
    assert trainer.state.global_step == trainer.state.max_steps > 0


def test_a_trial_in_which_memory_runs_out_is_made_again_with_what_fits(checkpoints, tmp_path, capsys):
    """Dropout draws other masks for smaller parts: that says nothing about the kernels."""
    plan = replace(DROPOUT, memory=FOUR_AT_ONCE.memory)
    trainer = trainer_for(checkpoints / MODEL, tmp_path, tokens_for(checkpoints / MODEL, 24), plan)
    trainer.model.train()
    seen = out_of_memory_beyond(trainer.model, 2)
    before = torch.get_rng_state()
    trainer.create_optimizer_and_scheduler(1)
    trainer.try_a_step()
    assert trainer.deterministic
    text = capsys.readouterr().out
    assert (
        "continuing with 2 (CUDA out of memory). From here on dropout draws other masks, so the result differs" in text
    )
    assert seen == [4, 2, 2, 2, 2, *[2] * 4]
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in trainer.trainable())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([1.0, 2.0], [1.0, 2.0], True),
        ([math.nan], [math.nan], True),
        ([0.0], [-0.0], False),
        ([1.0], [1.0 + 2**-23], False),
        (None, None, True),
        (None, [0.0], False),
    ],
)
def test_bytes_are_compared_and_not_numbers(one, other, same):
    tensors = [None if values is None else torch.tensor(values) for values in (one, other)]
    found = digests(tensors)
    assert (found[0] == found[1]) is same
    assert len(set(digests([torch.tensor(1.5), torch.tensor(1.5)]))) == 1


@pytest.mark.parametrize("plan", [PLAN, FULL_PLAN], ids=["lora", "full"])
def test_gradient_checkpointing_changes_memory_alone(checkpoints, tmp_path, plan):
    samples = tokens_for(checkpoints / "llama-3.2-1b", 8)
    losses = []
    for number, recompute in enumerate((False, True)):
        plan = replace(plan, memory=Memory(micro_batch=2, gradient_checkpointing=recompute))
        trainer = trainer_for(checkpoints / "llama-3.2-1b", tmp_path / str(number), samples, plan)
        assert trainer.args.gradient_checkpointing is recompute
        trainer.run()
        losses.append(trainer.evaluate()["eval_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_the_validation_loss_is_per_token(checkpoints, tmp_path):
    """Against a plain loop over single samples; the trainer's own mean over batches would differ."""
    samples = tokens_for(checkpoints / "llama-3.2-1b")
    trainer = trainer_for(checkpoints / "llama-3.2-1b", tmp_path, samples)
    total, tokens = 0.0, 0
    trainer.model.eval()
    with torch.no_grad():
        for sample in samples[:5]:
            ids = torch.tensor([sample.prompt + sample.completion])
            logits = trainer.model(input_ids=ids, use_cache=False, packed=Packed([len(sample)], "cpu")).logits
            log_probs = logits[0].log_softmax(-1)
            for position, token in enumerate(sample.completion, start=len(sample.prompt)):
                total -= log_probs[position - 1, token].item()
                tokens += 1
    metrics = trainer.evaluate()
    assert metrics["eval_loss"] == pytest.approx(total / tokens, rel=1e-5)
    assert metrics["eval_bits_per_byte"] == pytest.approx(total / math.log(2) / 1000, rel=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_equal_those_of_padded_batches(checkpoints, tmp_path, name):
    """Packed samples with our attention against a padded batch with the library's own: what users would run."""
    samples = tokens_for(checkpoints / name, 6)
    trainer = trainer_for(checkpoints / name, tmp_path, samples)
    for parameter in trainer.model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.02, generator=torch.Generator().manual_seed(1))
    tokens = sum(len(sample.completion) for sample in samples)

    def gradients(batch):
        trainer.model.zero_grad()
        trainer.model.train()
        trainer.compute_loss(trainer.model, batch, num_items_in_batch=tokens).backward()
        return [p.grad.clone() for p in trainer.model.parameters() if p.requires_grad]

    packed = gradients(batch_of(samples, 256))
    trainer.model.set_attn_implementation("eager" if name == "gemma-2-2b" else "sdpa")
    width = max(map(len, samples))
    padded = gradients(
        {
            "input_ids": torch.tensor([s.prompt + s.completion + [0] * (width - len(s)) for s in samples]),
            "labels": torch.tensor(
                [[IGNORED] * len(s.prompt) + s.completion + [IGNORED] * (width - len(s)) for s in samples]
            ),
            "attention_mask": torch.tensor([[1] * len(s) + [0] * (width - len(s)) for s in samples]),
        }
    )
    assert len({len(sample) for sample in samples}) > 1
    for one, other in zip(packed, padded, strict=True):
        torch.testing.assert_close(one, other, atol=2e-6, rtol=1e-3)


def gradients(trainer, batches):
    trainer.model.zero_grad()
    items = sum((batch["labels"][:, 1:] != -100).sum() for batch in batches)
    losses = [trainer.training_step(trainer.model, batch, items).item() for batch in batches]
    return losses, [p.grad.clone() for p in trainer.model.parameters() if p.requires_grad]


def test_a_smaller_micro_batch_gives_the_same_gradients(checkpoints, tmp_path, capsys):
    samples = tokens_for(checkpoints / MODEL, 24)
    trainer = trainer_for(checkpoints / MODEL, tmp_path, samples, FOUR_AT_ONCE)
    rows = list(trainer.train_dataset)
    batches = [trainer.data_collator(rows[start : start + 4]) for start in (0, 4)]
    assert [len(batch["seq_lengths"]) for batch in batches] == [4, 4]
    losses, expected = gradients(trainer, batches)
    seen = out_of_memory_beyond(trainer.model, 1)
    found_losses, found = gradients(trainer, batches)
    assert found_losses == pytest.approx(losses, rel=1e-5)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)
    assert seen[:2] == [4, 2]
    assert set(seen[2:]) == {1}  # the limit holds from then on
    assert trainer.limit.rows == 1
    text = capsys.readouterr().out
    assert "out of memory with 4 sequences at once: continuing with 2 (CUDA out of memory)" in text


@pytest.mark.parametrize(("dropout", "least", "most"), [(0.0, 0.0, 1e-5), (0.05, 1e-3, 1.0)])
def test_what_the_micro_batch_changes_is_the_masks_of_dropout(checkpoints, tmp_path, dropout, least, most):
    """As the docs say: with dropout another micro-batch is like another seed, without it is rounding."""
    adapters = []
    for size in (1, 2):
        plan = replace(
            PLAN, tuning=lora(lora_dropout=dropout), memory=Memory(size), settings=replace(PLAN.settings, epochs=2)
        )
        trainer = trainer_for(checkpoints / MODEL, tmp_path / str(size), tokens_for(checkpoints / MODEL, 24), plan)
        trainer.run()
        adapters.append(weights_of(trainer))
    difference = ((adapters[0] - adapters[1]).norm() / adapters[0].norm()).item()
    assert least <= difference < most


def test_gradients_of_a_part_that_had_been_added_are_taken_back(checkpoints, tmp_path):
    """Memory may run out in the second part of a micro-batch, when the first has been added already."""
    trainer = trainer_for(checkpoints / MODEL, tmp_path, tokens_for(checkpoints / MODEL, 24), FOUR_AT_ONCE)
    rows = list(trainer.train_dataset)
    batches = [trainer.data_collator(rows[start : start + 4]) for start in (0, 4)]
    _, expected = gradients(trainer, batches)
    trainer.limit.rows = 2
    forward, calls = trainer.model.forward, []

    def fails_once(*arguments, **inputs):
        calls.append(math.ceil(inputs["input_ids"].shape[1] / 128))
        if len(calls) == 4:  # the second part of the second micro-batch
            raise torch.OutOfMemoryError("CUDA out of memory. ")
        return forward(*arguments, **inputs)

    trainer.model.forward = fails_once
    _, found = gradients(trainer, batches)
    assert calls == [2, 2, 2, 2, *[1] * 8], "the first micro-batch is computed again, too"
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


def test_what_is_computed_again_begins_with_the_random_numbers_that_it_began_with(checkpoints, tmp_path):
    """So after memory has run out a step is what it is for a job that began with the smaller parts."""
    trainer = trainer_for(
        checkpoints / MODEL, tmp_path, tokens_for(checkpoints / MODEL, 24), replace(FOUR_AT_ONCE, tuning=DROPOUT.tuning)
    )
    rows = list(trainer.train_dataset)
    batches = [trainer.data_collator(rows[start : start + 4]) for start in (0, 4)]
    torch.manual_seed(3)
    trainer.limit.rows = 1
    begun = []

    def noting(compute):
        def noted(*arguments, **options):
            begun.append(torch.get_rng_state())
            return compute(*arguments, **options)

        return noted

    trainer.compute_loss = noting(trainer.compute_loss)
    _, expected = gradients(trainer, batches)
    small, begun[:] = list(begun), []
    torch.manual_seed(3)
    trainer.limit.rows = 4
    forward, calls = trainer.model.forward, []

    def fails_once(*arguments, **inputs):
        calls.append(1)
        if len(calls) == 2:  # the second micro-batch, after which parts have two sequences; then one
            trainer.limit.rows = 2
            raise torch.OutOfMemoryError("CUDA out of memory. ")
        return forward(*arguments, **inputs)

    trainer.model.forward = fails_once
    _, found = gradients(trainer, batches)
    assert torch.equal(begun[2], small[0]), "the first micro-batch begins anew"
    assert len(begun) == 2 + 8
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
    assert torch.equal(begun[-4], begun[1]), "and so does the second"


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor", "adamw_8bit"])
@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_each_optimizer_lowers_the_loss(checkpoints, tmp_path, optimizer, tuning):
    plan = PLAN if tuning == "lora" else FULL_PLAN
    plan = replace(plan, settings=replace(plan.settings, optimizer=optimizer, epochs=2, weight_decay=0.01))
    trainer = trainer_for(checkpoints / MODEL, tmp_path, tokens_for(checkpoints / MODEL), plan)
    trainer.run()
    losses = [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row]
    assert min(losses[1:]) < losses[0]
    groups = trainer.optimizer.param_groups
    decayed = {id(one) for group in groups if group["weight_decay"] for one in group["params"]}
    spared = [name for name, one in trainer.model.named_parameters() if one.requires_grad and id(one) not in decayed]
    assert all("norm" in name for name in spared)
    if optimizer == "adafactor":
        fixed = {"scale_parameter": False, "relative_step": False, "warmup_init": False, "beta1": None}
        assert all(group | fixed == group for group in groups)


@pytest.mark.parametrize(("schedule", "warmup"), [("constant", 0), ("constant", 0.5), ("linear", 0.5), ("cosine", 2)])
def test_the_learning_rates_of_a_training_are_those_that_tables_compute(checkpoints, tmp_path, schedule, warmup):
    settings = replace(PLAN.settings, schedule=schedule, warmup_steps=warmup, epochs=2, batch_size=2)
    trainer = trainer_for(
        checkpoints / MODEL, tmp_path, tokens_for(checkpoints / MODEL), replace(PLAN, settings=settings)
    )
    trainer.run()
    rates = {row["step"]: row["learning_rate"] for row in trainer.state.log_history if "learning_rate" in row}
    assert len(rates) == trainer.state.max_steps >= 4
    for step, rate in rates.items():
        share = share_of_highest(schedule, warmup, step - 1, trainer.state.max_steps)
        assert rate == pytest.approx(settings.learning_rate * share, abs=1e-15)


def test_labels_follow_from_the_place_and_not_from_the_token():
    """In base checkpoints the end token is the pad token. It has to be learned all the same."""
    pad = end = 0
    samples = [TokenSample(0, [pad, 5], [7, pad, end]), TokenSample(1, [6], [end])]
    (row,) = pack_samples(samples, 8)
    assert row["input_ids"] == [0, 5, 7, 0, 0, 6, 0]
    assert row["labels"] == [-100, -100, 7, 0, 0, -100, 0]


def test_a_signal_is_looked_for_before_what_is_computed_again():
    """The stretch between two looks stays that of one micro-batch."""
    weight = torch.nn.Parameter(torch.zeros(1))
    gradients, looks = GradientSum(RowLimit(2, "sequences", ""), lambda: [weight]), []
    batch = {"input_ids": torch.zeros(1, 8), "seq_lengths": [[2], [2], [2], [2]]}
    failing = iter([False, False, False, True, *[False] * 99])

    def compute(part):
        if next(failing):
            raise torch.OutOfMemoryError("out of memory")
        loss = weight.sum() + part["input_ids"].shape[1]
        loss.backward()
        return loss.detach()

    for _ in range(2):
        gradients.add(batch, compute, lambda: looks.append(1))
    assert len(looks) == 1
    assert weight.grad.item() == 8, "each of eight sequences once"
