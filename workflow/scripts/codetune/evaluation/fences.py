"""Code fences as models write them: with any info string, within a line, cut off, or closed and never opened."""

import re
from textwrap import dedent

from codetune.evaluation.lead_ins import in_words, line_end

FENCES = ("```", "~~~")  # what each begins with
# Fences in comments are examples, in Rust, JavaScript and R.
_NOT_IN_COMMENT = r"(?<!//) (?<!//[ ]) (?<!//!) (?<!//![ ]) (?<![ ]\*[ ]) (?<!^\#[ ]) (?<!^\#'[ ])"
# A fence opens anywhere outside of quotes, in tildes at the start of a line.
_OPENING = re.compile(rf"(?<! [\"'`] ) {_NOT_IN_COMMENT} `{{3,}} | ^ [ \t]*+ ~{{3,}}", re.MULTILINE | re.VERBOSE)
# It closes at the start of a line, whatever follows, or at the end of one.
_CLOSING = re.compile(
    rf"^ [ \t]*+ (?:`{{3,}}+|~{{3,}}+) | (?<![`~]) {_NOT_IN_COMMENT} (?:`{{3,}}+|~{{3,}}+) (?= [ \t\r]*+ $ )",
    re.MULTILINE | re.VERBOSE,
)
_DEEPER = 3  # spaces by which a closing fence may be indented more than its opening one, as in CommonMark
# What may follow an opening fence: a language, a file, attributes. Anything else that is not in words is code.
_INFO = re.compile(
    r"""
    (?: \{[.\w][^{}]*\} | (?!\w+:$) [\w+\#.:/-]* )
    (?: [ \t]+ (?: \w[\w-]*=(?:"[^"]*"|[^\s"]\S*) | [\w/.-]*\.\w+ | [\d.]+ | \{[^{}"]*\} ) )*
    """,
    re.VERBOSE,
)
_LANGUAGE = re.compile(
    r"\s*(?:[Pp]ython3?|py|[Jj]ava[Ss]cript|js|[Jj]ava|c|C|cpp|c\+\+|C\+\+|sql|SQL|html|HTML|css|CSS|bash|sh|json)"
    r"\s(?!\s*=)"
)
_NOT_BLANK = re.compile(r"\S")


def first_block(text: str) -> str | None:
    """The first fenced block that is not empty; where all are, what stands outside of them; None without a fence."""
    if not any(fence in text for fence in FENCES):
        return None
    outside, place = [], 0
    while opening := _OPENING.search(text, place):
        if any(text.count(quotes, place, opening.start()) % 2 for quotes in ('"""', "'''")):
            return None  # an example in a docstring
        block, end = _block(text, opening)
        if block.strip():
            return block
        outside.append(text[place : opening.start()])
        place = end
    return "".join([*outside, text[place:]]) if outside else None


def _block(text: str, opening: re.Match[str]) -> tuple[str, int]:
    """The block that a fence opens, and where the text goes on after it."""
    fence, first_line_end = opening.group().lstrip(), line_end(text, opening.end())
    if fence[0] == "`" and (last := text.find(fence, opening.end(), first_line_end)) >= 0:
        return text[_code_start(text, opening.end()) : last], last + len(fence)
    line_start = text.rfind("\n", 0, opening.start()) + 1
    margin = 0 if text[line_start : opening.start()].strip() else opening.start() - line_start
    closing = _closing(text, fence, first_line_end, margin + _DEEPER)
    end = closing.start() if closing else len(text)
    opens_another = closing is not None and text[closing.end() : line_end(text, closing.end())].strip()
    info = text[opening.end() : first_line_end].strip()
    before = text[: opening.start()].rstrip()
    if before and not info and (closing is None or opens_another) and _words_follow(text, first_line_end):
        return before, end  # the fence has no partner: it closes a block that nothing has opened
    is_code = not _INFO.fullmatch(info) and not in_words(info, 0)
    start = _code_start(text, opening.end()) if is_code else first_line_end
    return dedent(text[start:end]), end if closing is None or opens_another else closing.end()


def _code_start(text: str, place: int) -> int:
    """Where the code starts that stands beside an opening fence, which a language may precede."""
    language = _LANGUAGE.match(text, place)
    return language.end() if language else place


def _words_follow(text: str, place: int) -> bool:
    following = _NOT_BLANK.search(text, place)
    return following is not None and in_words(text, following.start())


def _closing(text: str, fence: str, start: int, deepest: int) -> re.Match[str] | None:
    """The fence that closes a block: of the same sign and at least as long; where none is closing, the next one.

    One that is indented more than `deepest` belongs to the block, unless there is no other.
    """
    for kind, most in ((_CLOSING, deepest), (_CLOSING, len(text)), (_OPENING, len(text))):
        for found in kind.finditer(text, start):
            sign = found.group().lstrip()
            if sign.startswith(fence) and len(found.group()) - len(sign) <= most:
                return found
    return None
