"""Code fences as models write them: with any info string, within a line, cut off, or closed and never opened."""

import re
from textwrap import dedent

from codetune.evaluation.lead_ins import in_words, line_end

# A fence opens anywhere outside of quotes, in tildes at the start of a line.
_OPENING = re.compile(r"(?<! [\"'`] ) `{3,} | ^ [ \t]*+ ~{3,}", re.MULTILINE | re.VERBOSE)
# It closes at the start of a line, whatever follows, or at the end of one.
_CLOSING = re.compile(
    r"^ [ \t]*+ (?:`{3,}+|~{3,}+) | (?<![`~]) (?:`{3,}+|~{3,}+) (?= [ \t\r]*+ $ )", re.MULTILINE | re.VERBOSE
)
_CODE_BESIDE_FENCE = re.compile(r"[;{]$|\s.*:$|\w\(.*\)$")  # else what follows an opening fence is its info string
_LANGUAGE = re.compile(r"\s*(?:python3?|py|javascript|js|java|c|cpp|c\+\+|sql|html|css|bash|sh|json)\s", re.IGNORECASE)
_NOT_BLANK = re.compile(r"\S")


def first_block(text: str) -> str | None:
    """The first fenced block that is not empty; where all are, what stands outside of them; None without a fence."""
    outside, place = [], 0
    while opening := _OPENING.search(text, place):
        if text.count('"""', place, opening.start()) % 2:
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
        return _LANGUAGE.sub("", text[opening.end() : last], count=1), last + len(fence)
    closing = _closing(text, fence, first_line_end)
    end = closing.start() if closing else len(text)
    opens_another = closing is not None and text[closing.end() : line_end(text, closing.end())].strip()
    info = text[opening.end() : first_line_end].strip()
    before = text[: opening.start()].rstrip()
    if before and not info and (closing is None or opens_another) and _words_follow(text, first_line_end):
        return before, end  # the fence has no partner: it closes a block that nothing has opened
    start = opening.end() if _CODE_BESIDE_FENCE.search(info) else first_line_end
    return dedent(text[start:end]), end if closing is None or opens_another else closing.end()


def _words_follow(text: str, place: int) -> bool:
    following = _NOT_BLANK.search(text, place)
    return following is not None and in_words(text, following.start())


def _closing(text: str, fence: str, start: int) -> re.Match[str] | None:
    """The fence that closes a block: of the same sign and at least as long; where none is closing, the next one."""
    for kind in (_CLOSING, _OPENING):
        for found in kind.finditer(text, start):
            if found.group().lstrip().startswith(fence):
                return found
    return None
