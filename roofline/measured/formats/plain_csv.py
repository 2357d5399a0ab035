"""Any CSV with one measurement per row: its columns are named with ``--map OURS=THEIRS`` or ``--map OURS=THEIRS:UNIT``.

Columns that have our names already need no mapping. The units of a mapped column are those of `roofline.units`;
without one the column is in our own unit.
"""

from __future__ import annotations

from collections.abc import Sequence

from roofline import units
from roofline.errors import MeasurementError, UnitError
from roofline.findings import Finding
from roofline.measured.cells import show
from roofline.measured.formats.common import Imported, Options, number
from roofline.measured.formats.csv_text import csv_below
from roofline.measured.record import BY_NAME, MEASURED, Measurement
from roofline.measured.table import check_header, check_rows, parse_row, read_text, some_rows

WHAT = "a CSV with a header"


def read(paths: Sequence[str], options: Options) -> Imported:
    """Return one row for each row of the files; what the options say goes before empty cells only."""
    for ours in options.columns:
        if ours not in BY_NAME:
            raise MeasurementError(f"no column {ours!r}", where="--map", expected=", ".join(BY_NAME))
    rows: list[Measurement] = []
    findings: list[Finding] = []
    for path in paths:
        text = read_text(path)
        first = next(iter(text.splitlines()), "")
        sources = {ours: _split(theirs, ours, first) for ours, theirs in options.columns.items()}
        taken = {name for name, _ in sources.values()}
        own: list[str] = []
        found: list[Measurement] = []
        for line, cells in csv_below(text, path, taken, WHAT):
            if not own:
                own = [name for name in cells if name not in taken and name not in sources and name]
                header = [*own, *sources, *([] if "workload" in (*own, *sources) else ["workload"])]
                findings += check_header(header, path)
            place = f"{path}: row {line}"
            values = {name: cells[name] for name in own}
            values |= {ours: _converted(ours, cells[name], unit, f"{place}, column {name}") for ours, (name, unit) in
                       sources.items()}  # fmt: skip
            if not values.get("workload", "").strip():
                values["workload"] = options.template.workload
            found.append(_filled(parse_row(values, place, line), options.template))
        rows += _measured(found, path, findings)
    findings += check_rows(rows, ", ".join(paths))
    return Imported(tuple(rows), tuple(findings))


def _measured(rows: Sequence[Measurement], path: str, findings: list[Finding]) -> list[Measurement]:
    """Return the rows that measure something; raise where none does."""
    if not rows:
        raise MeasurementError("no rows below the header", where=path, expected="one row for each run")
    found = [row for row in rows if (row.time_s, row.power_w, row.energy_j) != (None, None, None)]
    empty = [row.line for row in rows if (row.time_s, row.power_w, row.energy_j) == (None, None, None)]
    what = ", ".join(MEASURED)
    if not found:
        raise MeasurementError(
            f"all of its {len(rows)} rows leave {what} empty", where=f"{path}: {some_rows(empty)}",
            expected=f"a number in one of {what}", hint="--map names the file's own columns for them",
        )  # fmt: skip
    if empty:
        message = f"{len(empty)} rows hold none of {what}: left out"
        findings.append(Finding("rows-empty", f"{path}: {some_rows(empty)}", message))
    return found


def _split(theirs: str, ours: str, header: str) -> tuple[str, str]:
    """Return their column and its unit; a column whose own name holds a colon is found in the header."""
    name, colon, unit = theirs.rpartition(":")
    if not colon or theirs in header.split(","):
        return theirs, ""
    if not BY_NAME[ours].dimension:
        raise MeasurementError(f"{ours} has no unit", where=f"--map {ours}={theirs}", expected="a column's name alone")
    return name, unit


def _converted(ours: str, text: str, unit: str, where: str) -> str:
    """Return a cell in our unit."""
    column = BY_NAME[ours]
    if not unit or not text.strip():
        return text
    value = number(text.strip(), where)
    try:
        found = units.parse(f"{value!r} {unit}", column.dimension, where=where)
    except UnitError as error:
        raise MeasurementError(error.what, where=error.where, expected=error.expected) from None
    return show(found, column)


def _filled(row: Measurement, template: Measurement) -> Measurement:
    if template.device:  # a device that is asked for overrules free text
        row = row._replace(device=template.device)
    empty = {name for name, value in zip(row._fields, row) if value in (None, "", ())}
    return row._replace(**{name: getattr(template, name) for name in empty})
