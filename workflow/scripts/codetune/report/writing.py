"""Tables as CSV, Markdown and LaTeX."""

from typing import Any

import pandas as pd

from codetune.base.files import atomic, write_text


def write_table(table: pd.DataFrame, shown: pd.DataFrame, title: str, note: str, outputs: dict[str, str]) -> None:
    """Writes all three forms; empty cells are dashes for readers and empty in the CSV."""
    with atomic(outputs["csv"]) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
    shown = shown.astype(object).where(shown.notna(), "-")
    align = ["left" if name in ("Model", "Dataset", "Method") else "right" for name in shown]
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


def _escape(value: Any) -> str:
    text = str(value)
    for character in "&%$#_":
        text = text.replace(character, f"\\{character}")
    return text
