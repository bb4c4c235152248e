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
    "codegen-350m": ("CodeGen", {"n_embd": 128, "n_layer": 2, "rotary_dim": 16}),
    "codellama-7b": ("Llama", {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3}),
    "codellama-7b-instruct": ("Llama", {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3}),
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
    "peft-or-icl": ["codegen-350m", "codellama-7b", "codellama-7b-python", "codellama-13b-python"],
    "rag-and-execution": ["codellama-7b", "codellama-7b-instruct"],
}
OLDER = {"n_head": 4, "n_positions": 2048}  # of models whose configuration has older names for its sizes
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


def make_tokenizer(documents: list[str], vocabulary: int, adds_begin: bool) -> Any:
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
    shapes = OLDER if "n_embd" in sizes else COMMON
    settings = {**shapes, **sizes, "vocab_size": len(tokenizer), "tie_word_embeddings": True}
    if kind == "Phi3":  # heads of hidden_size / heads, and no setting for another size
        del settings["head_dim"]
    settings |= {f"{key}_token_id": getattr(tokenizer, f"{key}_token_id") for key in ("bos", "eos", "pad")}
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(getattr(transformers, f"{kind}Config")(**settings))


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


def build(name: str, folder: Path, documents: list[str], steps: int = 240, vocabulary: int = 1024) -> str:
    """Makes one checkpoint folder as a publisher would: weights in safetensors, configuration, tokenizer."""
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(1)
    kind = ARCHITECTURES[name][0]
    tokenizer = make_tokenizer(documents, vocabulary, adds_begin=kind not in WITHOUT_BEGIN)
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
    parser.add_argument("--read", type=Path, required=True, help="records to pre-train on")
    parser.add_argument("--study", choices=STUDIES, default="slm-qlora", help="whose models are made")
    parser.add_argument("--steps", type=int, default=240, help="of pre-training")
    parser.add_argument("--vocabulary", type=int, default=1024, help="tokens")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    text = options.read.read_text(encoding="utf-8")
    records = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.split("\n") if line]
    documents = as_documents(records)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        settings = (options.output, documents, options.steps, options.vocabulary)
        jobs = [pool.submit(build, name, *settings) for name in STUDIES[options.study]]
        for job in jobs:
            print(job.result(), flush=True)


if __name__ == "__main__":
    main()
