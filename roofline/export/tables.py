"""A table as data, and three ways to write it: plain text, markdown, rich."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from roofline.errors import one_line

if TYPE_CHECKING:
    from rich.table import Table as RichTable

STYLES = {"memory": "cyan", "compute": "yellow", "overhead": "magenta", "unsupported": "bold red"}
"""What limits a layer -> its colour on a terminal."""


class Table(NamedTuple):
    """Cells are text already; columns named in `right` are aligned to the right."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    right: frozenset[str] = frozenset()
    footer: str = ""
    widest: int = 44
    """Longer cells are cut in the middle in plain text and rich."""


def _short(text: str, widest: int) -> str:
    text = one_line(text)
    if len(text) <= widest:
        return text
    keep = (widest - 1) // 2
    return f"{text[: widest - 1 - keep]}…{text[-keep:]}"


def plain(table: Table) -> str:
    """Return aligned columns of text."""
    rows = [[_short(cell, table.widest) for cell in row] for row in table.rows]
    widths = [max(len(c), *(len(row[i]) for row in rows), 0) for i, c in enumerate(table.columns)]

    def line(cells: Sequence[str]) -> str:
        parts = []
        for name, cell, width in zip(table.columns, cells, widths, strict=True):
            parts.append(cell.rjust(width) if name in table.right else cell.ljust(width))
        return "  ".join(parts).rstrip()

    lines = [table.title, line(table.columns), "  ".join("-" * width for width in widths)]
    lines += [line(row) for row in rows]
    return "\n".join([*lines, table.footer] if table.footer else lines)


def markdown(table: Table) -> str:
    """Return a GitHub table."""

    def cell(text: str) -> str:
        return one_line(text).replace("|", "\\|")

    rule = ["---:" if name in table.right else "---" for name in table.columns]
    lines = [f"**{cell(table.title)}**", ""]
    lines += [f"| {' | '.join(row)} |" for row in (table.columns, rule)]
    lines += [f"| {' | '.join(cell(c) for c in row)} |" for row in table.rows]
    return "\n".join([*lines, "", cell(table.footer)] if table.footer else lines)


def rich_table(table: Table) -> RichTable:
    """Return the table for a terminal, the limiting class in colour."""
    from rich import box
    from rich.table import Table as Rich
    from rich.text import Text

    result = Rich(
        title=table.title, caption=table.footer or None, box=box.SIMPLE_HEAD, title_justify="left",
        caption_justify="left", title_style="bold", pad_edge=False,
    )  # fmt: skip
    for name in table.columns:
        result.add_column(name, justify="right" if name in table.right else "left", no_wrap=True)
    for row in table.rows:
        result.add_row(*(Text(_short(c, table.widest), style=STYLES.get(c, "")) for c in row))
    return result
