"""Write a result: to a terminal in colour, to a pipe plainly, to a file whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from roofline.errors import one_line
from roofline.export.tables import Table, markdown, plain
from roofline.files import write_whole


def write(text: str, output: str | None) -> None:
    """Write `text` to a file in one step, or to stdout."""
    text = text if text.endswith("\n") else text + "\n"
    if output is None or output == "-":
        sys.stdout.write(text)
        return
    write_whole(text, output)


def log(verbose: int) -> None:
    """Log what is done to stderr: once -v for steps, twice for details."""
    if verbose:
        import logging

        logging.basicConfig(level=logging.DEBUG if verbose > 1 else logging.INFO)


def write_data(
    data: dict[str, Any],
    form: str,
    output: str | None,
    gate: Exception | None = None,
    rows: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Write an answer as JSON, or its `rows` (its layers) as CSV with the schema in each.

    `gate` is why the answer is refused, if it is.
    """
    if form == "csv":
        from roofline.export.as_csv import rows_csv

        found = data["layers"] if rows is None else rows
        write(rows_csv([{**row, "schema": data["schema"]} for row in found]), output)
        return
    from roofline.export.as_json import json_text

    write(json_text({**data, "reason": str(gate)} if gate else data), output)


def write_blocks(blocks: Iterable[str | Table], form: str, output: str | None) -> None:
    """Write text and tables, as markdown or for reading."""
    if form == "markdown":
        parts = [markdown(b) if isinstance(b, Table) else _safe(b).replace("\n", "  \n") for b in blocks]
        write("\n\n".join(parts), output)
    elif output in (None, "-") and _is_terminal():
        from rich.console import Console  # late: most runs are piped

        from roofline.export.terminal import print_blocks

        # no-color.org: a NO_COLOR that is not empty. Columns still fit the width
        colours: Any = {"color_system": None} if os.environ.get("NO_COLOR") else {}
        print_blocks(blocks, Console(highlight=False, **colours))
    else:
        lines: list[str] = []
        after_table = False
        for block in blocks:
            is_table = isinstance(block, Table)
            if lines and (is_table or after_table):
                lines.append("")
            lines.append(plain(block) if isinstance(block, Table) else _safe(block))
            after_table = is_table
        write("\n".join(lines), output)


def _safe(block: str) -> str:
    """Keep line breaks of our own, escape every other control character (names come from files)."""
    return "\n".join(one_line(line) for line in block.split("\n"))


def _is_terminal() -> bool:
    """Return whether stdout is a terminal that can do more than show text."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
