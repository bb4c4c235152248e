"""A GGUF file's metadata in small, and SmolLM2's tokenizer by its description."""

import re
from functools import cache
from itertools import pairwise

import regex

CONTROLS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>"]
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"


def facts():
    """A GGUF file's metadata with a vocabulary in small, whose merges join spaces, letters and signs."""
    signs = [script_of_bytes()[byte] for byte in range(256)]
    merges = ["Ġ Ġ", "ĠĠ ĠĠ", "Ċ ĠĠ", "i n", "Ġ =", "r e", "re t", "Ġ ret", "= =", "' s", "1 2", "Ġ 5", "Ã ©", "Ċ Ċ"]
    tokens = [*CONTROLS, *signs, *(merge.replace(" ", "") for merge in merges)]
    return {
        "llama.embedding_length": 576,
        "llama.feed_forward_length": 1536,
        "llama.block_count": 30,
        "llama.attention.head_count": 9,
        "llama.attention.head_count_kv": 3,
        "llama.context_length": 8192,
        "llama.rope.freq_base": 100000.0,
        "llama.attention.layer_norm_rms_epsilon": 9.999999747378752e-06,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] * len(CONTROLS) + [1] * (len(tokens) - len(CONTROLS)),
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.padding_token_id": 2,
        "tokenizer.chat_template": TEMPLATE,
    }


@cache
def script_of_bytes():
    """GPT-2's sign for each byte: itself where it can be seen, else one from 256 on."""
    seen = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return {byte: chr(byte) if byte in seen else chr(next(others)) for byte in range(256)}


PIECES = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def ids_of(text, facts):
    """The ids of a text, by the description of the published tokenizer: controls, digits, GPT-2's pieces, merges."""
    tokens = {token: number for number, token in enumerate(facts["tokenizer.ggml.tokens"])}
    ranks = {tuple(merge.split(" ")): rank for rank, merge in enumerate(facts["tokenizer.ggml.merges"])}
    kinds = zip(facts["tokenizer.ggml.tokens"], facts["tokenizer.ggml.token_type"], strict=True)
    controls = "|".join(map(re.escape, (token for token, kind in kinds if kind == 3)))
    ids = []
    for part in re.split(f"({controls})", text):
        if re.fullmatch(controls, part):
            ids.append(tokens[part])
            continue
        for run in regex.findall(r"\p{N}|\P{N}+", part):
            for piece in PIECES.findall(run):
                ids += [tokens[token] for token in merged([script_of_bytes()[b] for b in piece.encode()], ranks)]
    return ids


def merged(signs, ranks):
    while True:
        pairs = [(ranks.get(pair, len(ranks)), place) for place, pair in enumerate(pairwise(signs))]
        rank, place = min(pairs, default=(len(ranks), 0))
        if rank == len(ranks):
            return signs
        signs = [*signs[:place], signs[place] + signs[place + 1], *signs[place + 2 :]]
