"""Text as LaTeX that shows it: in each encoding of fonts, where lines may break, and how wide it is."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from codetune.base.text import printable

# What stands for each character that LaTeX would obey, or shows as another one in its default encoding, OT1.
LATEX = {
    **{character: rf"\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': r"\texttt{\symbol{34}}",
    # not in ASCII, and in all encodings
    "\u2019": "'",
    "\u2018": r"\textquoteleft{}",
    "\u201c": r"\textquotedblleft{}",
    "\u201d": r"\textquotedblright{}",
    "\u2013": r"\textendash{}",
    "\u2014": r"\textemdash{}",
    "\u2020": r"$\dagger$",
    "\u2021": r"$\ddagger$",
    "\u2026": r"\dots{}",
    "\u00a0": r"\nobreakspace{}",
    "\u00a3": r"\pounds{}",
    "\u00a7": r"\S{}",
    "\u00b0": r"\textdegree{}",
    "\u00b1": r"$\pm$",
    "\u00b5": r"$\mu$",
    "\u00b7": r"$\cdot$",
    "\u00d7": r"$\times$",
    "\u2192": r"$\rightarrow$",
    "\u2212": "$-$",
    "\u2248": r"$\approx$",
    "\u2264": r"$\leq$",
    "\u2265": r"$\geq$",
    **{chr(0x3B1 + place): rf"$\{name}$" for place, name in enumerate("alpha beta gamma delta epsilon".split())},
    "\u03bb": r"$\lambda$",
    "\u03bc": r"$\mu$",
    "\u03c3": r"$\sigma$",
    **{"ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "ø": r"\o{}", "Ø": r"\O{}", "œ": r"\oe{}", "Œ": r"\OE{}"},
    **{"ł": r"\l{}", "Ł": r"\L{}", "\u0131": r"\i{}"},
}
ACCENTS = dict(
    zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327", "`'^~=u.\"rHvc", strict=True)
)
# What one would not find at the end of a line: a space between a sign or a number and what it belongs to.
TIED = re.compile(r"(?<=[<>±]) (?=[\d.])|(?<=\d) (?=(?:%|[KMB](?!\w)|to [+-]?\d|[+-]$))|(?<=\u00a0) | (?=\u00a0)")
TIE = "\0"
LONG, PIECE = 10.0, 5.0  # width of a word that may be divided at signs, and of the parts of one without, in em
PART = re.compile(r"[^/_|,:;-]*[/_|,:;-]+|[^/_|,:;-]+")
# Widths of Computer Modern Roman in em; of the typewriter's signs and of code points about.
WIDTHS = {
    **dict.fromkeys(".,:;!'ijl|[]", 0.31),
    **dict.fromkeys("Irst-()f \0", 0.4),
    **dict.fromkeys('acegovxyz0123456789/*$?{}\\_~^`"', 0.53),
    **dict.fromkeys("bdhknpquFJLSZ", 0.65),
    **dict.fromkeys("ABCDEGHKNOPQRTUVXY&+<=>@", 0.79),
    **dict.fromkeys("mw#%", 0.84),
    **dict.fromkeys("MW", 1.03),
    "\u2026": 1.35,
}
REMEMBERED = 50_000  # words of tables, which say most of them again and again


def escape_latex(value: object) -> str:
    """Returns a value as LaTeX that shows it, with places where a long word may go on in the next line."""
    words = [_escape_word(word) for word in _words(printable(str(value)))]
    # After a line's end LaTeX takes these two for an argument.
    return re.sub(r"^(\s*)([\[*])", r"\1{\2}", " ".join(words))


def fragments(text: str) -> Iterator[str]:
    """The parts of a text that cannot be divided between lines."""
    for word in _words(text):
        yield from _parts(word)


@lru_cache(REMEMBERED)
def width_of(text: str) -> float:
    """Width of a text in one line, in em: about, and rather too much."""
    return sum(WIDTHS.get(sign) or (1.05 if sign in LATEX or _accented(sign) else 4.6) for sign in text)


def _words(text: str) -> list[str]:
    return TIED.sub(TIE, unicodedata.normalize("NFC", text)).split(" ")


def _parts(word: str) -> Iterator[str]:
    if width_of(word) <= LONG:
        yield word
        return
    for part in PART.findall(word):
        yield from [part] if width_of(part) <= LONG else _pieces(part)


def _pieces(part: str) -> Iterator[str]:
    """A part without signs at which a line may end, in pieces of about the same width."""
    piece = ""
    for sign in part:
        if piece and width_of(piece + sign) > PIECE:
            yield piece
            piece = ""
        piece += sign
    yield piece


@lru_cache(REMEMBERED)
def _escape_word(word: str) -> str:
    parts = [re.sub(r"-(?=-)|'(?=')|,(?=,)", r"\g<0>{\\kern0pt}", part) for part in map(_escape_part, _parts(word))]
    text = r"\allowbreak{}".join(parts)
    # A ligature would be copied from a signature as another sign.
    return re.sub(r"f(?=[fil])", r"f{\\kern0pt}", text) if "|" in word else text


def _escape_part(part: str) -> str:
    return "".join(map(_escape_sign, part))


def _escape_sign(sign: str) -> str:
    if sign == TIE:
        return "~"
    if sign in LATEX:
        return LATEX[sign]
    if sign.isascii():
        return sign
    return _accented(sign) or rf"\studysign{{{sign}}}{{{ord(sign):04X}}}"


def _accented(sign: str) -> str | None:
    """A letter with an accent as LaTeX composes it, in each encoding."""
    base, *marks = list(unicodedata.normalize("NFD", sign))
    if not (base.isascii() and base.isalpha() and len(marks) == 1 and marks[0] in ACCENTS):
        return None
    return rf"\{ACCENTS[marks[0]]}{{{base}}}"
