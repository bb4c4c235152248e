"""Training and generation on miniature models: isolation, gradients, losses, greedy decoding."""

import math
import tempfile
from pathlib import Path

import pytest
import torch
from codetune.errors import StudyError
from codetune.generation import generate, make_batches, prompt_limit
from codetune.models import load_base, set_determinism
from codetune.prompts import Template
from codetune.samples import Sample
from codetune.tokens import TokenSample, encode, load_tokenizer
from codetune.training import (
    IGNORED,
    PackedCollator,
    check_isolation,
    make_trainer,
    pack_samples,
)
from make_samples import make_records

FP32 = {"type": "nf4", "double": True, "compute_dtype": "float32"}
ATTENTION = {"llama-3.2-1b": "sdpa", "qwen2.5-1.5b": "sdpa", "gemma-2-2b": "eager"}
LORA = {
    "r": 4,
    "alpha": 8,
    "dropout": 0.0,
    "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
}
TRAINING = {
    "learning_rate": 1e-3,
    "schedule": "cosine",
    "warmup_steps": 0,
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "evaluations_per_epoch": 1,
    "patience": 2,
}
GENERATION = {"max_new_tokens": 12, "batch_size": 8, "batch_tokens": 4096}
torch.set_num_threads(1)


def tokens_for(checkpoint, count=12):
    tokenizer = load_tokenizer(checkpoint)
    samples = [Sample(number, **record) for number, record in enumerate(make_records(count, seed=5))]
    return encode(samples, tokenizer, Template("paper", tokenizer))


def trainer_for(checkpoint, folder, attention, samples, quantization=FP32, settings=None, **model):
    set_determinism(0)
    base = load_base(checkpoint, quantization, attention)
    entry = {"batch_size": 4, "micro_batch": 2, "epochs": 1, **model}
    settings = {"lora": LORA, "quantization": quantization, "training": TRAINING, "max_length": 128, **(settings or {})}
    sets = {"train": samples, "validation": samples[:5]}
    return make_trainer(base, load_tokenizer(checkpoint), sets, 1000, folder / "work", entry, settings, 0)


def complete(model, tokenizer, prompts, settings=GENERATION):
    with tempfile.TemporaryDirectory() as folder:
        return generate(model, tokenizer, prompts, settings, prompt_limit(settings), Path(folder) / "kept.jsonl")


def batch_of(samples, capacity=128):
    return PackedCollator(0)(list(pack_samples(samples, capacity)))


@pytest.mark.parametrize("name", ATTENTION)
def test_packed_logits_equal_separate_logits(checkpoints, name):
    model = load_base(checkpoints / name, FP32, ATTENTION[name])
    samples = tokens_for(checkpoints / name)
    rows = list(pack_samples(samples, 200))
    batch = PackedCollator(0)(rows)
    assert len(rows) > 1  # several rows, of several samples each, some padded
    assert max(len(row["seq_lengths"]) for row in rows) > 1
    with torch.no_grad():
        packed = model(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits
        for number, row in enumerate(rows):
            start = 0
            for length in row["seq_lengths"]:
                ids = batch["input_ids"][number, start : start + length]
                alone = model(input_ids=ids[None], use_cache=False).logits[0]
                torch.testing.assert_close(packed[number, start : start + length], alone, atol=1e-4, rtol=1e-4)
                start += length


@pytest.mark.parametrize("name", ATTENTION)
def test_the_isolation_check_passes_right_models_and_stops_leaking_ones(checkpoints, name):
    model = load_base(checkpoints / name, FP32, ATTENTION[name])
    samples = tokens_for(checkpoints / name)
    check_isolation(model, samples)

    forward = model.forward
    model.forward = lambda **inputs: forward(**{**inputs, "position_ids": None})  # samples become one text
    with pytest.raises(StudyError, match="packed samples see one another"):
        check_isolation(model, samples)


def test_labels_count_completions_only():
    samples = [TokenSample(0, [5, 6], [7, 8]), TokenSample(1, [9], [10])]
    batch = batch_of(samples, 8)
    assert batch["input_ids"][0].tolist() == [5, 6, 7, 8, 9, 10]
    assert batch["labels"][0].tolist() == [IGNORED, IGNORED, 7, 8, IGNORED, 10]
    assert batch["position_ids"][0].tolist() == [0, 1, 2, 3, 0, 1]


def lora_gradients(model, batch):
    model.zero_grad()
    model.train()
    model(**batch, use_cache=False).loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("name", ATTENTION)
def test_gradients_after_an_evaluation_equal_those_before(checkpoints, name):
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    base = load_base(checkpoints / name, FP32, ATTENTION[name])
    model = get_peft_model(base, LoraConfig(r=4, target_modules=LORA["target_modules"], init_lora_weights=False))
    samples = tokens_for(checkpoints / name)
    batch = batch_of(samples)
    before = lora_gradients(model, batch)
    complete(model.eval(), load_tokenizer(checkpoints / name), samples[:3])
    after = lora_gradients(model, batch)
    assert before
    assert any(gradient.abs().max() > 0 for gradient in before.values())
    for key, gradient in before.items():
        torch.testing.assert_close(after[key], gradient, rtol=0, atol=0)


def test_adapters_train_in_fp32_and_the_base_stays_frozen(checkpoints, tmp_path):
    trainer = trainer_for(checkpoints / "llama-3.2-1b", tmp_path, "sdpa", tokens_for(checkpoints / "llama-3.2-1b"))
    trainable = {name: p for name, p in trainer.model.named_parameters() if p.requires_grad}
    assert trainable
    assert all("lora_" in name and p.dtype == torch.float32 for name, p in trainable.items())
    assert type(trainer.optimizer).__name__ == "NoneType"  # made by train(), from the fp32 parameters


@pytest.mark.parametrize("name", ATTENTION)
def test_the_full_study_s_bfloat16_trains_and_generates_too(checkpoints, tmp_path, name):
    """The paper's compute type, here on a CPU: adapters stay in fp32, losses agree with fp32 up to rounding."""
    samples = tokens_for(checkpoints / name, 16)
    losses = {}
    for dtype in ("float32", "bfloat16"):
        quantization = {**FP32, "compute_dtype": dtype}
        trainer = trainer_for(checkpoints / name, tmp_path / dtype, ATTENTION[name], samples, quantization)
        check_isolation(trainer.model, samples)
        trainer.run()
        assert all(p.dtype == torch.float32 for p in trainer.model.parameters() if p.requires_grad)
        losses[dtype] = trainer.evaluate()["eval_loss"]
        complete(trainer.model.eval(), trainer.processing_class, samples[:3])
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)


def test_gradient_checkpointing_changes_memory_alone(checkpoints, tmp_path):
    samples = tokens_for(checkpoints / "llama-3.2-1b", 8)
    losses = []
    for number, recompute in enumerate((False, True)):
        folder = tmp_path / str(number)
        trainer = trainer_for(checkpoints / "llama-3.2-1b", folder, "sdpa", samples, gradient_checkpointing=recompute)
        assert trainer.args.gradient_checkpointing is recompute
        trainer.run()
        losses.append(trainer.evaluate()["eval_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_the_validation_loss_is_per_token(checkpoints, tmp_path):
    """Against a plain loop over single samples; the trainer's own mean over batches would differ."""
    samples = tokens_for(checkpoints / "llama-3.2-1b")
    trainer = trainer_for(checkpoints / "llama-3.2-1b", tmp_path, "sdpa", samples)
    total, tokens = 0.0, 0
    trainer.model.eval()
    with torch.no_grad():
        for sample in samples[:5]:
            ids = torch.tensor([sample.prompt + sample.completion])
            log_probs = trainer.model(input_ids=ids, use_cache=False).logits[0].log_softmax(-1)
            for position, token in enumerate(sample.completion, start=len(sample.prompt)):
                total -= log_probs[position - 1, token].item()
                tokens += 1
    metrics = trainer.evaluate()
    assert metrics["eval_loss"] == pytest.approx(total / tokens, rel=1e-5)
    assert metrics["eval_bits_per_byte"] == pytest.approx(total / math.log(2) / 1000, rel=1e-5)


def test_packed_gradients_equal_those_of_separate_samples(checkpoints, tmp_path):
    """One optimizer step's loss is the mean over completion tokens, however samples are packed."""
    samples = tokens_for(checkpoints / "qwen2.5-1.5b", 6)
    trainer = trainer_for(checkpoints / "qwen2.5-1.5b", tmp_path, "sdpa", samples)
    for parameter in trainer.model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.02, generator=torch.Generator().manual_seed(1))
    tokens = sum(len(sample.completion) for sample in samples)

    def gradients(batches):
        trainer.model.zero_grad()
        trainer.model.train()
        for batch in batches:
            trainer.compute_loss(trainer.model, batch, num_items_in_batch=tokens).backward()
        return [p.grad.clone() for p in trainer.model.parameters() if p.requires_grad]

    packed = gradients([batch_of(samples, 256)])
    separate = gradients([batch_of([sample], 256) for sample in samples])
    for one, other in zip(packed, separate, strict=True):
        torch.testing.assert_close(one, other, atol=2e-6, rtol=1e-3)


@pytest.mark.parametrize("name", ["llama-3.2-1b", "gemma-2-2b", "qwen2.5-1.5b", "phi-3-mini"])
def test_batched_greedy_decoding_equals_one_prompt_at_a_time(checkpoints, name):
    model = load_base(checkpoints / name, FP32, "eager" if name == "gemma-2-2b" else "sdpa")
    tokenizer = load_tokenizer(checkpoints / name)
    prompts = tokens_for(checkpoints / name, 9)
    batched = complete(model, tokenizer, prompts)
    single = complete(model, tokenizer, prompts, {**GENERATION, "batch_size": 1})
    assert batched == single
    assert [prediction.id for prediction in batched] == [prompt.id for prompt in prompts]


def test_a_prediction_is_cut_off_only_without_an_end(checkpoints):
    model = load_base(checkpoints / "llama-3.2-1b", FP32, "sdpa")
    tokenizer = load_tokenizer(checkpoints / "llama-3.2-1b")
    prompts = tokens_for(checkpoints / "llama-3.2-1b", 6)
    for prediction in complete(model, tokenizer, prompts, {**GENERATION, "max_new_tokens": 3}):
        assert prediction.tokens <= 3
        assert prediction.truncated or prediction.tokens < 3 or "<|end|>" in prediction.text or prediction.text == ""


def test_nothing_of_a_checkpoint_s_own_decoding_settings_is_left(checkpoints):
    """Qwen2.5 ships a repetition penalty, which greedy decoding would inherit."""
    model = load_base(checkpoints / "qwen2.5-1.5b", FP32, "sdpa")
    assert model.generation_config.repetition_penalty == 1.05
    prompts = tokens_for(checkpoints / "qwen2.5-1.5b", 2)
    complete(model, load_tokenizer(checkpoints / "qwen2.5-1.5b"), prompts)
    assert model.generation_config.repetition_penalty == 1.0
    assert model.generation_config.do_sample is False


def test_batches_hold_their_budget_and_every_prompt_once():
    prompts = [TokenSample(i, [1] * (5 + i % 40), [2] * (i * 7 % 90 + 1)) for i in range(300)]
    settings = {"max_new_tokens": 20, "batch_size": 32, "batch_tokens": 1000}
    batches = list(make_batches(prompts, settings))
    assert sorted(i for batch in batches for i in batch) == list(range(300))
    for batch in batches:
        longest = max(len(prompts[i].prompt) for i in batch)
        assert len(batch) <= 32
        assert len(batch) == 1 or len(batch) * (longest + 20) <= 1000
    expected = [len(prompts[i].completion) for batch in batches for i in batch]
    assert expected == sorted(expected, reverse=True)


def test_a_checkpoint_without_safetensors_is_an_error(checkpoints, tmp_path):
    (tmp_path / "config.json").write_text((checkpoints / "llama-3.2-1b" / "config.json").read_text())
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickled")
    with pytest.raises(StudyError, match="cannot be loaded"):
        load_base(tmp_path, FP32, "sdpa")
