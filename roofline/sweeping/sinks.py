"""Where rows go: CSV or Parquet, a piece at a time, put in place when complete."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from roofline import __version__
from roofline.errors import RooflineError, UsageError
from roofline.export.as_csv import csv_line
from roofline.sweeping.part import COLUMNS, REAL, SCHEMA, WHOLE, Part
from roofline.sweeping.store import KEPT

GROUP_ROWS = 1 << 14
"""Rows of a Parquet row group: what is held in memory before it is written."""


class Sink(Protocol):
    """Takes parts, and is closed."""

    def add(self, part: Part, name: str) -> None:
        """Write the rows of a model."""

    def close(self) -> None:
        """Write what is left."""


@contextlib.contextmanager
def open_sink(path: Path, form: str) -> Iterator[Sink]:
    """Give what writes ``csv`` or ``parquet`` to a file; it is complete when the context is left.

    Raises:
        RooflineError: it cannot be written, as on a full disk.
    """
    try:
        with contextlib.closing(CsvSink(path) if form == "csv" else ParquetSink(path)) as sink:
            yield sink
    except OSError as error:
        raise RooflineError(f"cannot write: {error.strerror or error}", where=str(path), hint=KEPT) from None


def form_of(output: Path) -> str:
    """Return the format that a file's suffix asks for.

    Raises:
        UsageError: it asks for another one.
    """
    form = output.suffix.lower().removeprefix(".")
    if form not in ("csv", "parquet"):
        raise UsageError(f"-o {output}: the suffix names no format", expected=".parquet or .csv")
    if form == "parquet":
        _pyarrow()
    return form


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError:
        hint = "pip install 'roofline[sweep]', or write .csv"
        raise RooflineError("pyarrow is not installed", where="-o FILE.parquet", hint=hint) from None
    return pyarrow


class CsvSink:
    """One line per row under a header. Unknown values stay empty; a cell that looks like a formula is quoted."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._file.write(csv_line(COLUMNS))

    def add(self, part: Part, name: str) -> None:
        for row in zip(*part.columns(name).values(), strict=True):
            self._file.write(csv_line(row))

    def close(self) -> None:
        self._file.close()


class ParquetSink:
    """Typed columns; a row group is written whenever enough rows are there."""

    def __init__(self, path: Path) -> None:
        self._pyarrow = _pyarrow()
        types = {WHOLE: self._pyarrow.int64(), REAL: self._pyarrow.float64()}
        self._schema = self._pyarrow.schema(
            [(name, types.get(kind, self._pyarrow.string())) for name, kind in COLUMNS.items()],
            metadata={"schema": SCHEMA, "roofline": __version__},
        )
        self._writer = self._pyarrow.parquet.ParquetWriter(os.fspath(path), self._schema, compression="zstd")
        self._waiting: list[Any] = []

    def add(self, part: Part, name: str) -> None:
        self._waiting.append(self._pyarrow.table(part.columns(name), schema=self._schema))
        if sum(table.num_rows for table in self._waiting) >= GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            table = self._pyarrow.concat_tables(self._waiting).combine_chunks()
            self._writer.write_table(table, row_group_size=GROUP_ROWS)
            self._waiting = []

    def close(self) -> None:
        self._flush()
        self._writer.close()
