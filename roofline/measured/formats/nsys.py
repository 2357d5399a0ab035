"""Nsight Systems' summary of kernels: ``nsys stats --report cuda_gpu_kern_sum --format csv``.

Grammar (https://docs.nvidia.com/nsight-systems/AnalysisGuide/index.html): messages may stand above the header ``Time
(%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name``; ``--timeunit`` changes the unit
in the brackets; ``cuda_gpu_kern_gb_sum`` adds ``GridXYZ`` and ``BlockXYZ``. Before 2022 the columns were ``Time(%)``,
``Average``, ``Minimum``, ``Maximum``, and there was no median.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from roofline.errors import MeasurementError
from roofline.findings import Finding
from roofline.measured.formats.common import Imported, Options, base_row, distinct, noted, number, only_file
from roofline.measured.formats.csv_text import csv_below
from roofline.measured.record import Measurement
from roofline.measured.table import read_text

WHAT = "nsys stats --report cuda_gpu_kern_sum --format csv"
_MESSAGES = ("Processing [", "Generating ", "SKIPPED", "NOTICE", "WARNING")
_UNITS = {"ns": 1e-9, "nsec": 1e-9, "us": 1e-6, "usec": 1e-6, "ms": 1e-3, "msec": 1e-3, "s": 1.0, "sec": 1.0}
_WITH_UNIT = re.compile(r"(Total Time|Avg|Med|Min|Max|StdDev) \((\w+)\)")


def read(paths: Sequence[str], options: Options) -> Imported:
    """Return a row for each kernel, and with ``--iterations N`` one for the sum of all kernels of a run.

    With N the time is the kernel's total / N, so of all its launches in one run; without, it is the median (older
    files: the mean) of one launch, and a finding says so.
    """
    path = only_file(paths, "nsys")
    kernels = list(_kernels(path))
    base = base_row(options, paths, "nsight systems")._replace(time_kind="gpu_compute")
    runs = options.iterations
    findings = []
    if runs is not None:
        findings += _uneven(kernels, runs, path)
    else:
        message = "how often the model ran is unknown: times are those of one launch of each kernel"
        findings.append(Finding("iterations-unknown", path, message, "--iterations N gives times of one run"))
    rows: list[Measurement] = []
    total_s = sum(kernel["total"] for _, kernel in kernels)
    if options.whole and runs is not None:
        rows.append(
            noted(base._replace(time_s=total_s / runs, n=runs), "sum of all kernels, without gaps between them")
        )
    if options.layers:
        for name, (_, kernel) in zip(distinct(name for name, _ in kernels), kernels):
            one = kernel.get("median", kernel["mean"])
            row = base._replace(layer=name, time_s=one, time_p50_s=kernel.get("median"), n=int(kernel["count"]))
            if runs is not None:
                row = row._replace(time_s=kernel["total"] / runs, time_p50_s=None, n=runs)
                row = noted(row, f"{kernel['count'] / runs:g} launches in each run")
            rows.append(row)
    if not rows:
        raise MeasurementError("a whole run needs the number of runs", where=path, expected="--iterations N")
    return Imported(tuple(rows), tuple(findings))


def _uneven(kernels: Sequence[tuple[str, Mapping[str, float]]], runs: int, path: str) -> list[Finding]:
    """Return what to say about kernels that cannot have run equally often in each of the runs."""
    uneven = [f"{name} ({kernel['count']:g})" for name, kernel in kernels if kernel["count"] % runs]
    if not uneven:
        return []
    shown = ", ".join(uneven[:3]) + (", ..." if len(uneven) > 3 else "")
    if len(uneven) == len(kernels):
        raise MeasurementError(
            f"no kernel was launched a multiple of {runs} times: {shown}", where=f"{path}: column Instances",
            expected="--iterations that fits: how often the model ran, warm-up runs included",
        )  # fmt: skip
    message = f"{len(uneven)} of {len(kernels)} kernels were not launched a multiple of {runs} times: {shown}"
    hint = "did the model run as often? Kernels that run once, to prepare it, are shared out among the runs too"
    return [Finding("launches-uneven", path, message, hint)]


def _kernels(path: str) -> Sequence[tuple[str, Mapping[str, float]]]:
    text = read_text(path)
    found = []
    for line, row in csv_below(text, path, ("Instances", "Name"), WHAT, messages=_MESSAGES, ends_at_blank=True):
        place = f"{path}: row {line}"
        values = _in_seconds(row, place)
        for name, value in values.items():
            if value <= 0:
                raise MeasurementError(f"{value:g} is not above 0", where=f"{place}, column {name}", expected="a time")
        grid = row.get("GridXYZ", "").split()
        name = f"{row['Name']} [grid {'x'.join(grid)}]" if grid else row["Name"]
        found.append((name, values))
    if not found:
        raise MeasurementError("no kernel in it", where=path, expected=WHAT)
    return found


def _in_seconds(row: Mapping[str, str], place: str) -> dict[str, float]:
    names = {"Total Time": "total", "Avg": "mean", "Med": "median"}
    found = {"count": number(row["Instances"], f"{place}, column Instances")}
    if found["count"] % 1:
        raise MeasurementError(f"{row['Instances']} is no count", where=f"{place}, column Instances",
                               expected="a whole number")  # fmt: skip
    for column, text in row.items():
        match = _WITH_UNIT.fullmatch(column)
        if match and match[1] in names:
            if match[2] not in _UNITS:
                raise MeasurementError(f"{match[2]!r} is no unit of time", where=f"{place}, column {column}",
                                       expected="ns, us, ms or s")  # fmt: skip
            found[names[match[1]]] = number(text, f"{place}, column {column}") * _UNITS[match[2]]
    if "mean" not in found and "Average" in row:  # before 2022; always nanoseconds
        found["mean"] = number(row["Average"], f"{place}, column Average") * 1e-9
    if "total" not in found or "mean" not in found:
        raise MeasurementError("no columns Total Time and Avg", where=place, expected=WHAT)
    return found
