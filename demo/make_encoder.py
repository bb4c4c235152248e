"""Makes a miniature encoder in the form of gte-small's repository: a BERT with random weights, mean pooling, length 1.

Usage: python demo/make_encoder.py OUTPUT_FOLDER --read RECORDS.json

With random weights, texts are near each other that share words. Its vocabulary is that of the records' instructions.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
from transformers.utils import logging

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LONGEST = 64  # tokens that it reads
MODULES = ("Transformer", "Pooling", "Normalize")
POOLING = {
    "word_embedding_dimension": 32,
    "pooling_mode_cls_token": False,
    "pooling_mode_mean_tokens": True,
    "pooling_mode_max_tokens": False,
    "pooling_mode_mean_sqrt_len_tokens": False,
}


def make_encoder(folder: Path, texts: Sequence[str]) -> Path:
    """Makes an encoder whose vocabulary is made from texts."""
    backend = Tokenizer(models.WordPiece(unk_token=SPECIAL[1]))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=600, special_tokens=SPECIAL))
    ids = [(name, backend.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    backend.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ids)
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=LONGEST, **names).save_pretrained(folder)
    torch.manual_seed(0)
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    positions = {"initializer_range": 0.2, "max_position_embeddings": LONGEST}
    config = BertConfig(vocab_size=backend.get_vocab_size(), **positions, **small)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)  # as many encoders, it lacks the unused pooler
    paths = ("", "1_Pooling", "2_Normalize")
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(zip(paths, MODULES, strict=True))
    ]
    (folder / "1_Pooling").mkdir(exist_ok=True)
    for name, found in (
        ("modules.json", modules),
        ("sentence_bert_config.json", {"max_seq_length": LONGEST, "do_lower_case": False}),
        ("1_Pooling/config.json", POOLING | {"word_embedding_dimension": config.hidden_size}),
    ):
        (folder / name).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Makes a miniature encoder.")
    parser.add_argument("output", type=Path)
    parser.add_argument("--read", type=Path, required=True, help="records that give its vocabulary")
    options = parser.parse_args()
    logging.disable_progress_bar()
    records = json.loads(options.read.read_text(encoding="utf-8"))
    print(f"encoder in {make_encoder(options.output, [record['instruction'] for record in records])}")
