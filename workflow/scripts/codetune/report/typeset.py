"""An article as a PDF, set by Typst with the fonts that it brings. Texts reach it as data, never as markup."""

import json
import re
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import typst
from matplotlib import get_data_path
from matplotlib.ft2font import FT2Font

from codetune.base.errors import StudyError
from codetune.base.text import printable
from codetune.report.article import Article, Part

MOST_PAGES = 4
WORD = 14  # characters of a word in a table that may be divided after this many
# A minus before a number with a point, which no label is likely to have.
MINUS = re.compile(r"(?<![\w.-])-(?=\d+\.\d)")
PAGES = "<pages>"  # the template's label of their number


def set_article(article: Article, template: str | Path) -> bytes:
    """Sets an article; where it is longer than four pages, without the parts that matter least.

    Args:
        article: The article.
        template: The Typst document that lays it out.

    Returns:
        The PDF: the same bytes each time, since it holds no date and no font of the machine.

    Raises:
        StudyError: The template is not what Typst understands.
    """
    template = Path(template)
    while True:
        inputs = {"article": _as_data(article)}
        try:
            compiler = typst.Compiler(template, root=template.parent, ignore_system_fonts=True, sys_inputs=inputs)
            pages = int(json.loads(compiler.query(PAGES, field="value", one=True)))
            if pages <= MOST_PAGES or not article.highest_rank:
                pdf = compiler.compile(format="pdf", timestamp=0)
                assert isinstance(pdf, bytes)  # as of one file
                return pdf
        except RuntimeError as error:  # of which TypstError is one
            raise StudyError(
                f"{template}: Typst cannot set it ({_reason(error)}). Put back the project's own."
            ) from None
        article = article.shorter()


def _reason(error: RuntimeError) -> str:
    """What Typst says, with the place, on one line."""
    place = re.search(r":(\d+:\d+)\b", getattr(error, "diagnostic", ""))
    said = " ".join(f"{error} {' '.join(getattr(error, 'hints', []))}".split())
    return printable(said) + (f", at {place[1]}" if place else "")


def _as_data(article: Article) -> str:
    """An article as JSON, with signs that can be shown alone."""
    article = article.with_mentions()
    plain = asdict(
        replace(article, parts=[_in_table(part) if part.kind == "table" else part for part in article.parts])
    )
    for part in plain["parts"]:
        part |= {key: shown(part[key]) for key in ("text", "note")}
        part |= {"items": [shown(one) for one in part["items"]], "head": [shown(one) for one in part["head"]]}
        part["rows"] = [[shown(cell) for cell in row] for row in part["rows"]]
    plain |= {key: shown(plain[key]) for key in ("title", "byline", "abstract", "stamp")}
    return json.dumps(plain, ensure_ascii=True, allow_nan=False)


def _in_table(part: Part) -> Part:
    rows = [[_divisible(cell) for cell in row] for row in part.rows]
    return replace(part, head=[_divisible(name) for name in part.head], rows=rows)


def _divisible(text: str) -> str:
    """A text whose long words may go on in the next line."""
    return " ".join(
        "\u200b".join(re.findall(f".{{1,{WORD}}}", word)) if len(word) > WORD else word for word in text.split(" ")
    )


def shown(text: str) -> str:
    """A text in one line as the fonts can show it: signs that they lack by their code points, as U+4E2D."""
    known = _signs()
    return MINUS.sub(
        "\u2212", "".join(sign if ord(sign) in known else f"U+{ord(sign):04X}" for sign in printable(text))
    )


@cache
def _signs() -> frozenset[int]:
    """Code points of DejaVu Sans Mono, which is the widest of the fonts that Typst brings; matplotlib has it, too."""
    font = FT2Font(str(Path(get_data_path(), "fonts", "ttf", "DejaVuSansMono.ttf")))
    return frozenset(font.get_charmap()) | {0x200B}
