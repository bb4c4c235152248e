"""A miniature encoder in the form of gte-small's repository: a BERT with random weights, mean pooling, length 1."""

import json

import torch
from codetune.base.files import write_json
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

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


def make_encoder(folder, texts, seed=0, **shape):
    """Makes an encoder.

    Args:
        folder: Where it lies.
        texts: What its vocabulary is made from.
        seed: Of its weights.
        shape: What differs in its BERT.
    """
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=600, special_tokens=SPECIAL))
    ids = [(name, backend.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    backend.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ids)
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=LONGEST, **names).save_pretrained(folder)
    torch.manual_seed(seed)
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    declared = {"initializer_range": 0.2, "max_position_embeddings": LONGEST} | small | shape
    config = BertConfig(vocab_size=backend.get_vocab_size(), **declared)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)  # as many encoders, it lacks the unused pooler
    paths = ("", "1_Pooling", "2_Normalize")
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(zip(paths, MODULES, strict=True))
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": LONGEST, "do_lower_case": False})
    (folder / "1_Pooling").mkdir()
    write_json(folder / "1_Pooling" / "config.json", POOLING | {"word_embedding_dimension": config.hidden_size})
    return folder
