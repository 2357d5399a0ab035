"""A table as data, and two ways to write it: plain text and markdown. `terminal` has the third."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from roofline.errors import one_line


class Table(NamedTuple):
    """Cells are text already; columns named in `right` are aligned to the right."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    right: frozenset[str] = frozenset()
    footer: str = ""
    widest: int = 44
    """Longer cells are cut in the middle in plain text and on a terminal."""
    bars: str = ""
    """The column of shares that a terminal draws bars of."""
    shares: Sequence[float | None] = ()
    """Per row, the number behind its cell there."""
    less: tuple[str, ...] = ()
    """Columns that a narrow terminal leaves out, the first of them first."""


def shortened(text: str, widest: int) -> str:
    """Return text of at most `widest` characters, cut in the middle."""
    text = one_line(text)
    if len(text) <= widest:
        return text
    keep = (widest - 1) // 2
    return f"{text[: widest - 1 - keep]}…{text[-keep:]}"


def plain(table: Table) -> str:
    """Return aligned columns of text."""
    rows = [[shortened(cell, table.widest) for cell in row] for row in table.rows]
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
        return one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")

    rule = ["---:" if name in table.right else "---" for name in table.columns]
    lines = [f"**{cell(table.title)}**", ""]
    lines += [f"| {' | '.join(row)} |" for row in (table.columns, rule)]
    lines += [f"| {' | '.join(cell(c) for c in row)} |" for row in table.rows]
    return "\n".join([*lines, "", cell(table.footer)] if table.footer else lines)
