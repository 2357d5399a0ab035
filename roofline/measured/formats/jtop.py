"""jetson-stats: the CSV that its logger writes from ``jtop.stats``.

Grammar (https://rnext.it/jetson_stats/reference/jtop.html, ``jtop.stats``): columns ``time``, ``uptime``, ``CPU1``...,
``GPU``, ``Temp X``, ``Power X`` per rail and ``Power TOT`` in mW, ``jetson_clocks`` (ON, OFF, inactive), ``nvp
model``. Before version 4 the power is in ``power cur``. ``Power TOT`` is not the module's power on every board: on AGX
Orin it counts VDDQ twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from roofline.devices.modes import find_mode
from roofline.devices.spec import DeviceSpec
from roofline.errors import DeviceError, MeasurementError
from roofline.findings import Finding
from roofline.measured.formats.common import Imported, Options, base_row, number, only_file
from roofline.measured.formats.csv_text import csv_below
from roofline.measured.formats.samples import Sample, cut, cut_line, module_power, power_row
from roofline.measured.record import Measurement
from roofline.measured.table import read_text

WHAT = "the CSV of a jtop logger: a header with time and 'Power TOT' or 'power cur'"
_TOTALS = ("Power TOT", "power cur")


def read(paths: Sequence[str], options: Options) -> Imported:
    """Return one row: the module's mean power in the window; with ``--iterations N``, time and energy of one run."""
    path = only_file(paths, "jtop")
    cut_at: list[int] = []
    lines = list(csv_below(read_text(path), path, ("time",), WHAT, cut=cut_at))
    if not lines:
        raise MeasurementError("no samples", where=path, expected=WHAT)
    columns = lines[0][1]
    device = options.device
    by_rail = device is not None and device.total_rails and all(f"Power {r}" in columns for r in device.total_rails)
    total = next((name for name in _TOTALS if name in columns), None)
    if not by_rail and total is None:
        raise MeasurementError("no power in it", where=f"{path}: header", expected=WHAT)
    samples = [_sample(line, row, path) for line, row in lines]
    window = cut(samples, options, path)
    findings = [cut_line(path, line) for line in cut_at]
    if by_rail:
        power_w, note = module_power(window, device, path)
    else:
        assert total is not None
        power_w, note = sum(s.rails_w[total] for s in window.samples) / len(window.samples), f"mean of {total!r}"
        message = f"{total!r} is the sum that jtop makes; on some boards it counts a rail twice"
        findings.append(Finding("jtop-total", path, message, "--device ID adds up the rails as the device file says"))
    inside = {sample.line for sample in window.samples}
    of_window = [row for line, row in lines if line in inside]
    row = _state(base_row(options, paths, "jtop"), of_window, device, path)
    found = power_row(row, window, power_w, options, note, path)
    return Imported(found.rows, (*findings, *found.findings))


def _sample(line: int, row: Mapping[str, str], path: str) -> Sample:
    place = f"{path}: row {line}"
    try:
        when = datetime.fromisoformat(row["time"].strip())
    except ValueError:
        raise MeasurementError(
            f"{row['time']!r} is no time", where=f"{place}, column time", expected="2026-08-24 11:19:00.123456"
        ) from None
    rails: dict[str, float] = {}
    for name, text in row.items():
        if name in _TOTALS or name.startswith("Power "):
            value = number(text, f"{place}, column {name}")
            if value < 0:
                raise MeasurementError(f"{text} mW is negative", where=f"{place}, column {name}")
            rails[name if name in _TOTALS else name.removeprefix("Power ")] = value * 1e-3
    return Sample(line, when, rails)


def _state(row: Measurement, rows: Sequence[Mapping[str, str]], device: DeviceSpec | None, path: str) -> Measurement:
    """Return the row with power mode and clock state from the log; raise where the options say otherwise."""
    modes = {text.strip() for line in rows if (text := line.get("nvp model", "")).strip()}
    states = {text.strip().upper() for line in rows if (text := line.get("jetson_clocks", "")).strip()}
    if len(modes) > 1 or len(states) > 1:
        both = ", ".join(sorted(modes if len(modes) > 1 else states))
        raise MeasurementError(f"the board changed while it was logged: {both}", where=path, expected="one power mode",
                               hint="--window START..END takes a part of the log")  # fmt: skip
    if modes:
        mode = modes.pop()
        if row.power_mode and _plain_mode(mode, device) != _plain_mode(row.power_mode, device):
            raise MeasurementError(f"the log says {mode}, --mode {row.power_mode}", where=f"{path}: column nvp model",
                                   expected=f"--mode {mode}, or the log of another run")  # fmt: skip
        row = row._replace(power_mode=row.power_mode or mode)
    if states & {"ON", "OFF", "TRUE", "FALSE"}:
        state = "locked" if states & {"ON", "TRUE"} else "stock"
        if row.clocks and row.clocks != state:
            raise MeasurementError(f"the log says that clocks were {state}", where=f"{path}: column jetson_clocks",
                                   expected=f"--clocks {state}")  # fmt: skip
        row = row._replace(clocks=state)
    return row


def _plain_mode(text: str, device: DeviceSpec | None) -> str:
    """Return the name of a mode without its own settings, as the device file has it, or without ``MODE_``."""
    name = text.partition(",")[0]
    if device is not None:
        try:
            return find_mode(device, name).name
        except DeviceError:
            pass  # a name of other software: compared as text
    return re.sub(r"[\s_-]", "", name).upper().removeprefix("MODE")
