"""Syntax trees of references and predictions, by tree-sitter grammars."""

import importlib
from functools import cache, lru_cache
from typing import Any

# Packages of the grammars, by the names that `guess_language` gives to languages.
GRAMMARS = {
    "Python": "tree_sitter_python",
    "JavaScript": "tree_sitter_javascript",
    "Java": "tree_sitter_java",
    "C++": "tree_sitter_cpp",
    "SQL": "tree_sitter_sql",
    "HTML": "tree_sitter_html",
}

# Longer texts are not parsed: the time of a text that is no program may grow with the square of its length. It is more
# than twice the longest output of CodeAlpaca-20k.
MOST_BYTES = 10_000


def parses(language: str, text: str) -> bool | None:
    """Whether a text parses without a syntax error.

    Args:
        language: The language, as `guess_language` names it.
        text: The text; an empty one counts as an error.

    Returns:
        True or False; None if there is no grammar for the language, or if the text is longer than `MOST_BYTES`.
    """
    if language not in GRAMMARS:
        return None
    if not text.strip():
        return False
    root = parse(language, text)
    return None if root is None else not root.has_error


@lru_cache(maxsize=4)  # of a prediction without comments, CodeBLEU compares the tree by which it parses
def parse(language: str, text: str) -> Any:
    """Parses a text in a language of `GRAMMARS`.

    Returns:
        The root of its tree; None if the text is longer than `MOST_BYTES`.
    """
    code = encode(text)
    return None if len(code) > MOST_BYTES else _load_parser(language).parse(code).root_node


def encode(text: str) -> bytes:
    """Encodes a text as UTF-8, with "?" for each half of a surrogate pair, which UTF-8 cannot hold."""
    return text.encode("utf-8", "replace")


@cache
def _load_parser(language: str) -> Any:
    from tree_sitter import Language, Parser

    return Parser(Language(importlib.import_module(GRAMMARS[language]).language()))
