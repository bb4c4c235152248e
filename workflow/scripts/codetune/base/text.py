"""Text that people, models and hubs wrote: it is shown, wherever it stands, and never acts."""

import re

# Control characters, which move a terminal's cursor or end a line; line and paragraph separators; marks that reverse
# the direction of what follows; halves of surrogate pairs and code points that are no characters, which files of
# UTF-8 and XML cannot hold.
ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")

# Marks of Markdown within a line, where they mean something: `_` not between letters, `]` before an address, `<` before
# a tag, `&` before an entity. `:` and `.` would make a link of an address.
MARKS = re.compile(
    r"[\\`*~$]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[:])|<(?=[A-Za-z/!?])|&(?=#?\w+;)|(?<=\w):(?=//)|(?<=www)\."
)

# What makes a list, a heading, a quotation or a rule of a line that begins with it.
BLOCK = re.compile(r"[#>]|[+-](?=\s|$)|-(?=[\s-]*$)|\d{1,9}(?=[.)](\s|$))")


def printable(text: str) -> str:
    """Returns text in one line, with characters that would act instead of being shown as escapes: `\\n`, `\\x1b`."""
    return ACTING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def markdown(text: str) -> str:
    """Returns text as Markdown that shows it, for within a line."""
    return MARKS.sub(r"\\\g<0>", printable(text))


def markdown_paragraph(text: str) -> str:
    """Returns text as a paragraph of Markdown, which its first characters make no list, heading, quotation or rule."""
    text = markdown(text.lstrip(" "))
    found = BLOCK.match(text)
    place = 0 if found is None else found.end() if found[0].isdigit() else found.start()
    return text if found is None else f"{text[:place]}\\{text[place:]}"


def markdown_heading(text: str) -> str:
    """Returns text for a heading that begins with `#`, which drops the same sign at its end."""
    return re.sub(r"#(\s*)$", r"\#\1", markdown(text))


def markdown_cell(text: str) -> str:
    """Returns text as Markdown that shows it in a cell of a table."""
    return markdown(text).replace("|", r"\|")


def markdown_code(text: str) -> str:
    """Returns text as a code span."""
    text = printable(text)
    mark = "`" * (1 + _longest_run(text))
    space = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) or not text else ""
    return f"{mark}{space}{text}{space}{mark}"


def markdown_block(text: str, language: str) -> str:
    """Returns lines of text as a block of code, which no line of them can end.

    Args:
        text: The lines, each with its line end.
        language: What they are written in.
    """
    mark = "`" * max(3, 1 + _longest_run(text))
    return f"{mark}{language}\n{text}{mark}"


def _longest_run(text: str) -> int:
    """Length of the longest run of backticks."""
    return max(map(len, re.findall("`+", text)), default=0)
