"""Zeus: the log file of a ``ZeusMonitor``, or its measurements as JSON.

Grammar (https://ml.energy/zeus/reference/monitor/energy/): CSV with
``start_time,window_name,elapsed_time,gpu0_energy,...`` in seconds and joules; JSON with the fields of ``Measurement``:
``time``, ``gpu_energy`` {index: J}, ``cpu_energy`` and ``dram_energy`` or null, one object or a list of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from roofline.errors import MeasurementError
from roofline.findings import Finding
from roofline.measured.formats.common import (
    Imported,
    Options,
    base_row,
    noted,
    number,
    only_file,
    read_json,
    timed,
)
from roofline.measured.formats.csv_text import csv_below
from roofline.measured.record import Measurement
from roofline.measured.table import read_text

WHAT = "the log_file of a ZeusMonitor, or its measurements as JSON"


class _Window(NamedTuple):
    name: str
    time_s: float
    energy_j: float


def read(paths: Sequence[str], options: Options) -> Imported:
    """Return one row for each name of a window: time and energy of one run, the median where the name comes again.

    Each window is taken for ``--iterations N`` runs, one by default. The energy is that of the GPUs (boundary
    ``board``), or of the CPU packages where there is no GPU.
    """
    path = only_file(paths, "zeus")
    is_json = path.lower().endswith(".json")
    windows, boundary = _from_json(path) if is_json else (_from_csv(path), "board")
    template = options.template
    runs = options.iterations or 1
    rows: list[Measurement] = []
    findings: list[Finding] = []
    by_name: dict[str, list[_Window]] = {}
    for window in windows:
        by_name.setdefault(window.name, []).append(window)
    for name, mine in by_name.items():
        named = options._replace(template=template._replace(workload=template.workload or name))
        row = timed(base_row(named, paths, "zeus"), [window.time_s / runs for window in mine], "host")
        row = row._replace(power_boundary=row.power_boundary or boundary, n=len(mine) * runs)
        measured = [window for window in mine if window.energy_j > 0]
        if measured:
            energies = [window.energy_j / runs for window in measured]
            powers = [window.energy_j / window.time_s for window in measured]
            row = row._replace(energy_j=median(energies), power_w=median(powers))
        if len(measured) < len(mine):
            message = f"{len(mine) - len(measured)} windows are too short for the energy counter: their 0 J is left out"
            findings.append(Finding("energy-counter-still", f"{path}: {name}", message, "measure 100 ms or more"))
        rows.append(noted(row, f"window {name}"))
    return Imported(tuple(rows), tuple(findings))


def _from_csv(path: str) -> list[_Window]:
    found = []
    for line, row in csv_below(read_text(path), path, ("window_name", "elapsed_time"), WHAT):
        place = f"{path}: row {line}"
        energies = [number(text, f"{place}, column {name}") for name, text in row.items() if
                    re.fullmatch(r"gpu\d+_energy", name)]  # fmt: skip
        time_s = number(row["elapsed_time"], f"{place}, column elapsed_time")
        found.append(_checked(row["window_name"], time_s, energies, place))
    if not found:
        raise MeasurementError("no window in it", where=path, expected=WHAT)
    return found


def _from_json(path: str) -> tuple[list[_Window], str]:
    data = read_json(path, WHAT)
    entries: list[Any] = data if isinstance(data, list) else [data]
    found, boundaries = [], set()
    for at, entry in enumerate(entries):
        place = f"{path}: measurement {at}"
        if not isinstance(entry, dict) or "time" not in entry:
            raise MeasurementError("this is no measurement of Zeus", where=place, expected=WHAT)
        gpu, cpu = entry.get("gpu_energy") or {}, entry.get("cpu_energy") or {}
        parts = gpu or cpu
        if not isinstance(parts, dict):
            raise MeasurementError("gpu_energy is no object of joules", where=place, expected=WHAT)
        boundaries.add("board" if gpu else "package")
        energies = [number(value, f"{place}, energy {name}") for name, value in parts.items()]
        name = str(entry.get("window_name") or entry.get("name") or "window")
        found.append(_checked(name, number(entry["time"], f"{place}, time"), energies, place))
    if len(boundaries) != 1:
        raise MeasurementError("energies of GPUs and of CPUs, or none", where=path, expected="measurements of one kind")
    return found, boundaries.pop()


def _checked(name: str, time_s: float, energies: Sequence[float], place: str) -> _Window:
    if time_s <= 0:
        raise MeasurementError(f"{time_s:g} s is no time", where=place, expected="a time above 0")
    if any(energy < 0 for energy in energies):
        raise MeasurementError("an energy is negative", where=place, expected="joules")
    return _Window(name, time_s, sum(energies))
