"""Bytes of completions: those of the text that the kept tokens stand for, however a tokenizer cuts characters."""

import json

import pytest
from codetune.data.samples import Sample
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.serialising import serialisation_of
from codetune.prompts.text_bytes import bytes_of_text
from codetune.prompts.tokenizing import encode
from codetune.prompts.tokensets import truncate
from codetune.study.template import BUILT_IN

END = "<|endoftext|>"
REAL_TOKENIZERS = ["llama-3.2", "gemma-2", "qwen2.5", "phi-3-mini-4k-instruct", "gpt2"]
TEXTS = [
    " def f(x):\n    return x",
    "no space before",
    "a . b , c ! it 's",
    "  two",
    "\U0001f600 \u4f60\u597d \u017c",  # four, three and two bytes a character
    "a replacement character \ufffd and \ufffd\U0001f600\ufffd",
    "<0xF0>\U0001f600<0x9F>",  # looks like byte tokens
    "\u00e9\x00\r\n\ufeff",
    "\U0001f9d1\u200d\U0001f4bb",
    "",
]


def byte_level():
    """A byte-level BPE without merges: a token per byte."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({piece: number for number, piece in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def byte_fallback(space_before):
    """What SentencePiece makes: a token per known character, else one per byte; a space before every text, or none."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    known = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", *map(chr, range(33, 127)), "\ufffd"]
    vocabulary = {piece: number for number, piece in enumerate(known)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    steps = [normalizers.Prepend("\u2581")] * space_before + [normalizers.Replace(" ", "\u2581")]
    tokenizer.normalizer = normalizers.Sequence(steps)
    parts = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(parts + [decoders.Strip(" ", 1, 0)] * space_before)
    return tokenizer


KINDS = {
    "byte-level": byte_level,
    "byte fallback": lambda: byte_fallback(False),
    "byte fallback, space before": lambda: byte_fallback(True),
}


@pytest.fixture(params=KINDS)
def tokenizer(request, tmp_path):
    """A tokenizer of each kind, as it is loaded from a checkpoint; with an added token that is no byte-level text."""
    from transformers import PreTrainedTokenizerFast

    options = {"eos_token": END, "clean_up_tokenization_spaces": True}  # drops spaces from what is decoded
    made = PreTrainedTokenizerFast(tokenizer_object=KINDS[request.param](), **options)
    made.add_tokens(["<\uff5cturn\u2581end\uff5c>"], special_tokens=True)
    made.save_pretrained(tmp_path)
    return load_tokenizer(tmp_path)


def ids_of(text, tokenizer):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def check_texts(tokenizer):
    for text in TEXTS:
        ids = ids_of(text, tokenizer)
        whole = len(text.encode())
        assert bytes_of_text([ids], tokenizer) == whole, text
        assert bytes_of_text([[*ids, tokenizer.eos_token_id]], tokenizer) == whole + len(tokenizer.eos_token), text
        cut = [bytes_of_text([ids[:count]], tokenizer) for count in range(len(ids) + 1)]
        assert cut == sorted(cut), text  # three bytes for one, as a replacement character has them, would rise and fall
        assert cut[0] == 0
    together = [ids_of(text, tokenizer) for text in TEXTS]
    assert bytes_of_text(together, tokenizer) == sum(len(text.encode()) for text in TEXTS)


def test_a_text_has_its_own_bytes_and_each_cut_of_it_no_more(tokenizer):
    check_texts(tokenizer)


@pytest.mark.parametrize("name", REAL_TOKENIZERS)
def test_the_real_tokenizers_count_the_bytes_of_the_text(real, name):
    check_texts(load_tokenizer(real / "tokenizers" / name))


def test_a_token_within_a_character_counts_its_own_bytes(tokenizer):
    ids = ids_of("a\U0001f600b", tokenizer)
    start = len(ids) - 6  # the space that some put before every text
    found = [bytes_of_text([ids[:count]], tokenizer) for count in range(start, len(ids) + 1)]
    assert found == [0, 1, 2, 3, 4, 5, 6]


def test_an_added_token_counts_as_it_is_written_beside_half_a_character(tokenizer):
    added = tokenizer.convert_tokens_to_ids("<\uff5cturn\u2581end\uff5c>")
    half = ids_of("\U0001f600", tokenizer)[:-2]
    assert bytes_of_text([half], tokenizer) == 2
    assert bytes_of_text([[*half, tokenizer.eos_token_id]], tokenizer) == 2 + len(END)
    alone = bytes_of_text([[added]], tokenizer)
    assert bytes_of_text([[*half, added]], tokenizer) == 2 + alone


@pytest.mark.parametrize("name", REAL_TOKENIZERS[:4])
def test_every_whole_completion_of_the_real_data_has_its_bytes_and_those_of_its_end(real, name):
    """Whole ones: all bytes of the output. Truncated ones: as many as the tokens that remain."""
    outputs = [record["output"] for record in json.loads((real / "codealpaca" / "code_alpaca_20k.json").read_text())]
    samples = [Sample(number, "x", "", output) for number, output in enumerate(outputs[::10])]
    tokenizer = load_tokenizer(real / "tokenizers" / name)
    template = serialisation_of(BUILT_IN["paper"], tokenizer)
    encoded = encode(samples, tokenizer, template)
    expected = sum(len(f" {sample.output} <|end|>{tokenizer.eos_token}".encode()) for sample in samples)
    assert bytes_of_text([sample.completion for sample in encoded], tokenizer) == expected
    kept, facts = truncate(encoded, 48)
    assert facts["truncated"] > 500
    whole = [sample.completion for sample in kept if "\ufffd" not in tokenizer.decode(sample.completion)]
    assert len(whole) > len(kept) - 5
    assert bytes_of_text(whole, tokenizer) == sum(len(tokenizer.decode(ids).encode()) for ids in whole)
