"""A tiny encoder with a tokenizer like that of CodeBERT, made here: RoBERTa's classes and its ids of special tokens."""

import torch
from make_models import as_documents
from make_samples import make_records
from tokenizers import ByteLevelBPETokenizer, processors
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForMaskedLM, RobertaModel

POSITIONS = 256  # that a text may have
SIZES = {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_hidden_layers": 2}
SHAPES = {"model_type": "roberta", **SIZES, "max_position_embeddings": POSITIONS + 2, "type_vocab_size": 1}
BEGIN, PAD, END = "<s>", "<pad>", "</s>"  # with the ids 0, 1 and 2
# microsoft/codebert-base: what of its config.json says how many parameters it has.
CODEBERT = {"model_type": "roberta", "vocab_size": 50265, "hidden_size": 768, "intermediate_size": 3072}
CODEBERT |= {"num_attention_heads": 12, "num_hidden_layers": 12, "max_position_embeddings": 514, "type_vocab_size": 1}
CODEBERT |= {"architectures": ["RobertaModel"], "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}


def roberta_tokenizer(documents):
    """A tokenizer of bytes that puts a token before each text and the end token after it, as CodeBERT's does."""
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        documents, vocab_size=400, special_tokens=[BEGIN, PAD, END, "<unk>", "<mask>"], show_progress=False
    )
    backend = trained._tokenizer
    backend.post_processor = processors.RobertaProcessing((END, 2), (BEGIN, 0), add_prefix_space=False)
    names = {"bos_token": BEGIN, "cls_token": BEGIN, "eos_token": END, "sep_token": END, "pad_token": PAD}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", mask_token="<mask>", **names)
    assert tokenizer.convert_tokens_to_ids([BEGIN, PAD, END]) == [0, 1, 2]
    return tokenizer


def build_roberta(folder, head=False, **settings):
    """Makes a checkpoint folder as a publisher would, of an encoder with its pooler, or with its pre-training's head.

    Weights are large enough for what is computed to depend on all of them.
    """
    tokenizer = roberta_tokenizer(as_documents(make_records(120, seed=2)))
    sizes = {**SHAPES, "initializer_range": 0.1, "layer_norm_eps": 1e-5, "vocab_size": len(tokenizer), **settings}
    torch.manual_seed(0)
    model = (RobertaForMaskedLM if head else RobertaModel)(RobertaConfig(**sizes))
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
