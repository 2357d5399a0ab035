"""CSV as tools write it: below messages of their own, one table after the other, numbers in the user's locale."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from roofline.errors import MeasurementError

_DECIMAL_COMMA = re.compile(r"[+-]?(0,\d+|\d+,(\d{1,2}|\d{4,})|\d{1,3}(\.\d{3})+,\d+)")
"""A number that can only be one with a decimal comma: ``12,5``, ``0,125``, ``1.234,5``."""
_EITHER = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
"""``2,250`` is 2250 where commas stand between thousands, and 2.25 where they are decimal commas."""


def csv_below(
    text: str,
    path: str,
    first: Iterable[str],
    what: str,
    *,
    messages: tuple[str, ...] = (),
    ends_at_blank: bool = False,
    cut: list[int] | None = None,
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, cells by column) of a CSV table that may stand below other text, such as a tool's own messages.

    Args:
        first: the header is the first line that has every one of these columns.
        what: how the file should have been made, for errors.
        messages: what a line below the header begins with that is no row but a message of the tool.
        ends_at_blank: whether other tables may follow, below a blank line or a message.
        cut: gets the last line where the file ends in the middle of it, as that of a stopped logger does; without it
            such a line is an error as any other.

    Raises:
        MeasurementError: there is no header, a row has not as many cells as it, a quote is not closed, or numbers have
            decimal commas.
    """
    lines = list(io.StringIO(text, newline=""))
    if not text.strip():
        raise MeasurementError("the file is empty", where=path, expected=what)
    wanted = set(first)
    at, header = _header(lines, wanted, path, what)
    for name in wanted:
        if header.count(name) > 1:
            raise MeasurementError(f"the column {name!r} is there twice", where=f"{path}: row {at}", expected=what)
    rows: list[tuple[int, list[str]]] = []
    is_cut = not lines[-1].endswith(("\n", "\r"))
    for line, cells in _rows(lines, at, path, may_be_cut=is_cut and cut is not None):
        if not any(cell.strip() for cell in cells) or cells[0].startswith(messages):
            if ends_at_blank and rows:
                _refuse_second(lines[line:], line, wanted, path)
                break
            continue
        if is_cut and line == len(lines) and len(cells) < len(header) and cut is not None:
            cut.append(line)
            continue
        if len(cells) != len(header):
            hint = "the file ends in the middle of it" if is_cut and line == len(lines) else ""
            raise MeasurementError(
                f"{len(cells)} cells", where=f"{path}: row {line}", expected=f"{len(header)}, as in the header",
                hint=hint,
            )  # fmt: skip
        rows.append((line, cells))
    _refuse_decimal_commas(header, rows, path)
    for line, cells in rows:
        yield line, dict(zip(header, cells))


def _header(lines: Sequence[str], wanted: set[str], path: str, what: str) -> tuple[int, list[str]]:
    """Return how many lines there are to the end of the header, and its names."""
    other = ""
    for at, line in enumerate(lines):
        if not line.strip():
            continue
        reader = csv.reader(lines[at : at + 1], strict=True)
        try:
            names = [name.strip() for name in next(reader)]
        except csv.Error as error:
            if not wanted:
                raise MeasurementError(f"no valid CSV: {error}", where=f"{path}: row {at + 1}", expected=what) from None
            continue
        if wanted <= set(names):
            return at + 1, names
        for mark, name in ((";", "semicolons"), ("\t", "tabs")):
            if wanted <= {cell.strip().strip('"') for cell in line.split(mark)}:
                other = f"row {at + 1} has them between {name}: write the file with commas and decimal points"
    columns = ", ".join(sorted(wanted))
    raise MeasurementError(f"no header with {columns}", where=path, expected=what, hint=other)


def _rows(lines: Sequence[str], start: int, path: str, may_be_cut: bool) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of what stands below the header; a row of several lines has the number of its first.

    Where the last line may be cut inside quotes, it comes as a single cell.
    """
    reader = csv.reader(lines[start:], strict=True)
    while True:
        line = start + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if may_be_cut and line == len(lines):
                yield line, list(lines[-1:])
                return
            raise MeasurementError(
                f"no valid CSV: {error}", where=f"{path}: row {line}", expected="every quote closed in its own row"
            ) from None
        yield line, cells


def _refuse_second(lines: Sequence[str], start: int, wanted: set[str], path: str) -> None:
    for at, line in enumerate(lines, start + 1):
        if wanted <= {name.strip().strip('"') for name in line.split(",")}:
            raise MeasurementError(
                "a second table with the same columns", where=f"{path}: row {at}", expected="one run for each file"
            )


def _refuse_decimal_commas(header: Sequence[str], rows: Sequence[tuple[int, list[str]]], path: str) -> None:
    """Raise where a number could be read in two ways and another one of the file shows decimal commas.

    A cell that can only be read in one way is left to who reads its column: not all columns are numbers.
    """
    found: dict[re.Pattern[str], tuple[int, str, str]] = {}
    for line, cells in rows:
        for name, cell in zip(header, cells):
            if "," in cell:
                for pattern in (_DECIMAL_COMMA, _EITHER):
                    if pattern.fullmatch(cell.strip()):
                        found.setdefault(pattern, (line, name, cell.strip()))
    if len(found) == 2:
        (line, name, cell), (other, its_name, its_cell) = found[_EITHER], found[_DECIMAL_COMMA]
        raise MeasurementError(
            f"{cell!r} can be read in two ways: {its_cell!r} in row {other}, column {its_name} has a decimal comma",
            where=f"{path}: row {line}, column {name}", expected="decimal points",
            hint="write the file with LC_ALL=C",
        )  # fmt: skip
