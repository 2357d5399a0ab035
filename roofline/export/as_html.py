"""An answer in a notebook cell."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from roofline.export.as_table import blocks
from roofline.export.tables import Table


def analysis_html(data: dict[str, Any], top: int = 10) -> str:
    """Return a self-contained HTML fragment: verdict, facts, layers, modes, findings."""
    return blocks_html(blocks(data, top))


def blocks_html(parts: Iterable[str | Table]) -> str:
    """Return text and tables as a self-contained HTML fragment."""
    return "\n".join(_table(part) if isinstance(part, Table) else _text(part) for part in parts)


def _text(block: str) -> str:
    return "<p>" + "<br>".join(escape(line) for line in block.splitlines()) + "</p>"


def _table(table: Table) -> str:
    def cell(tag: str, name: str, value: str) -> str:
        align = "right" if name in table.right else "left"
        return f'<{tag} style="text-align:{align}">{escape(value)}</{tag}>'

    head = "".join(cell("th", name, name) for name in table.columns)
    body = "".join(
        "<tr>" + "".join(cell("td", n, c) for n, c in zip(table.columns, row, strict=True)) + "</tr>"
        for row in table.rows
    )
    footer = f"<p>{escape(table.footer)}</p>" if table.footer else ""
    return (
        f"<table><caption>{escape(table.title)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>{footer}"
    )
