"""Rows as CSV. A text cell that a spreadsheet would run as a formula gets a quote in front; control characters of names
are shown as escapes, so that the text cannot drive a terminal.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from roofline.errors import one_line

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""What spreadsheets take for the start of a formula, blanks in front of it left out."""


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
    if not isinstance(value, str):
        return value
    shown = one_line(value)
    return f"'{shown}" if value.lstrip(" \n").startswith(_FORMULA) else shown
