"""Miniature models for the tests: their samples, trainers and completions."""

import math
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from codetune.data.samples import Sample
from codetune.generation.batches import generate
from codetune.generation.loading import prompt_limit
from codetune.methods.tuning import make_tuning
from codetune.models.device import set_determinism
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.serialising import serialisation_of
from codetune.prompts.tokenizing import encode
from codetune.study.decoding import Decoding
from codetune.study.method import Quantization
from codetune.study.model import Memory, Source
from codetune.study.template import BUILT_IN
from codetune.study.training import TrainingPlan, TrainingSettings
from codetune.training.batches import collate, pack_samples, select_sequences
from codetune.training.build import TrainingTokens, make_trainer
from make_samples import make_records
from tunings import FULL, lora

FP32 = Quantization("nf4", double=True, compute_dtype="float32")
BF16 = replace(FP32, compute_dtype="bfloat16")
FAMILIES = ("llama-3.2-1b", "qwen2.5-1.5b", "gemma-2-2b")
MODEL = "llama-3.2-1b"
PLAN = TrainingPlan(
    source=Source(path="somewhere"),
    memory=Memory(micro_batch=2),
    tuning=lora(),
    quantization=FP32,
    settings=TrainingSettings(
        learning_rate=1e-3,
        schedule="cosine",
        warmup_steps=0,
        weight_decay=0.0,
        max_grad_norm=1.0,
        evaluations_per_epoch=1,
        patience=2,
        batch_size=4,
        epochs=1,
        max_length=128,
    ),
    seed=0,
)
DECODING = Decoding(max_new_tokens=12, batch_size=8, cache_gb=1)
WHOLE = Quantization("none", double=True, compute_dtype="float32")
FULL_PLAN = replace(PLAN, tuning=FULL, quantization=WHOLE)
FOUR_AT_ONCE = replace(PLAN, memory=replace(PLAN.memory, micro_batch=4))


def tokens_for(checkpoint, count=12):
    tokenizer = load_tokenizer(checkpoint)
    samples = [Sample(number, **record) for number, record in enumerate(make_records(count, seed=5))]
    return encode(samples, tokenizer, serialisation_of(BUILT_IN["paper"], tokenizer))


def trainer_for(checkpoint, folder, samples, plan=PLAN):
    set_determinism(plan.seed)
    tokens = TrainingTokens(samples, samples[:5], completion_bytes=1000)
    base = make_tuning(plan.tuning).load_base(checkpoint, plan.quantization, plan.settings.precision)
    return make_trainer(base, load_tokenizer(checkpoint), tokens, folder / "work", plan)


def complete(model, tokenizer, prompts, decoding=DECODING):
    with tempfile.TemporaryDirectory() as folder:
        ending, kept = serialisation_of(BUILT_IN["paper"], tokenizer).ending, Path(folder) / "kept.jsonl"
        return generate(model, tokenizer, prompts, decoding, ending, prompt_limit(decoding), kept)


def batch_of(samples, capacity=128):
    """All samples, packed, as the model takes them."""
    return select_sequences(collate(list(pack_samples(samples, capacity))), slice(0, None))


def out_of_memory_beyond(model, rows, count_of=lambda inputs: math.ceil(inputs["input_ids"].shape[1] / 128)):
    """Makes the model fail as CUDA does when it gets more rows of up to 128 tokens than this."""
    calls = []
    forward = model.forward

    def limited(*arguments, **inputs):
        count = count_of(inputs)
        calls.append(count)
        if count > rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...")
        return forward(*arguments, **inputs)

    model.forward = limited
    return calls
