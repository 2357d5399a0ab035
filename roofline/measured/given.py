"""Measured runs in whatever form a caller has them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Protocol

from roofline.measured.record import Measurement
from roofline.measured.table import read_table


class HasRows(Protocol):
    """What measuring returns."""

    def rows(self) -> list[Measurement]:
        """Return the runs as rows of the table."""


Given = str | os.PathLike[str] | HasRows | Iterable[Measurement]
"""A table's file, its rows, or what `roofline.measure` returned."""


def rows_of(measured: Given) -> tuple[list[Measurement], str]:
    """Return the rows, and what to call them in errors.

    Raises:
        MeasurementError: the file is no table of measured runs.
    """
    if isinstance(measured, (str, os.PathLike)):
        return list(read_table(os.fspath(measured)).rows), os.fspath(measured)
    return (list(measured) if isinstance(measured, Iterable) else measured.rows()), "measured"
