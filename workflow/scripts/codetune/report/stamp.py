"""The stamp of a rehearsal: it marks as synthetic all that people may take for results.

Nothing else decides what is stamped or what the stamp says. What writes a table, a figure, a page or a document asks
this module, which does nothing in a study that is none.
"""

from typing import TYPE_CHECKING, Any

from codetune.base.rehearsal import is_rehearsal

if TYPE_CHECKING:
    import pandas as pd  # a model card is stamped without it

STAMP = "SYNTHETIC: a rehearsal, made up without any model"
COLUMN = "synthetic"  # of a table as CSV
TAG = "synthetic"  # of a model card
WORD = "SYNTHETIC"  # across a figure
STYLE = """<style>
.stamp { margin: 0 0 1rem; padding: .4rem .8rem; max-width: none; font: bold .9rem/1.4 system-ui, sans-serif;
  text-align: center; color: #fff; background: #9b1c1c; }
</style>"""


def stamped(text: str) -> str:
    """A title or a note with the stamp before it; as it is in a study that is no rehearsal."""
    return f"{STAMP}. {text}" if is_rehearsal() else text


def stamped_sections(sections: list[str]) -> list[str]:
    """The sections of a Markdown document with the stamp below its heading, which is the first of them."""
    return [sections[0], f"**{STAMP}.**", *sections[1:]] if is_rehearsal() else sections


def stamped_table(table: "pd.DataFrame") -> "pd.DataFrame":
    """A table as a program reads it, with a column that says that its numbers are synthetic."""
    return table.assign(**{COLUMN: True}) if is_rehearsal() else table


def stamp_of_pages() -> str:
    """What stands on every page of a document in print; nothing in a study that is no rehearsal."""
    return STAMP if is_rehearsal() else ""


def stamped_numbers(document: dict[str, Any]) -> dict[str, Any]:
    """A document of numbers with a key that says that they are synthetic."""
    return {COLUMN: STAMP, **document} if is_rehearsal() else document


def stamped_macros(text: str) -> str:
    """Macros of LaTeX before which the stamp stands: LaTeX warns of it whenever it reads them."""
    warning = f"\\GenericWarning{{}}{{{STAMP}}}"
    return f"% {STAMP}\n{warning}\n{text}" if is_rehearsal() else text


def stamped_page(page: str) -> str:
    """An HTML page with the stamp as its first line. To be called before the hashes of its styles are taken."""
    if not is_rehearsal():
        return page
    page = page.replace("</head>", f"{STYLE}\n</head>", 1)
    return page.replace("<body>", f'<body>\n<p class="stamp">{STAMP}</p>', 1)


def stamp_figure(figure: Any) -> None:
    """Writes the stamp across a figure of matplotlib, pale enough to read what lies below."""
    if is_rehearsal():
        size = min(11.0 * figure.get_figwidth(), 13.0 * figure.get_figheight())
        figure.text(
            0.5,
            0.5,
            WORD,
            rotation=25,
            ha="center",
            va="center",
            fontsize=size,
            fontweight="bold",
            color="#9b1c1c",
            alpha=0.22,
            zorder=100,
            in_layout=False,
        )


def figure_metadata(kind: str) -> dict[str, str]:
    """What a file of a figure says of itself beside the picture, under the name that its format has for it.

    Args:
        kind: png, svg or pdf.
    """
    names = {"png": "Description", "svg": "Description", "pdf": "Subject"}
    return {names[kind]: STAMP} if is_rehearsal() else {}
