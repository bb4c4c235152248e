"""Syntax checks of predictions, by tree-sitter grammars."""

import importlib
from functools import cache
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


def parses(language: str, text: str) -> bool | None:
    """Whether a text parses without a syntax error.

    Args:
        language: The language, as `guess_language` names it.
        text: The text; an empty one counts as an error.

    Returns:
        True or False; None if there is no grammar for the language.
    """
    if language not in GRAMMARS:
        return None
    return bool(text.strip()) and not _load_parser(language).parse(text.encode()).root_node.has_error


@cache
def _load_parser(language: str) -> Any:
    from tree_sitter import Language, Parser

    return Parser(Language(importlib.import_module(GRAMMARS[language]).language()))
