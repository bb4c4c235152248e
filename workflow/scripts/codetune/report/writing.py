"""Tables as CSV, Markdown and LaTeX."""

from collections.abc import Mapping

import pandas as pd

from codetune.base.files import atomic, write_text

LEFT = ("Model", "Data", "Test", "Method")  # columns of names; all others are aligned to the right


def write_forms(table: pd.DataFrame, shown: pd.DataFrame, title: str, note: str, outputs: Mapping[str, str]) -> None:
    """Writes all three forms; empty cells are dashes for readers and empty in the CSV.

    Args:
        table: What the CSV gets.
        shown: What readers get.
        title: Of the table.
        note: Below the table.
        outputs: Path for each of csv, md, tex.
    """
    with atomic(outputs["csv"]) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
    shown = shown.astype(object).where(shown.notna(), "-")
    align = ["left" if name in LEFT else "right" for name in shown]
    body = shown.to_markdown(index=False, colalign=align, disable_numparse=True)
    write_text(outputs["md"], f"# {title}\n\n{body}\n\n{note}\n")
    latex = (
        shown.map(_escape)
        .rename(columns=_escape)
        .to_latex(
            index=False,
            escape=False,
            column_format="".join(side[0] for side in align),
            caption=f"{title}. {_escape(note)}",
        )
    )
    write_text(outputs["tex"], latex)


def _escape(value: object) -> str:
    text = str(value)
    for character in "&%$#_":
        text = text.replace(character, f"\\{character}")
    return text
