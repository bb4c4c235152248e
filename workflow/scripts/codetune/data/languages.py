"""A sample's programming language, for metrics that need it, for the data card and for breakdowns of scores."""

import re

from codetune.data.samples import Sample

# The language that the request names decides; the output is looked at only if the request names none. The first match
# wins. Patterns for an indent or a condition must not match across lines, nor those for a style across braces: their
# search would restart at every line and read to the end, which takes minutes for a sample of a megabyte.
_NAMED = [
    ("TypeScript", r"typescript"),
    ("JavaScript", r"javascript|\bjs\b|node\.?js|jquery|react"),
    ("Java", r"\bjava\b"),
    ("Python", r"python|pandas|numpy|django|flask"),
    ("C++", r"c\+\+|\bcpp\b"),
    ("C#", r"c#|\.net\b"),
    ("SQL", r"\bsql\b|mysql|sqlite|postgres|\bquery\b"),
    ("HTML", r"\bhtml\b"),
    ("CSS", r"\bcss\b"),
    ("Shell", r"\bbash\b|\bshell\b|command line|\bunix\b"),
    ("PHP", r"\bphp\b"),
    ("Ruby", r"\bruby\b"),
    ("Go", r"\bgolang\b|\bgo program\b"),
    ("Swift", r"\bswift\b"),
    ("Kotlin", r"\bkotlin\b"),
    ("R", r"\bin r\b|\br program\b"),
    ("C", r"\bin c\b|\bc program\b"),
]
_LOOKS = [
    ("Python", r"^[^\S\n]*(def \w+\(|import \w+|from \w+ import|print\()|^[^\S\n]*(if|for|while) [^{(\n]*:[^\S\n]*$"),
    ("SQL", r"(?i)^[^\S\n]*(select|insert into|update|create table|delete from|alter table)\b"),
    ("PHP", r"<\?php"),
    ("HTML", r"(?i)<(html|div|p|body|form|table|h1|ul|a|img|input)\b"),
    ("Java", r"public (static |class )|System\.out"),
    ("C++", r"#include\s*<(iostream|vector|string|bits)|\bcout\b|\bstd::"),
    ("C#", r"Console\.Write|^using System"),
    ("C", r"#include\s*<\w+\.h>"),
    ("JavaScript", r"\b(const|let|var) \w+\s*=|=>|console\.log|^[^\S\n]*function \w*\s*\(|document\."),
    ("CSS", r"^[.#]?[\w-]+\s*\{[^{}:]*:[^{};]*;"),
    ("Shell", r"^#!/bin/|^[^\S\n]*(echo|grep|ls|sed|awk|find) "),
    ("Ruby", r"^[^\S\n]*def \w+[^\S\n]*$|\bputs\b"),
]
_NAMED_PATTERNS = [(name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _NAMED]
_LOOK_PATTERNS = [(name, re.compile(pattern, re.MULTILINE)) for name, pattern in _LOOKS]


def language_of(sample: Sample) -> str:
    """Returns the language that the sample's data set declares, else a guess."""
    return sample.language or guess_language(sample.request, sample.output)


def guess_language(prompt: str, output: str) -> str:
    """Returns the language that the prompt names, else the one that the output looks like, else `other`."""
    for patterns, text in ((_NAMED_PATTERNS, prompt), (_LOOK_PATTERNS, output)):
        for name, pattern in patterns:
            if pattern.search(text):
                return name
    return "other"
