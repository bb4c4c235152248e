"""The code in what a model wrote: without its fence, the sentence before it, and the turns after it."""

import re
from textwrap import dedent
from typing import NamedTuple

from codetune.evaluation.metric import MOST_CHARACTERS

# What the signature of each metric on code says of it. The number changes with the rules below.
EXTRACTION = (
    "code:first fenced block of the text up to the next turn, else that text without a lead-in sentence|extraction:1"
)

# A control token of a chat template, written as text: `<|end|>`, `<|im_start|>`, `<end_of_turn>`, `[INST]`, `</s>`. In
# quotes it belongs to a program, but not after the string that ends a program.
_SIGN = (
    r"(?:</?\|/?[A-Za-z_]\w*\|>|<\uff5c[^\uff5c<>\n]{1,40}\uff5c>|<(?:(?:start|end)_of_turn|eos)>|\[/?INST\]|<</?SYS>>"
    r"|</s>(?=\s*(?:\Z|<|\[/?INST\])|[ \t\r]*\n)|<s>(?=\s*\[INST\]))"
)
_AFTER_STRING = r"(?<=[\w.!?)\]}>][\w.!?)\]}>][\"'`])"
_CONTROL = rf"(?:(?:(?<![\"'`])|{_AFTER_STRING}){_SIGN}|(?<=[\"'])(?<!\"\"\")(?<!\'\'\'){_SIGN}(?=[ \t\r]*(?:\n|\Z)))"
# A line that begins a turn in plain text: a role with words after it or below it, or a heading of Alpaca's prompt. The
# end of a text is no sign of one: all that it would cut off is that line.
_ANSWER = r"Assistant:(?=[ \t]+\S|[ \t\r]*\n(?![ \t]))|\#{2,4}[ \t]*(?:Response|Assistant)(?::|[ \t\r]*$)"
_ROLE = (
    rf"^(?:{_ANSWER}|(?:User|Human|System|Question|Instruct|Instruction|Exercise[ \t]\d+):"
    r"(?=[ \t]+[^\W\d_]|[ \t\r]*\n(?![ \t]))"
    r"|\#{2,4}[ \t]*(?:Instruction|Input|Human|User|Question)s?(?::|[ \t\r]*$)|(?:user|assistant)[ \t\r]*$"
    r"|Below is an instruction that describes a task)"
)
_TURN = re.compile(f"{_CONTROL}|{_ROLE}", re.MULTILINE)
# What of these a text may begin with: the head of its own turn.
_HEAD = re.compile(rf"\s*(?:{_CONTROL}(?:[ \t]*(?:assistant|model|system|user)\b)?|{_ANSWER})", re.MULTILINE)

_NOT_IN_COMMENT = (
    r"(?<!//)(?<!// )(?<!//!)(?<!//! )(?<! \* )(?<!^# )(?<!^#' )"  # as examples in Rust and JavaScript are
)
_OPENING = re.compile(rf"(?<![\"'`]){_NOT_IN_COMMENT}`{{3,}}|^[ \t]*+~{{3,}}", re.MULTILINE)
# A fence closes at the start of a line, whatever follows, or at the end of one.
_CLOSING = re.compile(
    rf"^[ \t>]*+(?:`{{3,}}+|~{{3,}}+)|(?<![`~]){_NOT_IN_COMMENT}(?:`{{3,}}+|~{{3,}}+)(?=[ \t\r]*+$)", re.MULTILINE
)
_DEEPER = 3  # spaces by which a closing fence may be indented more than its opening one, as in CommonMark
# What may follow an opening fence: a language, a file, attributes. Anything else that is not in words is code.
_ATTRIBUTE = r"\w[\w-]*=(?:\"[^\"]*\"|[^\s\"]\S*)|[\w/.-]*\.\w+|[\d.]+|\{[^{}\"]*\}"
_INFO = re.compile(rf"(?:\{{[.\w][^{{}}]*\}}|(?!\w+:$)[\w+#.:/-]*)(?:[ \t]+(?:{_ATTRIBUTE}))*")
_LANGUAGE = re.compile(
    r"\s*(?:[Pp]ython3?|py|[Jj]ava[Ss]cript|js|[Jj]ava|c|C|cpp|c\+\+|C\+\+|sql|SQL|html|HTML|css|CSS|bash|sh|json)"
    r"\s(?!\s*=)"
)
_CODE_AT_END = re.compile(r"[=;{}()\[\]<>][^\n]*[^\s.:!?]\Z|[;{}()\[\]>]\Z")

# A line that announces code: a greeting, "Here is ...", or words that name "the following code" or the like, without a
# sign of code. "Here is ...:" may also have the code beside it.
_MARKUP = r"(?:\#{2,4}[ \t]|\*\*?|__?)?"
_LINE_END = r"[*_]*[ \t\r]*(?=\n)"
_GREETING = r"(?:Sure|Certainly|Of course|Absolutely)\b"
_WITHIN = r"(?:(?![.!?][ \t])[^\n:=;{}])*"  # one sentence
_KINDS = "code|function|program|script|query|class|method|snippet|statement|command|implementation|solution|example"
_LEAD_IN = re.compile(
    rf"{_MARKUP}(?:{_GREETING}[^\n:=;{{}}]*[:.!]{_LINE_END}"
    rf"|(?:(?:{_GREETING}|Okay|OK|Yes)[!,.:]*[ \t]*|[a-z][^\n.!?:=;{{}}()\[\]<>]{{1,60}}[.!][ \t]+)?"
    rf"(?:here(?:'s|\u2019s| is| are| it is| you go)|below (?:is|are)|this is the (?:{_KINDS}))\b"
    rf"(?:{_WITHIN}:(?=[ \t]+(?:[^\n]*[=;{{}}()\[\]<>]|(?!(?-i:[A-Z][a-z]))\S))|[^\n]*{_LINE_END}|{_WITHIN}:(?=[ \t]))"
    rf"|(?=[a-z]){_WITHIN}?\bfollowing (?:[\w+#]+ ){{0,3}}?(?:{_KINDS})\b[^\n=;{{}}]*:{_LINE_END}"
    rf"|(?:the|your|my) (?:[\w+#]+ ){{0,3}}?(?:{_KINDS})\b{_WITHIN}\b(?:is|are|follows|below):{_LINE_END})",
    re.IGNORECASE,
)
_CODE_FOLLOWS = re.compile(rf"[^\n]*\b(?:{_KINDS})\b[^\n]*:{_LINE_END}", re.IGNORECASE)
_NAMES = "[Cc]ode|[Ss]olution|[Qq]uery|[Ff]unction|Answer|Program|Script"
_LABEL = re.compile(
    rf"{_MARKUP}(?:[A-Z][\w+#]*[ \t])?"
    rf"(?:(?:{_NAMES}|Output|Python|JavaScript|Java|SQL|HTML|CSS|C\+\+|Bash)(?::|[*_]+:){_LINE_END}"
    rf"|(?:{_NAMES}):(?=[ \t]+[^\n]*[=;{{}}()\[\]<>]))"
)
_ANNOUNCEMENTS = (_LEAD_IN, _LABEL)
_NOT_BLANK = re.compile(r"\S")
_LONGEST = 400  # characters of a sentence that announces code, and of the line after it that is looked at
# A line in words: an item of a list, or four words or more, or a sentence, without a sign of code.
_WORDS = re.compile(
    r"\d+[.)][ \t]|[-*•][ \t](?!\w+:)|(?![A-Z]{2,}\b)[A-Z\"'](?:[^\s=;{}()\[\]<>]+[ \t]+){3}[^=;{}()\[\]<>\n]*$"
    r"|[^\s=;{}()\[\]<>]+[ \t][^=;{}()\[\]<>\n]*[.!?]$",
    re.MULTILINE,
)


class Code(NamedTuple):
    """The code in a text.

    Attributes:
        text: The code; the text itself where nothing was taken off.
        how: What it was found by: `fence`, `turn` (what stands before the next turn) or `lead-in` (what stands after a
            sentence that announces it); None where nothing was taken off.
    """

    text: str
    how: str | None


def extract_code(text: str) -> Code:
    """Finds the code in what a model wrote, in the same way for all models.

    It is the first fenced block of the text up to the next turn; where there is no fence, that text without a sentence
    that announces it. From the code that is found, nothing more would be taken off. A text that is too long to be
    measured stays as it is.

    Args:
        text: The text as written.
    """
    if len(text) > MOST_CHARACTERS:
        return Code(text, None)
    code, how = text.strip(), None
    while True:
        found, by = _take_off(code)
        if found == code:
            return Code(text, None) if how is None else Code(code, how)
        code, how = found, how or by


def _take_off(text: str) -> tuple[str, str]:
    """What is left of a text, and by what it was found."""
    turn = _up_to_next_turn(text)
    fenced = _fenced(turn)
    if fenced is not None:
        return fenced.strip(), "fence"
    return (turn, "turn") if turn != text else (_without_lead_in(text), "lead-in")


def _up_to_next_turn(text: str) -> str:
    start = 0
    while head := _HEAD.match(text, start):
        start = head.end()
    struck = text.find("<s>", start)  # in HTML this strikes text through, up to the tag that ends a turn elsewhere
    for turn in _TURN.finditer(text, start):
        is_tag = turn.group() == "</s>" and -1 < struck < turn.start()
        if not is_tag and text[start : turn.start()].strip():
            return text[start : turn.start()].strip()
    return text[start:].strip()


def _fenced(text: str) -> str | None:
    """The first fenced block that is not empty; where all are, what stands outside of them; None without a fence."""
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
    fence = opening.group().lstrip()
    line_end = _line_end(text, opening.end())
    if fence[0] == "`" and (last := text.find(fence, opening.end(), line_end)) >= 0:
        return text[_code_start(text, opening.end()) : last], last + len(fence)
    info = text[opening.end() : line_end].strip()
    has_code = not _INFO.fullmatch(info) and not _in_words(info, 0)
    start = _code_start(text, opening.end()) if has_code else line_end
    margin = opening.start() - (text.rfind("\n", 0, opening.start()) + 1)
    if text[opening.start() - margin : opening.start()].strip():
        margin = 0
    closing = _closing(text, fence, line_end, margin + _DEEPER)
    end = closing.start() if closing else len(text)
    is_next = closing is not None and text[closing.end() : _line_end(text, closing.end())].strip()
    before = text[: opening.start()].rstrip()
    if before and not info and (closing is None or is_next) and _closes(before, text, line_end):
        return before, end
    return dedent(text[start:end]), end if closing is None or is_next else closing.end()


def _code_start(text: str, place: int) -> int:
    """Where the code starts that stands beside an opening fence, which a language may precede."""
    language = _LANGUAGE.match(text, place)
    return language.end() if language else place


def _closes(before: str, text: str, after: int) -> bool:
    """Whether a fence that has no partner closes a block that nothing has opened: by what stands around it."""
    following = _NOT_BLANK.search(text, after)
    in_words = following is not None and _in_words(text, following.start())
    return in_words or bool(_CODE_AT_END.search(before, before.rfind("\n") + 1))


def _closing(text: str, fence: str, start: int, deepest: int) -> re.Match[str] | None:
    """The fence that closes a block: of the same sign and at least as long; where none is closing, the next one.

    One that is indented more than `deepest` belongs to the block, unless there is no other.
    """
    for kind, most in ((_CLOSING, deepest), (_CLOSING, len(text)), (_OPENING, len(text))):
        for found in kind.finditer(text, start):
            sign = found.group().lstrip(" \t>")
            if sign.startswith(fence) and len(found.group()) - len(sign) <= most:
                return found
    return None


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _without_lead_in(text: str) -> str:
    start = 0
    while found := next(filter(None, (one.match(text, start, start + _LONGEST) for one in _ANNOUNCEMENTS)), None):
        rest = _NOT_BLANK.search(text, found.end())
        if rest is None or (_in_words(text, rest.start()) and not _CODE_FOLLOWS.match(text, start, rest.start())):
            break
        start = rest.start()
    line = text.rfind("\n", 0, start) + 1
    return dedent(text[line:]).strip() if line and not text[line:start].strip() else text[start:]


def _in_words(text: str, start: int) -> bool:
    """Whether the line that starts there is no code."""
    return _WORDS.match(text, start, min(_line_end(text, start), start + _LONGEST)) is not None
