"""Builds the demo's models: the real architectures in miniature, with a tokenizer trained here, briefly pre-trained.

Usage: python demo/make_models.py OUTPUT_FOLDER --text TEXT.jsonl [--only NAME] [--jobs N]

Each model is pre-trained on plain documents (`make_samples.py --text`). It never sees the study's samples nor its
templates, so that fine-tuning has something to teach. Seeded; the same machine makes the same bytes.
"""

import argparse
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

VOCABULARY = 1024
BLOCK = 128  # tokens
STEPS = 240
BATCH = 8  # blocks
LEARNING_RATE = 3e-3

# Class names of transformers, and the sizes that set the miniatures apart. Heads of 32 dimensions.
GEMMA = {"sliding_window": 64}  # tokens, in every other layer
COMMON = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 2048}
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama-3.2-1b": ("Llama", {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3}),
    "llama-3.2-3b": ("Llama", {"hidden_size": 192, "intermediate_size": 384, "num_hidden_layers": 4}),
    "gemma-2-2b": ("Gemma2", {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, **GEMMA}),
    "qwen2.5-1.5b": ("Qwen2", {"hidden_size": 128, "intermediate_size": 320, "num_hidden_layers": 4}),
    "qwen2.5-3b": ("Qwen2", {"hidden_size": 192, "intermediate_size": 448, "num_hidden_layers": 4}),
    "phi-3-mini": ("Phi3", {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3}),
}
BEGIN, END, PAD = "<|begin|>", "<|eot|>", "<|pad|>"
WITHOUT_BEGIN = {"Qwen2"}  # Qwen's tokenizer adds no begin token
CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|eot|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def make_tokenizer(documents: list[str], adds_begin: bool) -> Any:
    """Trains a byte-level BPE tokenizer."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    if adds_begin:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{BEGIN} $A", special_tokens=[(BEGIN, tokenizer.token_to_id(BEGIN))]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END, pad_token=PAD, chat_template=CHAT_TEMPLATE
    )


def make_model(name: str, tokenizer: Any) -> Any:
    """Builds one model with random weights."""
    import torch
    import transformers

    kind, sizes = ARCHITECTURES[name]
    settings = {**COMMON, **sizes, "vocab_size": len(tokenizer), "tie_word_embeddings": True}
    if kind == "Phi3":  # heads of hidden_size / heads, and no setting for another size
        del settings["head_dim"]
    settings |= {f"{key}_token_id": getattr(tokenizer, f"{key}_token_id") for key in ("bos", "eos", "pad")}
    torch.manual_seed(0)
    return getattr(transformers, f"{kind}ForCausalLM")(getattr(transformers, f"{kind}Config")(**settings))


def pretrain(model: Any, tokenizer: Any, documents: list[str], steps: int) -> float:
    """Pre-trains on blocks of concatenated documents; returns the last loss in nats per token."""
    import torch

    ids = [token for text in documents for token in [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]]
    blocks = torch.tensor(ids[: len(ids) // BLOCK * BLOCK]).view(-1, BLOCK)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    model.train()
    for _ in range(steps):
        batch = blocks[torch.randint(len(blocks), (BATCH,), generator=generator)]
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return loss.item()


def build(name: str, folder: Path, documents: list[str], steps: int) -> str:
    """Makes one checkpoint folder as a publisher would: weights in safetensors, configuration, tokenizer."""
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(1)
    kind = ARCHITECTURES[name][0]
    tokenizer = make_tokenizer(documents, adds_begin=kind not in WITHOUT_BEGIN)
    model = make_model(name, tokenizer)
    loss = pretrain(model, tokenizer, documents, steps)
    if kind == "Qwen2":  # as Qwen2.5-Instruct ships; decoding must not inherit it
        model.generation_config.repetition_penalty = 1.05
    model.save_pretrained(folder / name)
    tokenizer.save_pretrained(folder / name)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return f"{name}: {parameters:,} parameters, pre-training loss {loss:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--only", choices=ARCHITECTURES, action="append")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    documents = [json.loads(line)["text"] for line in options.text.read_text(encoding="utf-8").splitlines()]
    names = options.only or list(ARCHITECTURES)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        jobs = [pool.submit(build, name, options.output, documents, options.steps) for name in names]
        for job in jobs:
            print(job.result(), flush=True)


if __name__ == "__main__":
    main()
