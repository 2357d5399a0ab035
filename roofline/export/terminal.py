"""Answers on a terminal: bars for shares, colour for what limits, columns that fit. The only part that loads rich."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from roofline.errors import one_line
from roofline.export.tables import Table, shortened
from roofline.figures.theme import OKABE_ITO

STYLES = {
    "memory": OKABE_ITO["blue"],
    "compute": OKABE_ITO["vermillion"],
    "overhead": OKABE_ITO["purple"],
    "unsupported": f"bold {OKABE_ITO['vermillion']}",
}
"""What limits a layer -> its colour, that of the figures."""
_BAR = 8
"""Characters of the longest bar."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_GAP = 2
_LEAST, _LONG = 16, 30
"""Characters that a column of text is left with before columns are left out; the second for the first column, and for
any that has much to say."""


def print_blocks(blocks: Iterable[str | Table], console: Console) -> None:
    """Print text and tables so that no row is wider than the console: columns that matter least are left out first."""
    after_table = False
    for number, block in enumerate(blocks):
        is_table = isinstance(block, Table)
        if number and (is_table or after_table):
            console.print()
        if isinstance(block, Table):
            made, left_out = rich_table(block, console.width, console.encoding.startswith("utf"))
            said = [block.footer] if block.footer else []
            said += [f"no room for {', '.join(left_out)} (a wider terminal or a pipe has all)"] if left_out else []
            console.print(_words(block.title, console.width, "bold"))
            console.print(made)
            if said:
                console.print(_words("; ".join(said), console.width, "dim"))
        else:
            console.print(_words(block, console.width, "bold" if number == 0 else ""))
        after_table = is_table


def rich_table(table: Table, width: int, has_blocks: bool = True) -> tuple[RichTable, list[str]]:
    """Return a table for a terminal of `width` characters, and the columns that it leaves out.

    Args:
        table: the table; `bars` become bars before its cells of that column.
        width: characters of a line.
        has_blocks: whether the terminal can show eighths of a block.
    """
    rows = [[one_line(row[0]), *(shortened(cell, table.widest) for cell in row[1:])] for row in table.rows]
    limits = [next((cell for cell in row[1:] if cell in STYLES), "") for row in rows]
    bars = table.bars and _bars(table.shares, has_blocks)
    kept, widths = fitting(table, rows, width)
    result = RichTable(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False,
        padding=(0, _GAP - 1, 0, 0),  # rich puts one space between columns by itself
    )  # fmt: skip
    for i in kept:
        right = table.columns[i] in table.right
        result.add_column(Text(table.columns[i]), justify="right" if right else "left", no_wrap=True)
    for number, row in enumerate(rows):
        style = STYLES.get(limits[number], "")
        cells = []
        for i in kept:
            shown = shortened(row[i], widths[i]) if i else _name(row[i], widths[i])
            cell = Text(shown, style=_style(row[i]) if i else "")
            if bars and table.columns[i] == table.bars:
                cell = Text(bars[number], style=style).append(f"{row[i]:>{_length(rows, i)}}", style="default")
            cells.append(cell)
        result.add_row(*cells)
    return result, [name for i, name in enumerate(table.columns) if i not in kept]


def fitting(table: Table, rows: Sequence[Sequence[str]], width: int) -> tuple[list[int], dict[int, int]]:
    """Return the columns that a terminal has room for, and the width of each.

    Text gives way first; then columns are left out, those of `less` in their order, then text from the
    right, then numbers; what is then free goes back to the text, to that which needs least first.
    """
    natural = {i: max(len(name), _length(rows, i)) for i, name in enumerate(table.columns)}
    for i, name in enumerate(table.columns):
        natural[i] += _BAR + 1 if name == table.bars else 0
    least = {
        i: width if table.columns[i] in table.right else min(width, _LONG if not i or width > 2 * _LONG else _LEAST)
        for i, width in natural.items()
    }
    kept = list(natural)
    others = [name for name in reversed(table.columns[1:]) if name not in table.less]
    for name in (*table.less, *sorted(others, key=lambda name: name in table.right)):
        if sum(least[i] + _GAP for i in kept) - _GAP <= width:
            break
        kept.remove(table.columns.index(name))
    free = width - sum(least[i] + _GAP for i in kept) + _GAP
    for i in sorted(kept, key=natural.__getitem__):
        more = max(0, min(free, natural[i] - least[i]))
        least[i] += more
        free -= more
    return kept, {i: least[i] for i in kept}


def _name(text: str, width: int) -> str:
    """Cut a name so that its end stays: that is what tells one layer from another."""
    head = width // 5
    return text if len(text) <= width else f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def _length(rows: Sequence[Sequence[str]], column: int) -> int:
    return max((len(row[column]) for row in rows), default=0)


def _bars(shares: Sequence[float | None], has_blocks: bool) -> list[str]:
    """Return a bar per share, the longest for the largest."""
    largest = max((share or 0.0 for share in shares), default=0.0) or 1.0
    found = []
    for share in shares:
        eighths = round(8 * _BAR * (share or 0.0) / largest)
        whole, part = divmod(eighths, 8)
        bar = "█" * whole + (_EIGHTHS[part] if part else "") if has_blocks else "#" * round(eighths / 8)
        found.append(f"{bar:<{_BAR}} ")
    return found


def _style(cell: str) -> str:
    return STYLES["unsupported"] if cell.endswith(" !") else STYLES.get(cell, "")


def _words(block: str, width: int, style: str) -> Text:
    """Return text with a hanging indent: under the words of ``model    resnet50.onnx``, of ``- a finding``."""
    lines = []
    for line in map(one_line, block.split("\n")):
        start = re.match(r"- |[a-z]+ +(?<=^.{9})", line)
        indent = " " * len(start[0]) if start else "    " if line.startswith("  ") else ""
        lines += textwrap.wrap(line, width, subsequent_indent=indent, break_on_hyphens=False) or [""]
    found = Text("\n".join(lines), style=style)
    found.highlight_regex(r"(?m)^- \S+(?=  )", "bold")
    return found
