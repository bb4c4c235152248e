"""Training and generation on miniature models: isolation, gradients, losses, greedy decoding."""

import math
import tempfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.data.samples import Sample
from codetune.generation.batches import generate, make_batches
from codetune.generation.decoding import decode, greedy_config, prefill_groups
from codetune.generation.generate import RESERVE, load_for_decoding, prompt_limit
from codetune.methods.adapters import load_adapter
from codetune.models.attention import EACH, FLASH, Packed, each, flash, packed_kernels
from codetune.models.device import set_determinism
from codetune.models.loading import Checkpoint, load_base
from codetune.models.quantization import linear_4bit
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.templates import Template
from codetune.prompts.tokenizing import encode
from codetune.prompts.tokensets import TokenSample
from codetune.training.attention import choose_attention
from codetune.training.batches import IGNORED, collate, pack_samples, select_sequences
from codetune.training.build import make_trainer
from codetune.training.history import log_row
from make_samples import make_records
from peft import LoraConfig, get_peft_model
from transformers import AttentionInterface

FP32 = {"type": "nf4", "double": True, "compute_dtype": "float32"}
FAMILIES = ("llama-3.2-1b", "qwen2.5-1.5b", "gemma-2-2b")
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
GENERATION = {"max_new_tokens": 12, "batch_size": 8, "cache_gb": 1}
torch.set_num_threads(1)


def tokens_for(checkpoint, count=12):
    tokenizer = load_tokenizer(checkpoint)
    samples = [Sample(number, **record) for number, record in enumerate(make_records(count, seed=5))]
    return encode(samples, tokenizer, Template("paper", tokenizer))


def trainer_for(checkpoint, folder, samples, quantization=FP32, settings=None, **model):
    set_determinism(0)
    base = load_base(checkpoint, quantization)
    entry = {"batch_size": 4, "micro_batch": 2, "epochs": 1, **model}
    settings = {"lora": LORA, "quantization": quantization, "training": TRAINING, "max_length": 128, **(settings or {})}
    sets = {"train": samples, "validation": samples[:5]}
    return make_trainer(base, load_tokenizer(checkpoint), sets, 1000, folder / "work", entry, settings, 0)


def complete(model, tokenizer, prompts, settings=GENERATION):
    with tempfile.TemporaryDirectory() as folder:
        return generate(model, tokenizer, prompts, settings, prompt_limit(settings), Path(folder) / "kept.jsonl")


def batch_of(samples, capacity=128):
    """All samples, packed, as the model takes them."""
    return select_sequences(collate(list(pack_samples(samples, capacity))), slice(0, None))


@pytest.mark.parametrize("name", FAMILIES)
def test_packed_logits_equal_separate_logits(checkpoints, name):
    """Also for samples longer than Gemma's window of 64 tokens."""
    model = load_base(checkpoints / name, FP32)
    samples = [*tokens_for(checkpoints / name), TokenSample(99, [5] * 40, list(range(3, 60)))]
    batch = batch_of(samples, 200)
    with torch.no_grad():
        alone = [
            model(input_ids=batch["input_ids"][:, span], use_cache=False).logits[0] for span in batch["packed"].spans
        ]
        choose_attention(model, samples)
        packed = model(**batch, use_cache=False).logits[0]
    assert len(alone) == len(samples)
    torch.testing.assert_close(packed, torch.cat(alone), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_whose_packed_samples_see_one_another_is_not_trained(checkpoints, name):
    model = load_base(checkpoints / name, FP32)
    samples = tokens_for(checkpoints / name)
    forward = model.forward

    def leaking(**inputs):  # samples become one text
        if "packed" in inputs:
            inputs["packed"] = Packed([sum(inputs["packed"].lengths)], "cpu")
        return forward(**inputs)

    model.forward = leaking
    with pytest.raises(StudyError, match="no attention keeps the packed samples"):
        choose_attention(model, samples)
    model.forward = forward
    model.set_attn_implementation("eager")
    choose_attention(model, samples)
    assert model.config._attn_implementation == EACH


def test_a_kernel_that_fails_or_leaks_gives_way_to_the_next(checkpoints, monkeypatch, capsys):
    model = load_base(checkpoints / "llama-3.2-1b", FP32)
    samples = tokens_for(checkpoints / "llama-3.2-1b")

    def leaking(module, query, key, value, mask, packed, **options):
        return each(module, query, key, value, mask, Packed([sum(packed.lengths)], "cpu"), **options)

    def missing(*_, **__):
        raise RuntimeError("no kernel for this device\nmore")

    AttentionInterface.register("test_leaking", leaking)
    AttentionInterface.register("test_missing", missing)
    monkeypatch.setattr("codetune.training.packed_kernels", lambda *_: ["test_missing", "test_leaking", EACH])
    choose_attention(model, samples)
    assert model.config._attn_implementation == EACH
    assert "test_missing: cannot be had (no kernel for this device)" in capsys.readouterr().out


@pytest.mark.parametrize("kernel", packed_kernels(torch.bfloat16, "cuda:0"))
def test_transformers_takes_our_kernels_by_their_names(checkpoints, kernel):
    """It looks for a kernel of its own where a name holds "flash"."""
    model = load_base(checkpoints / "llama-3.2-1b", FP32)
    model.set_attn_implementation(kernel)
    assert model.config._attn_implementation == kernel


def test_flash_attention_is_tried_where_it_can_run():
    assert list(packed_kernels(torch.bfloat16, "cuda:0")) == [FLASH, EACH]
    assert list(packed_kernels(torch.float32, "cuda:0")) == list(packed_kernels(torch.bfloat16, "cpu")) == [EACH]


def test_the_flash_kernel_gets_what_torch_s_documentation_asks_for(monkeypatch):
    """The kernel itself needs a GPU: its place is taken by its definition, sample by sample."""
    import torch.nn.attention.varlen as varlen

    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, heads, 12, 8, generator=generator) for heads in (4, 2, 2))
    packed = Packed([5, 1, 6], "cpu")

    def definition(q, k, v, starts, starts_k, longest, longest_k, *, scale, window_size, enable_gqa):
        assert starts.tolist() == starts_k.tolist() == [0, 5, 6, 12]
        assert starts.dtype == torch.int32
        assert longest == longest_k == 6
        assert window_size == (-1, 0)
        assert enable_gqa
        rows = []
        for start, end in zip(starts.tolist(), starts.tolist()[1:], strict=False):
            for position in range(start, end):
                keys = k[start : position + 1].repeat_interleave(2, dim=1)
                values = v[start : position + 1].repeat_interleave(2, dim=1)
                weights = torch.einsum("hd,khd->hk", q[position], keys).mul(scale).softmax(-1)
                rows.append(torch.einsum("hk,khd->hd", weights, values))
        return torch.stack(rows)

    monkeypatch.setattr(varlen, "varlen_attn", definition)
    layer = SimpleNamespace(head_dim=8)
    expected, _ = each(layer, query, key, value, None, packed, scaling=0.3)
    for window in (None, 6, 4):
        found, _ = flash(layer, query, key, value, None, packed, scaling=0.3, sliding_window=window)
        expected, _ = each(layer, query, key, value, None, packed, scaling=0.3, sliding_window=window)
        assert found.shape == (1, 12, 4, 8)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_labels_count_completions_only():
    samples = [TokenSample(0, [5, 6], [7, 8]), TokenSample(1, [9], [10])]
    batch = batch_of(samples, 8)
    assert batch["input_ids"][0].tolist() == [5, 6, 7, 8, 9, 10]
    assert batch["packed"].lengths == [4, 2]
    assert batch["labels"][0].tolist() == [IGNORED, IGNORED, 7, 8, IGNORED, 10]
    assert batch["position_ids"][0].tolist() == [0, 1, 2, 3, 0, 1]


def lora_gradients(model, batch):
    model.zero_grad()
    model.train()
    model(**batch, use_cache=False).loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_after_an_evaluation_equal_those_before(checkpoints, name):
    torch.manual_seed(0)
    base = load_base(checkpoints / name, FP32)
    model = get_peft_model(base, LoraConfig(r=4, target_modules=LORA["target_modules"], init_lora_weights=False))
    samples = tokens_for(checkpoints / name)
    batch = {**batch_of(samples[:1]), "packed": None}  # with the attention that generation has
    before = lora_gradients(model, batch)
    complete(model.eval(), load_tokenizer(checkpoints / name), samples[:3])
    after = lora_gradients(model, batch)
    assert before
    assert any(gradient.abs().max() > 0 for gradient in before.values())
    for key, gradient in before.items():
        torch.testing.assert_close(after[key], gradient, rtol=0, atol=0)


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
        quantization = {**FP32, "compute_dtype": dtype}
        trainer = trainer_for(checkpoints / name, tmp_path / dtype, samples, quantization)
        trainer.run()
        assert all(p.dtype == torch.float32 for p in trainer.model.parameters() if p.requires_grad)
        losses[dtype] = trainer.evaluate()["eval_loss"]
        trainer.model.set_attn_implementation("eager")
        complete(trainer.model.eval(), trainer.processing_class, samples[:3])
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)


@pytest.mark.parametrize("possible", [True, False])
def test_training_demands_deterministic_kernels_where_it_can(checkpoints, tmp_path, monkeypatch, possible):
    """torch's attention on a GPU is deterministic only then. The trial leaves no trace in log, gradients or seeds."""
    samples = tokens_for(checkpoints / "llama-3.2-1b", 8)
    trainer = trainer_for(checkpoints / "llama-3.2-1b", tmp_path, samples)
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
    plain = trainer_for(checkpoints / "llama-3.2-1b", tmp_path / "plain", samples)
    monkeypatch.setattr(plain, "try_a_step", lambda: None)
    plain.run()
    assert [log_row(row) for row in trainer.state.log_history] == [log_row(row) for row in plain.state.log_history]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_loaded_adapter_computes_as_it_did_in_training(checkpoints, tmp_path, name):
    """In bf16, without the autocast that training has."""
    quantization = {**FP32, "compute_dtype": "bfloat16"}
    torch.manual_seed(0)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=LORA["target_modules"], init_lora_weights=False)
    trained = get_peft_model(load_base(checkpoints / name, quantization), config).eval()
    for parameter in trained.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    trained.save_pretrained(str(tmp_path))
    loaded = load_adapter(load_base(checkpoints / name, quantization), tmp_path)
    assert {p.dtype for n, p in loaded.named_parameters() if "lora_" in n} == {torch.bfloat16}
    ids = torch.tensor([tokens_for(checkpoints / name, 3)[0].prompt])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = trained(input_ids=ids).logits.float()
    with torch.no_grad():
        found = loaded(input_ids=ids).logits.float()
    assert ((found - expected).norm() / expected.norm()).item() < 0.01


def test_gradient_checkpointing_changes_memory_alone(checkpoints, tmp_path):
    samples = tokens_for(checkpoints / "llama-3.2-1b", 8)
    losses = []
    for number, recompute in enumerate((False, True)):
        folder = tmp_path / str(number)
        trainer = trainer_for(checkpoints / "llama-3.2-1b", folder, samples, gradient_checkpointing=recompute)
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


def by_the_library(model, tokenizer, prompts, settings, size):
    """What users would run: `generate` on batches in their order, padded on the left; ids up to the end token."""
    options = greedy_config(model, tokenizer, settings["max_new_tokens"])
    completions = []
    for start in range(0, len(prompts), size):
        ids = [prompt.prompt for prompt in prompts[start : start + size]]
        batch = tokenizer.pad({"input_ids": ids}, padding_side="left", return_tensors="pt")
        width = batch["input_ids"].shape[1]
        for row in model.generate(**batch, generation_config=options)[:, width:].tolist():
            end = next((i for i, token in enumerate(row) if token in options.eos_token_id), len(row))
            completions.append(row[: end + 1])
    return completions


@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("name", ["llama-3.2-1b", "gemma-2-2b", "qwen2.5-1.5b", "phi-3-mini"])
def test_fast_decoding_gives_what_the_library_gives(checkpoints, tmp_path, name, tuned):
    """Weights dequantised once, one batch that ended sequences leave: the same ids as 4 bits, batches of 8, `generate`.

    Some sequences of the tuned models end early and others run to the limit, beyond Gemma's window of 64 tokens.
    """
    settings = {"max_new_tokens": 48, "batch_size": 32, "cache_gb": 1}
    tokenizer = load_tokenizer(checkpoints / name)
    prompts = tokens_for(checkpoints / name, 20)
    models = [
        load_base(checkpoints / name, FP32),
        load_for_decoding(Checkpoint(str(checkpoints / name), FP32), settings),
    ]
    if tuned:
        torch.manual_seed(3)
        adapter = LoraConfig(r=4, lora_alpha=8, target_modules=LORA["target_modules"], init_lora_weights=False)
        get_peft_model(load_base(checkpoints / name, FP32), adapter).save_pretrained(str(tmp_path))
        models = [load_adapter(model, tmp_path) for model in models]
    assert linear_4bit(models[0])
    assert not linear_4bit(models[1])
    if tuned:  # models this small never end: take for an end what about half of their completions hold
        rows = by_the_library(models[0], tokenizer, prompts, settings, 8)
        seen = Counter(token for row in rows for token in set(row) - set(row[:4]))
        end = min(seen, key=lambda token: abs(seen[token] - len(prompts) / 2))
        for model in models:
            model.generation_config.eos_token_id = [tokenizer.eos_token_id, end]
    expected = by_the_library(models[0], tokenizer, prompts, settings, 8)
    found = decode(
        models[1],
        [prompt.prompt for prompt in prompts],
        greedy_config(models[1], tokenizer, settings["max_new_tokens"]),
    )
    assert found == expected
    assert max(map(len, found)) == 48
    assert not tuned or len({len(row) for row in found}) > 3


def test_weights_stay_in_4_bits_where_memory_is_short(checkpoints, monkeypatch, capsys):
    base, settings = Checkpoint(str(checkpoints / "llama-3.2-1b"), FP32), GENERATION
    tokenizer, prompts = load_tokenizer(base.checkpoint), tokens_for(checkpoints / "llama-3.2-1b", 9)
    expected = complete(load_for_decoding(base, settings), tokenizer, prompts)
    monkeypatch.setattr("codetune.models.free_memory", lambda: RESERVE + int(1e9) * settings["cache_gb"])
    model = load_for_decoding(base, settings)
    assert linear_4bit(model)
    assert "in 4 bits: memory is short" in capsys.readouterr().out
    assert complete(model, tokenizer, prompts) == expected


@pytest.mark.parametrize("name", ["llama-3.2-1b", "gemma-2-2b", "qwen2.5-1.5b", "phi-3-mini"])
def test_batched_greedy_decoding_equals_one_prompt_at_a_time(checkpoints, name):
    model = load_base(checkpoints / name, FP32)
    tokenizer = load_tokenizer(checkpoints / name)
    prompts = tokens_for(checkpoints / name, 9)
    batched = complete(model, tokenizer, prompts)
    single = complete(model, tokenizer, prompts, {**GENERATION, "batch_size": 1})
    assert batched == single
    assert [prediction.id for prediction in batched] == [prompt.id for prompt in prompts]


def test_a_prediction_is_cut_off_only_without_an_end(checkpoints):
    model = load_base(checkpoints / "llama-3.2-1b", FP32)
    tokenizer = load_tokenizer(checkpoints / "llama-3.2-1b")
    prompts = tokens_for(checkpoints / "llama-3.2-1b", 6)
    for prediction in complete(model, tokenizer, prompts, {**GENERATION, "max_new_tokens": 3}):
        assert prediction.tokens <= 3
        assert prediction.truncated or prediction.tokens < 3 or "<|end|>" in prediction.text or prediction.text == ""


def test_nothing_of_a_checkpoint_s_own_decoding_settings_is_left(checkpoints):
    """Qwen2.5 ships a repetition penalty, which greedy decoding would inherit."""
    model = load_base(checkpoints / "qwen2.5-1.5b", FP32)
    assert model.generation_config.repetition_penalty == 1.05
    prompts = tokens_for(checkpoints / "qwen2.5-1.5b", 2)
    complete(model, load_tokenizer(checkpoints / "qwen2.5-1.5b"), prompts)
    assert model.generation_config.repetition_penalty == 1.0
    assert model.generation_config.do_sample is False


def test_batches_hold_their_budget_and_every_prompt_once():
    prompts = [TokenSample(i, [1] * (5 + i % 40), [2] * (i * 7 % 90 + 1)) for i in range(300)]
    settings = {"max_new_tokens": 20, "batch_size": 32}
    batches = list(make_batches(prompts, settings, cache_tokens=1000))
    assert sorted(i for batch in batches for i in batch) == list(range(300))
    for batch in batches:
        longest = max(len(prompts[i].prompt) for i in batch)
        assert len(batch) <= 32
        assert len(batch) == 1 or len(batch) * (longest + 20) <= 1000
    expected = [len(prompts[i].completion) for batch in batches for i in batch]
    assert expected == sorted(expected, reverse=True)


def test_prompts_are_read_with_those_of_like_length():
    lengths = [10, 300, 12, 90, 295, 11, 100]
    groups = prefill_groups(lengths)
    assert sorted(row for group in groups for row in group) == list(range(7))
    assert [[lengths[row] for row in group] for group in groups] == [[300, 295], [100, 90], [12, 11, 10]]
    assert [len(group) for group in prefill_groups([9000] * 7)] == [3, 3, 1]  # 32,768 tokens at once
    assert prefill_groups([50000]) == [[0]]


def test_a_checkpoint_without_safetensors_is_an_error(checkpoints, tmp_path):
    (tmp_path / "config.json").write_text((checkpoints / "llama-3.2-1b" / "config.json").read_text())
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickled")
    with pytest.raises(StudyError, match="cannot be loaded"):
        load_base(tmp_path, FP32)
