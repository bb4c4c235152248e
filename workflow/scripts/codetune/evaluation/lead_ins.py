"""Lines in words: those that announce code, and those by which a text shows that it is no code."""

import re
from textwrap import dedent

# Pieces of the patterns below.
_GREETING = r"(?: Sure | Certainly | Of[ ]course | Absolutely | Okay | OK | Yes )\b"
_CODE = (
    r"(?: code|function|program|script|query|class|method|snippet|statement|command|implementation|solution|example )\b"
)
_SOME_CODE = rf"(?: [\w+\#]+[ ] ){{0,3}} {_CODE}"  # simple Python function
_HERE_IS = rf"""
    (?: {_GREETING} [!,.: ]* | [a-z] [^\n.!?:=;{{}}()\[\]<>]{{1,60}} [.!][ ]+ )?
    (?: here(?:'s|\u2019s|[ ]is|[ ]are|[ ]it[ ]is|[ ]you[ ]go) | below[ ](?:is|are) | this[ ]is[ ]the[ ]{_CODE} )\b
"""
_NO_SIGN = r"[^=;{}\n]*"  # of code
_SENTENCE = r"(?: (?![.!?][ ]) [^=;{}\n] )*"  # one, without a sign of code
_MARKUP = r"(?: \#{2,4}[ ] | \*\*? )?"  # of a heading, or of bold or slanted letters
_END = r"\*{0,2} [ \t\r]*"

# A line of its own that announces code.
_LINE = re.compile(
    rf"""
    {_MARKUP}
    (?: {_GREETING} [^:=;{{}}\n]* [:.!]                                  # Sure, that is easy!
    |   {_HERE_IS} .*                                                   # Here is a function
    |   [a-z] {_SENTENCE} \bfollowing[ ] {_SOME_CODE} {_NO_SIGN} :      # You can use the following code:
    |   (?:the|your|my)[ ] {_SOME_CODE} {_SENTENCE} \b(?:is|are|follows|below) :    # The code is as follows:
    )
    {_END}
    """,
    re.IGNORECASE | re.VERBOSE,
)
# A label instead of a sentence: Solution: or Python code:
_NAME = r"(?: [Cc]ode|[Ss]olution|[Qq]uery|[Ff]unction|Answer|Program|Script )"
_LABEL = re.compile(
    rf"""
    {_MARKUP} (?: [A-Z][\w+\#]*[ ] )? (?: {_NAME} | Output|Python|JavaScript|Java|SQL|HTML|CSS|C\+\+|Bash )
    \*{{0,2}} : {_END}
    """,
    re.VERBOSE,
)
# An announcement or a label with something beside it.
_BESIDE = re.compile(rf"{_MARKUP} {_HERE_IS} [^:=;{{}}]* : [ \t]+ (?=\S)", re.IGNORECASE | re.VERBOSE)
_LABEL_BESIDE = re.compile(rf"{_MARKUP} (?: [A-Z][\w+\#]*[ ] )? {_NAME} : [ \t]+ (?=\S)", re.VERBOSE)
_NAMES_CODE = re.compile(rf".* \b{_CODE} .* : {_END}", re.IGNORECASE | re.VERBOSE)
_SIGN = re.compile(r"[=;{}()\[\]<>]")
# A line in words, without a sign of code: an item of a list (but not of YAML), four words (but not SELECT ...), or a
# sentence.
_WORDS = re.compile(
    r"""
      \d+[.)][ \t] | [-*•][ \t](?!\w+:)
    | (?! [A-Z]{2,}\b ) [A-Z"'] (?: [^\s=;{}()\[\]<>]+[ \t]+ ){3} [^=;{}()\[\]<>]* $
    | [^\s=;{}()\[\]<>]+ [ \t] [^=;{}()\[\]<>]* [.!?] $
    """,
    re.VERBOSE,
)
_CAPITALISED = re.compile(r"[A-Z][a-z]")
_NOT_BLANK = re.compile(r"\S")
_LONGEST = 400  # characters of a line that are looked at


def without_lead_in(text: str) -> str:
    """The text without the lines at its start that announce code, if code follows.

    Words may follow, too, where the last of these lines names code, as "Here is the code:" does: some answers are in
    words.
    """
    start = 0
    while (end := _end_of_announcement(text, start)) is not None:
        rest = _NOT_BLANK.search(text, end)
        if rest is None or (in_words(text, rest.start()) and not _NAMES_CODE.fullmatch(text, start, end)):
            break
        start = rest.start()
    first = text.rfind("\n", 0, start) + 1
    return dedent(text[first:]).strip() if first and not text[first:start].strip() else text[start:]


def in_words(text: str, start: int) -> bool:
    """Whether the line that starts there is no code."""
    return _WORDS.match(_line(text, start)) is not None


def line_end(text: str, start: int) -> int:
    """Where the line ends that a place is in."""
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _line(text: str, start: int) -> str:
    """The line that starts there, or as much of it as is looked at."""
    return text[start : min(line_end(text, start), start + _LONGEST)]


def _end_of_announcement(text: str, start: int) -> int | None:
    """Where the text goes on after words that announce code; None where there are none."""
    line = _line(text, start)
    if beside := _BESIDE.match(line) or _LABEL_BESIDE.match(line):
        rest = line[beside.end() :]
        may_be_code = beside.re is _BESIDE and not (_CAPITALISED.match(rest) or in_words(rest, 0))
        if may_be_code or _SIGN.search(rest):
            return start + beside.end()
    end = start + len(line)
    alone = text.startswith("\n", end) and (_LINE.fullmatch(line) or _LABEL.fullmatch(line))
    return end if alone else None
