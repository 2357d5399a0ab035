"""The table of measured runs: CSV, one row per run or layer, ``roofline.measurement/1``.

The first line is the header. The column ``schema`` holds the version in every row, so that the file is plain CSV for
spreadsheets and data frames; tables from before it, without that column, are read too. `COLUMNS` lists the others.
Compulsory are ``workload`` and one of ``latency_ms``, ``power_w`` and ``energy_j``.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from roofline.errors import MeasurementError
from roofline.files import read_bytes, write_whole
from roofline.findings import Finding
from roofline.measured import cells
from roofline.measured.record import BY_NAME, COLUMNS, MEASURED, SCHEMA, Column, Measurement

MAX_BYTES = 200_000_000
_SUGGESTED = 100
"""Unknown columns that are held against the known ones: a table of more is not ours, misspelt."""
_SYNONYMS = {
    "time": "latency",
    "duration": "latency",
    "latency_median": "latency_p50",
    "mem_freq": "emc_freq",
    "memory_freq": "emc_freq",
    "gpu_clock": "gpu_freq",
    "cpu_clock": "cpu_freq",
    "emc_clock": "emc_freq",
}
_SUFFIX = re.compile(r"(.+?)[_ ]?\(?(ns|us|ms|s|sec|khz|mhz|ghz|hz|mw|w|kw|mj|j|wh)\)?", re.IGNORECASE)
_STEMS = {column.name.rpartition("_")[0]: column for column in COLUMNS if column.unit}


class MeasurementTable(NamedTuple):
    """A table as it was read."""

    rows: tuple[Measurement, ...]
    findings: tuple[Finding, ...]


def read_table(path: str | Path) -> MeasurementTable:
    """Read a table of measured runs; each row knows its line.

    Raises:
        MeasurementError: the file cannot be read, a column is missing or in another unit, a value makes no sense, or a
            row is there twice. The message names row and column. Rows that measure nothing are left out, and said.
    """
    return parse_table(read_text(path), str(path))


def read_text(path: str | Path) -> str:
    """Return the text of a file.

    Raises:
        MeasurementError: it cannot be read, is too large or no UTF-8 text.
    """
    data = read_bytes(path, expected="one run's file", error=MeasurementError, max_bytes=MAX_BYTES)
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise MeasurementError("this is not text", where=str(path), expected="UTF-8 text") from None


def parse_table(text: str, where: str) -> MeasurementTable:
    """Read a table from its text; `where` names it in errors."""
    lines = _lines(text, where)
    _, header = next(lines, (1, []))
    names = [name.strip() for name in header]
    findings = check_header(names, where)
    rows: list[Measurement] = []
    empty: list[int] = []
    for line, cells_ in lines:
        place = f"{where}: row {line}"
        if len(cells_) != len(names):
            raise MeasurementError(f"{len(cells_)} cells", where=place, expected=f"{len(names)}, as in the header")
        values = dict(zip(names, cells_))
        version = values.get("schema", SCHEMA).strip()
        if version != SCHEMA:
            hint = "upgrade the tool" if version.startswith("roofline.measurement/") else ""
            raise MeasurementError(f"the row says {version!r}", where=f"{place}, column schema", expected=SCHEMA,
                                   hint=hint)  # fmt: skip
        row = parse_row(values, place, line)
        if row.time_s is None and row.power_w is None and row.energy_j is None:
            empty.append(line)
        else:
            rows.append(row)
    if empty:
        message = f"{len(empty)} rows hold none of {', '.join(MEASURED)}: left out"
        findings.append(Finding("rows-empty", f"{where}: {some_rows(empty)}", message))
    if not rows:
        raise MeasurementError("no rows", where=where, expected="one row for each run, below the header")
    findings += check_rows(rows, where)
    return MeasurementTable(tuple(rows), tuple(findings))


def _lines(text: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of every row that is not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise MeasurementError(f"no valid CSV: {error}", where=f"{where}: row {reader.line_num}") from None


def check_header(names: Sequence[str], where: str) -> list[Finding]:
    """Return what is odd about a header; raise where a column is missing, twice, or in another unit."""
    findings: list[Finding] = []
    often = Counter(names)
    for name in often:
        if name and often[name] > 1:
            raise MeasurementError(f"the column {name!r} is there twice", where=f"{where}: header")
        if name in BY_NAME or name == "schema":
            continue
        ours = in_another_unit(name)
        if ours is not None and ours.name not in often:
            raise MeasurementError(
                f"no column {name!r}",
                where=f"{where}: header",
                expected=f"{ours.name}, in {ours.unit}",
                hint=f"convert the values, or: roofline import csv {where} --map {ours.name}=NAME:UNIT",
            )
        near = difflib.get_close_matches(name, BY_NAME, 1, 0.85) if len(findings) < _SUGGESTED else []
        hint = f"did you mean {near[0]}?" if near else ""
        findings.append(Finding("column-unknown", f"{where}: {name}", "this column is not part of the table", hint))
    missing = "" if "workload" in names else "workload"
    if not missing and not set(MEASURED) & set(names):
        missing = " or ".join(MEASURED)
    if missing:
        raise MeasurementError(
            f"the column {missing} is missing", where=f"{where}: header", expected="a header with it",
            hint="roofline import csv maps columns of other names",
        )  # fmt: skip
    return findings


def in_another_unit(name: str) -> Column | None:
    """Return our column that `name` says in another unit: ``latency_s`` is latency_ms, ``gpu_freq_mhz`` gpu_freq_hz."""
    match = _SUFFIX.fullmatch(name)
    stem = (match[1] if match else name).lower().replace(" ", "_")
    return _STEMS.get(_SYNONYMS.get(stem, stem))


def parse_row(values: Mapping[str, str], place: str, line: int) -> Measurement:
    """Return one row from the texts of its cells."""
    fields: dict[str, Any] = {}
    for name, column in BY_NAME.items():
        if name in values:
            where = f"{place}, column {name}"
            try:
                fields[column.field] = cells.parse(values[name], column, where)
            except MeasurementError as error:
                raise swapped_clocks(values, place) or error from None
    if not fields.get("workload"):
        raise MeasurementError("the cell is empty", where=f"{place}, column workload", expected="the name of the model")
    row = Measurement(**fields, line=line)
    check_row(row, place)
    return row


def swapped_clocks(values: Mapping[str, str], place: str) -> MeasurementError | None:
    """Return an error if the CPU's and the GPU's clock each make sense in the other's column only."""
    try:
        cpu, gpu = float(values.get("cpu_freq_khz", "")), float(values.get("gpu_freq_hz", ""))
    except ValueError:
        return None
    if not (1e4 <= gpu < 1e7 and 1e7 < cpu <= 5e10):
        return None
    return MeasurementError(
        "the two columns look swapped", where=f"{place}, columns cpu_freq_khz and gpu_freq_hz",
        expected="kHz in the first, Hz in the second",
    )  # fmt: skip


def check_row(row: Measurement, place: str) -> None:
    """Raise if the figures of a row contradict each other."""
    p50, p99 = row.time_p50_s, row.time_p99_s
    if p50 is not None and p99 is not None and p99 < p50:
        raise MeasurementError(
            "the 99th percentile is below the median", where=f"{place}, columns latency_p50_ms and latency_p99_ms",
            expected="the median in the first: they look swapped",
        )  # fmt: skip
    if row.time_s and row.power_w and row.energy_j:
        ratio = row.energy_j / (row.power_w * row.time_s)
        for factor, unit in ((1e3, "mJ"), (1e-3, "kJ")):
            if 0.8 < ratio / factor < 1.25:
                raise MeasurementError(
                    f"power x time is {row.power_w * row.time_s:.4g} J", where=f"{place}, column energy_j",
                    expected=f"J; the cell looks like {unit}",
                )  # fmt: skip


def check_rows(rows: Sequence[Measurement], where: str) -> list[Finding]:
    """Return what is odd about rows together; raise where one is there twice."""
    seen: dict[Measurement, int] = {}
    alike: dict[Measurement, int] = {}
    repeated, unequal = [], []
    for row in rows:
        key = row._replace(line=0)
        if key in seen:
            raise MeasurementError(
                f"this row is the same as row {seen[key]}", where=f"{where}: row {row.line}", hint="remove one of them"
            )
        seen[key] = row.line
        if alike.setdefault(key._replace(notes=""), row.line) != row.line:
            repeated.append(row.line)
        if row.time_s and row.power_w and row.energy_j:
            ratio = row.energy_j / (row.power_w * row.time_s)
            if not 0.5 < ratio < 2:
                unequal.append(row.line)
    findings = []
    if repeated:
        message = f"{len(repeated)} rows differ from an earlier one in their notes only"
        findings.append(Finding("rows-alike", f"{where}: {some_rows(repeated)}", message, "is one run there twice?"))
    if unequal:
        message = f"energy is far from power x time in {len(unequal)} rows"
        hint = "are all three of one batch, and of one part of the board?"
        findings.append(Finding("energy-unlike-power", f"{where}: {some_rows(unequal)}", message, hint))
    return findings


def some_rows(lines: Sequence[int]) -> str:
    """Return the numbers of rows in words: the first three of them."""
    shown = ", ".join(map(str, lines[:3]))
    return f"rows {shown}, ..." if len(lines) > 3 else f"row {shown}" if len(lines) == 1 else f"rows {shown}"


def table_text(rows: Iterable[Measurement]) -> str:
    """Return the table as CSV text, checked as it would be when read.

    Raises:
        MeasurementError: a row that `read_table` would refuse.
    """
    rows = list(rows)
    columns = [c for c in COLUMNS if c.always or any(getattr(row, c.field) not in (None, "", ()) for row in rows)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["schema", *(column.name for column in columns)])
    for row in rows:
        writer.writerow([SCHEMA, *(cells.show(getattr(row, column.field), column) for column in columns)])
    text = out.getvalue()
    if len(parse_table(text, "the table to write").rows) != len(rows):
        raise MeasurementError("a row measures nothing", where="the table to write", expected=" or ".join(MEASURED))
    return text


def write_table(rows: Iterable[Measurement], path: str | Path) -> None:
    """Write rows to a CSV file, whole or not at all.

    Raises:
        MeasurementError: a row that `read_table` would refuse; nothing is written then.
        RooflineError: the file cannot be written.
    """
    write_whole(table_text(rows), path)
