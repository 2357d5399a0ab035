"""Rows as CSV. A text cell that a spreadsheet would run as a formula gets a quote in front."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def rows_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a header and one line per row; lists are joined by spaces, unknown numbers stay empty."""
    if not rows:
        return ""
    return csv_line(rows[0]) + "".join(csv_line(row.values()) for row in rows)


def csv_line(values: Iterable[Any]) -> str:
    """Return one line of CSV, its line break included; a break inside a cell stays inside quotes."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([_cell(value) for value in values])  # so that \r is quoted too
    return out.getvalue()[:-2] + "\n"


def _cell(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        value = " ".join(str(item) for item in value)
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value
