"""What training and generation are measured on: models with random weights, samples of CodeAlpaca's lengths."""

import random
from functools import cache
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

from common import ARCHITECTURES, read_architectures

# isort: split

from codetune.study.method import Quantization, TuningSettings
from codetune.study.training import TrainingSettings

LORA = TuningSettings(
    "peft",
    {
        "type": "LORA",
        "r": 8,
        "lora_alpha": 16,
        "lora_dropout": 0.05,
        "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    },
)
SETTINGS = TrainingSettings(
    learning_rate=2e-4,
    schedule="cosine",
    warmup_steps=0,
    weight_decay=0.0,
    max_grad_norm=1.0,
    evaluations_per_epoch=1,
    patience=5,
    batch_size=18,
    epochs=1,
    max_length=1024,
)
# For a CPU: small enough to be quick, large enough that computing is measured and not Python.
SMALL = {
    "model_type": "llama",
    "vocab_size": 4096,
    "hidden_size": 256,
    "intermediate_size": 768,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 32,
    "tie_word_embeddings": True,
    "max_position_embeddings": 2048,
}
TINY = {  # for a CPU: what replaces the sizes of an architecture
    "vocab_size": 256,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
# Tokens of CodeAlpaca-20k's samples in the paper's template, by Llama-3.2's tokenizer: their quantiles at 0, 5, ... 95,
# 97, 98, 99, 99.5, 99.9 and 100 %. Six in ten are the completion's.
QUANTILES = [28, 43, 48, 52, 56, 60, 64, 69, 73, 78, 83, 89, 95, 101, 109, 117, 128, 142, 162, 202]
QUANTILES += [234, 260, 312, 366, 514, 1024]
SHARES = [*(step / 20 for step in range(20)), 0.97, 0.98, 0.99, 0.995, 0.999, 1.0]
COMPLETION = 0.6
PATCHED = ("_use_triton", "_ChunkedLogProbFunction")  # of trl.trainer.utils, by the workflow's trainer on a CPU


def sizes_of(name: str, path: Path = ARCHITECTURES) -> dict[str, Any]:
    """The shape of a model: `small`, or one of the study's."""
    if name == "small":
        return SMALL
    shape: dict[str, Any] = read_architectures(path)[name]["config"]
    return shape


def build(sizes: dict[str, Any], folder: Path) -> None:
    """Writes a checkpoint with random weights, in bf16 on a GPU."""
    import torch
    from codetune.models.device import device
    from transformers import AutoConfig, AutoModelForCausalLM

    options = {key: value for key, value in sizes.items() if key != "model_type"}
    config = AutoConfig.for_model(sizes["model_type"], bos_token_id=1, eos_token_id=2, pad_token_id=0, **options)
    dtype = torch.float32 if device() == "cpu" else torch.bfloat16
    torch.manual_seed(0)
    with torch.device(device()):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    model.generation_config.eos_token_id = 2
    model.save_pretrained(folder)


def quantization() -> Quantization:
    """NF4 with the compute type that suits the device."""
    from codetune.models.device import device

    return Quantization("nf4", double=True, compute_dtype="float32" if device() == "cpu" else "bfloat16")


def make_tokenizer() -> Any:
    """A tokenizer for libraries that want one where the samples are numbers already."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = {"<pad>": 0, "<begin>": 1, "<end>": 2}
    backend = Tokenizer(models.WordLevel(words, unk_token="<pad>"))  # noqa: S106
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", bos_token="<begin>", eos_token="<end>")  # noqa: S106


def draw_samples(count: int, vocabulary: int, seed: int = 0) -> list[Any]:
    """Samples of random tokens, as long as CodeAlpaca's."""
    from codetune.prompts.tokensets import TokenSample

    rng = random.Random(seed)
    samples = []
    for number in range(count):
        length = _quantile(rng.random())
        prompt = max(1, round(length * (1 - COMPLETION)))
        ids = [rng.randrange(3, vocabulary) for _ in range(length)]
        samples.append(TokenSample(number, ids[:prompt], ids[prompt:]))
    return samples


def _quantile(share: float) -> int:
    """The length that this share of the samples stays below."""
    place = max(i for i, known in enumerate(SHARES) if known <= share)
    low, high = QUANTILES[place], QUANTILES[min(place + 1, len(QUANTILES) - 1)]
    part = (share - SHARES[place]) / (SHARES[min(place + 1, len(SHARES) - 1)] - SHARES[place] or 1)
    return round(low + part * (high - low))


@cache
def trl_as_published() -> dict[str, Any]:
    """What the workflow's trainer patches in TRL, from a copy of its module that nothing has patched."""
    from trl.trainer import utils

    assert utils.__spec__ and utils.__spec__.loader
    copy = module_from_spec(utils.__spec__)
    utils.__spec__.loader.exec_module(copy)
    return {name: getattr(copy, name) for name in PATCHED}


def peer(base: Any, tokenizer: Any, samples: list[Any], callbacks: Any = None, **settings: Any) -> Any:
    """TRL's trainer as a user calls it, on samples that are tokenised already, with the study's adapter.

    What the workflow's trainer patches in TRL is as published again.

    Args:
        base: The model in 4 bits.
        tokenizer: Its tokenizer.
        samples: What to train on.
        callbacks: For the trainer.
        settings: Of the trainer, beside TRL's defaults.
    """
    from codetune.methods.peft_config import peft_config
    from codetune.models.device import device
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer
    from trl.trainer import utils

    vars(utils).update(trl_as_published())
    rows = [
        {"input_ids": s.prompt + s.completion, "completion_mask": [0] * len(s.prompt) + [1] * len(s.completion)}
        for s in samples
    ]
    arguments = SFTConfig(
        completion_only_loss=True,
        lr_scheduler_type=SETTINGS.schedule,
        use_cpu=device() == "cpu",
        save_strategy="no",
        disable_tqdm=True,
        report_to=[],
        **settings,
    )
    trainer = SFTTrainer(
        model=base,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=peft_config(LORA.peft),
        callbacks=callbacks,
    )
    if device() == "cpu":  # where bf16, which TRL gives adapters, would slow it down
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
    return trainer
