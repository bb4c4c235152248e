"""Whether a text is a program of its language, by the tree-sitter grammars."""

import importlib
from functools import cache
from typing import Any

# What `guess_language` calls a language, and the package of its grammar.
GRAMMARS = {
    "Python": "tree_sitter_python",
    "JavaScript": "tree_sitter_javascript",
    "Java": "tree_sitter_java",
    "C++": "tree_sitter_cpp",
    "SQL": "tree_sitter_sql",
    "HTML": "tree_sitter_html",
}


def parses(language: str, text: str) -> bool | None:
    """Whether a text parses without an error.

    Args:
        language: As `guess_language` names it.
        text: The text; an empty one does not count as a program.

    Returns:
        None where there is no grammar for the language.
    """
    if language not in GRAMMARS:
        return None
    return bool(text.strip()) and not _parser(language).parse(text.encode()).root_node.has_error


@cache
def _parser(language: str) -> Any:
    from tree_sitter import Language, Parser

    return Parser(Language(importlib.import_module(GRAMMARS[language]).language()))
