"""Builds the demo's models: the real architectures in miniature, with a tokenizer trained here, briefly pre-trained.

Usage: python demo/make_models.py OUTPUT_FOLDER --read RECORDS.json [--study NAME] [--steps N] [--vocabulary N]
                                  [--jobs N]

Each model is pre-trained on documents made of records in CodeAlpaca's format, in layouts that the study does not use:
it never sees the study's templates, so that fine-tuning has something to teach. Give it other records than those that
the study tests on. Seeded; the same machine makes the same bytes.
"""

import argparse
import json
import multiprocessing
import os
import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

BLOCK = 128  # tokens
BATCH = 8  # blocks
ROWS = 32  # in a batch of an encoder-decoder, which has a sample in each
LEARNING_RATE = 3e-3

# Names of transformers' configurations, and the sizes that set the miniatures apart. Heads of 32 dimensions.
GEMMA = {"sliding_window": 64}  # tokens, in every other layer
COMMON = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 2048}
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama-3.2-1b": ("Llama", {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3}),
    "llama-3.2-3b": ("Llama", {"hidden_size": 192, "intermediate_size": 384, "num_hidden_layers": 4}),
    "gemma-2-2b": ("Gemma2", {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, **GEMMA}),
    "qwen2.5-1.5b": ("Qwen2", {"hidden_size": 128, "intermediate_size": 320, "num_hidden_layers": 4}),
    "qwen2.5-3b": ("Qwen2", {"hidden_size": 192, "intermediate_size": 448, "num_hidden_layers": 4}),
    "phi-3-mini": ("Phi3", {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3}),
    # Of the studies in config/studies.
    "gpt2": ("GPT2", {"n_embd": 128, "n_layer": 2}),
    "gpt2-m": ("GPT2", {"n_embd": 128, "n_layer": 3}),
    "gpt2-l": ("GPT2", {"n_embd": 160, "n_layer": 3}),
    "gpt2-xl": ("GPT2", {"n_embd": 192, "n_layer": 4}),
    "codegpt-small": ("GPT2", {"n_embd": 96, "n_layer": 2}),
    "codegpt-adapt": ("GPT2", {"n_embd": 96, "n_layer": 3}),
    "codet5p-220m": ("T5", {"d_model": 128, "d_kv": 32, "d_ff": 256, "num_heads": 4, "num_layers": 3}),
    "codegen-350m": ("CodeGen", {"n_embd": 128, "n_layer": 2, "rotary_dim": 16}),
    "codellama-7b": ("Llama", {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3}),
    "codellama-7b-instruct": ("Llama", {"hidden_size": 160, "intermediate_size": 320, "num_hidden_layers": 2}),
    "codellama-7b-python": ("Llama", {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3}),
    "codellama-13b-python": ("Llama", {"hidden_size": 160, "intermediate_size": 320, "num_hidden_layers": 3}),
    "mistral-7b": ("Mistral", {"hidden_size": 160, "intermediate_size": 320, "num_hidden_layers": 3}),
}
STUDIES = {
    "slm-qlora": list(ARCHITECTURES)[:6],
    "peft-methods": [
        *("gpt2", "gpt2-m", "gpt2-l", "gpt2-xl", "codegpt-small", "codegpt-adapt"),
        *("codellama-7b", "mistral-7b"),
    ],
    "peft-or-icl": ["codet5p-220m", "codegen-350m", "codellama-7b-python", "codellama-13b-python"],
    "rag-and-execution": ["codellama-7b", "codellama-7b-instruct"],
}
OLDER = {"n_head": 4, "n_positions": 2048}  # of models whose configuration has older names for its sizes
APART = {"pad_token_id": 0, "decoder_start_token_id": 0, "feed_forward_proj": "relu"}  # of CodeT5+, as published
LAYOUTS = (
    "# {request}\n{code}\n",
    "Task: {request}\nSolution: {code}\n",
    "<|question|> {request} <|answer|> {code}\n",
    "[request] {request} [code] {code}\n",
)
BEGIN, END, PAD = "<|begin|>", "<|eot|>", "<|pad|>"
WITHOUT_BEGIN = {"Qwen2"}  # Qwen's tokenizer adds no begin token
CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|eot|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def as_documents(records: list[dict[str, str]], seed: int = 0) -> list[str]:
    """The records as documents in several layouts, none of them the study's: what a model may have read before."""
    rng = random.Random(seed)
    documents = []
    for record in records:
        request = " ".join(f"{record['instruction']} {record['input']}".split())
        documents.append(rng.choice(LAYOUTS).format(request=request, code=record["output"]))
    return documents


def as_pairs(records: list[dict[str, str]], seed: int = 0) -> list[tuple[str, str]]:
    """The same for an encoder-decoder: what it reads, in one of the layouts, and the code that it writes."""
    rng = random.Random(seed)
    pairs = []
    for record in records:
        request = " ".join(f"{record['instruction']} {record['input']}".split())
        pairs.append((rng.choice(LAYOUTS).partition("{code}")[0].format(request=request), record["output"]))
    return pairs


def make_tokenizer(documents: list[str], vocabulary: int, adds_begin: bool, adds_end: bool = False) -> Any:
    """Trains a byte-level BPE tokenizer."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    if adds_begin:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{BEGIN} $A {END}" if adds_end else f"{BEGIN} $A",
            special_tokens=[(token, tokenizer.token_to_id(token)) for token in (BEGIN, END)],
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END, pad_token=PAD, chat_template=CHAT_TEMPLATE
    )


def make_model(name: str, tokenizer: Any) -> Any:
    """Builds one model with random weights."""
    import torch
    import transformers

    kind, sizes = ARCHITECTURES[name]
    shapes = APART if kind == "T5" else OLDER if "n_embd" in sizes else COMMON
    settings = {**shapes, **sizes, "vocab_size": len(tokenizer), "tie_word_embeddings": True}
    if kind == "Phi3":  # heads of hidden_size / heads, and no setting for another size
        del settings["head_dim"]
    settings |= {f"{key}_token_id": getattr(tokenizer, f"{key}_token_id") for key in ("bos", "eos", "pad")}
    torch.manual_seed(0)
    loader = transformers.AutoModelForSeq2SeqLM if kind == "T5" else transformers.AutoModelForCausalLM
    return loader.from_config(getattr(transformers, f"{kind}Config")(**settings))


def as_blocks(tokenizer: Any, records: list[dict[str, str]]) -> dict[str, Any]:
    """Blocks of concatenated documents, as input and as what is to be predicted: tensors of (blocks, tokens)."""
    import torch

    texts = as_documents(records)
    ids = [token for text in texts for token in [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]]
    blocks = torch.tensor(ids[: len(ids) // BLOCK * BLOCK]).view(-1, BLOCK)
    return {"input_ids": blocks, "labels": blocks}


def as_rows(tokenizer: Any, records: list[dict[str, str]]) -> dict[str, Any]:
    """Padded rows of an encoder-decoder: tensors of (records, tokens)."""
    read, written = (list(texts) for texts in zip(*as_pairs(records), strict=True))
    shape = {"padding": True, "truncation": True, "max_length": BLOCK, "return_tensors": "pt"}
    rows, targets = tokenizer(read, **shape), tokenizer(written, **shape)
    return {**rows, "labels": targets["input_ids"].masked_fill(targets["attention_mask"] == 0, -100)}


def pretrain(model: Any, rows: dict[str, Any], steps: int, batch: int) -> float:
    """Pre-trains on rows that are drawn; returns the last loss in nats per token."""
    import torch

    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    model.train()
    for _ in range(steps):
        chosen = torch.randint(len(rows["labels"]), (batch,), generator=generator)
        loss = model(**{key: found[chosen] for key, found in rows.items()}).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return loss.item()


def build(name: str, folder: Path, records: list[dict[str, str]], steps: int = 240, vocabulary: int = 1024) -> str:
    """Makes one checkpoint folder as a publisher would: weights in safetensors, configuration, tokenizer."""
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(1)
    kind = ARCHITECTURES[name][0]
    apart = kind == "T5"  # an encoder-decoder
    tokenizer = make_tokenizer(as_documents(records), vocabulary, kind not in WITHOUT_BEGIN, adds_end=apart)
    model = make_model(name, tokenizer)
    rows = (as_rows if apart else as_blocks)(tokenizer, records)
    loss = pretrain(model, rows, steps, ROWS if apart else BATCH)
    if kind == "Qwen2":  # as Qwen2.5-Instruct ships; decoding must not inherit it
        model.generation_config.repetition_penalty = 1.05
    model.save_pretrained(folder / name)
    tokenizer.save_pretrained(folder / name)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return f"{name}: {parameters:,} parameters, pre-training loss {loss:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--read", type=Path, required=True, help="records to pre-train on")
    parser.add_argument("--study", choices=STUDIES, default="slm-qlora", help="whose models are made")
    parser.add_argument("--steps", type=int, default=240, help="of pre-training")
    parser.add_argument("--vocabulary", type=int, default=1024, help="tokens")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    text = options.read.read_text(encoding="utf-8")
    records = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.split("\n") if line]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        settings = (options.output, records, options.steps, options.vocabulary)
        jobs = [pool.submit(build, name, *settings) for name in STUDIES[options.study]]
        for job in jobs:
            print(job.result(), flush=True)


if __name__ == "__main__":
    main()
