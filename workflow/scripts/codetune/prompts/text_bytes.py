"""How many bytes of text token ids stand for. Needs no torch."""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

BYTE = re.compile("<0x([0-9A-F]{2})>")  # a token of SentencePiece that stands for one byte
REPLACEMENT = "\ufffd"  # stands in a decoded text for bytes that are no character


def bytes_of_text(completions: Sequence[list[int]], tokenizer: Any) -> int:
    """Counts the bytes of the text that the tokens of completions stand for: what bits per byte divide by.

    The text of a completion is what the tokenizer decodes its tokens to, in UTF-8, special tokens included as they are
    written (`<|endoftext|>` has 13 bytes). So a truncated completion counts as far as it was kept, and the space that
    SentencePiece puts before every text counts no more than in the data. Where tokens end within a character, its bytes
    up to there count, and not those of the replacement character that the decoded text has in their place.

    Args:
        completions: The token ids of each completion.
        tokenizer: The tokenizer that made them.
    """
    if tokenizer.is_fast:  # the backend's own way gives the same texts, without a look at every id in Python
        texts = tokenizer.backend_tokenizer.decode_batch(completions, skip_special_tokens=False)
    else:
        texts = tokenizer.batch_decode(completions, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return sum(_bytes_of(text, tokens, tokenizer) for text, tokens in zip(texts, completions, strict=True))


def _bytes_of(text: str, tokens: list[int], tokenizer: Any) -> int:
    """Bytes of one completion; its tokens are looked at if the text shows a character that may be incomplete."""
    if REPLACEMENT not in text:
        return len(text.encode())
    pieces = tokenizer.convert_ids_to_tokens(tokens)
    if _is_byte_level(tokenizer):
        return sum(map(_bytes_of_piece, pieces))
    return len(text.encode()) - 2 * _stray_bytes(pieces)  # each of them is shown by three


def _is_byte_level(tokenizer: Any) -> bool:
    """Whether each character of a token stands for a byte, as in the tokenizers of GPT-2, Llama 3 and Qwen."""
    return tokenizer.is_fast and "ByteLevel" in repr(tokenizer.backend_tokenizer.decoder)


def _bytes_of_piece(piece: str) -> int:
    """Bytes of a byte-level token; an added token may be plain text."""
    from tokenizers.pre_tokenizers import ByteLevel

    return len(piece) if set(ByteLevel.alphabet()).issuperset(piece) else len(piece.encode())


def _stray_bytes(pieces: Sequence[str]) -> int:
    """Bytes in runs of byte tokens that are not UTF-8, for each of which the decoder writes a replacement character."""
    found = 0
    for are_bytes, run in groupby(map(BYTE.fullmatch, pieces), key=bool):
        values = bytes(int(match[1], 16) for match in run if match) if are_bytes else b""
        if values.decode(errors="ignore").encode() != values:
            found += len(values)
    return found
