"""A tiny encoder-decoder with a tokenizer like that of CodeT5+, made here and briefly pre-trained."""

import torch
from make_models import PAD, as_documents, make_tokenizer
from make_samples import make_records
from transformers import T5Config, T5ForConditionalGeneration

SIZES = {"d_model": 64, "d_kv": 16, "d_ff": 96, "num_heads": 4, "num_layers": 2, "num_decoder_layers": 2}
# CodeT5+ 220M and 770M: what of their config.json says how many parameters they have.
PLAIN = {"model_type": "t5", "vocab_size": 32100, "d_kv": 64, "feed_forward_proj": "relu", "is_encoder_decoder": True}
CODET5P = {
    "220m": PLAIN | {"d_model": 768, "d_ff": 3072, "num_heads": 12, "num_layers": 12, "num_decoder_layers": 12},
    "770m": PLAIN | {"d_model": 1024, "d_ff": 4096, "num_heads": 16, "num_layers": 24, "num_decoder_layers": 24},
}
STARTS = {"pad_token_id": 0, "decoder_start_token_id": 0}


def build_t5(folder, steps=30, **settings):
    """Makes a checkpoint folder as a publisher would, of a model that has learnt a little of records and their code."""
    records = make_records(120, seed=2)
    tokenizer = make_tokenizer(as_documents(records), 400, adds_begin=True, adds_end=True)  # as CodeT5+'s does
    assert tokenizer.convert_tokens_to_ids(PAD) == STARTS["pad_token_id"]
    torch.manual_seed(0)
    sizes = {**SIZES, **STARTS, "vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, **settings}
    model = T5ForConditionalGeneration(T5Config(**sizes)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(steps):
        chosen = [records[(8 * step + row) % len(records)] for row in range(8)]
        inputs = tokenizer([one["instruction"] for one in chosen], padding=True, return_tensors="pt")
        labels = tokenizer([one["output"] for one in chosen], padding=True, return_tensors="pt").input_ids
        model(**inputs, labels=labels.masked_fill(labels == tokenizer.pad_token_id, -100)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
