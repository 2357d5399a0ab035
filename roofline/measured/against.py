"""Hold measured rows against a device: which power mode each ran in, and whether the device can be set so."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from roofline.devices.modes import find_mode, show_knob
from roofline.devices.spec import DeviceSpec, PowerMode
from roofline.errors import DeviceError, MeasurementError
from roofline.findings import Finding
from roofline.measured.record import Measurement

KNOBS = {
    "cpu_cores": "cpu_cores",
    "cpu_freq_khz": "cpu_freq",
    "gpu_freq_hz": "gpu_freq",
    "emc_freq_hz": "mem_freq",
}
"""Column -> the knob that it is a value of."""
_EXPONENT = {"cpu_freq_khz": 3}


class Placed(NamedTuple):
    """A row, and the power mode it ran in."""

    row: Measurement
    mode: PowerMode | None
    """None where the row does not say enough."""


def against_device(
    rows: Iterable[Measurement], device: DeviceSpec, where: str = "measurements"
) -> tuple[tuple[Placed, ...], tuple[Finding, ...]]:
    """Return every row with its power mode: the named one (or the only one), or a named one with other knobs.

    The clocks of a row go before those of the mode it names. A row that names no mode but both the GPU's and the
    memory's clock has the knobs it does not give from the device's default mode, and a finding says so.

    Args:
        where: names the rows in errors, such as the file they come from.

    Raises:
        MeasurementError: the device has no such mode, or a clock or count cannot be set; row, column and the nearest
            values are named.
    """
    needed = {"gpu_freq", "mem_freq"} & set(device.knobs) or {"cpu_freq"} & set(device.knobs)
    placed, unknown, partial = [], [], []
    for number, row in enumerate(rows, 1):
        place = f"{where}: row {row.line or number}"
        values = _values(row, device, place)
        named = _named(row, device, place)
        if named is None and not needed <= set(values):
            unknown.append(place)
            placed.append(Placed(row, None))
            continue
        if named is None and not set(KNOBS.values()) & set(device.knobs) <= set(values):
            partial.append(place)
        base = device.default_mode
        if named is not None:  # its own settings, such as 30W,gpu_freq=816MHz, and the row's before them
            base, values = named.base or named.name, {**named.knobs, **values}
        settings = [f"{knob}={_typed(knob, value)}" for knob, value in values.items()]
        mode = find_mode(device, ",".join([base, *settings])) if settings else (named or find_mode(device, base))
        if named is not None and dict(mode.knobs) == dict(named.knobs):
            mode = named
        placed.append(Placed(row, mode))
    findings = []
    if unknown:
        message = f"{len(unknown)} rows name no power mode, nor enough clocks ({', '.join(sorted(needed))})"
        findings.append(Finding("row-mode-unknown", unknown[0], message, "fill power_mode, or the clocks"))
    if partial:
        message = f"{len(partial)} rows name no power mode: knobs they leave out are taken from {device.default_mode}"
        findings.append(Finding("row-mode-partial", partial[0], message, "fill power_mode"))
    return tuple(placed), tuple(findings)


def _values(row: Measurement, device: DeviceSpec, place: str) -> dict[str, float]:
    """Return knob -> value of what the row's columns say, every value one that can be set."""
    given = {
        "cpu_cores": row.cpu_cores,
        "cpu_freq_khz": row.cpu_freq_hz,
        "gpu_freq_hz": row.gpu_freq_hz,
        "emc_freq_hz": row.mem_freq_hz,
    }
    found: dict[str, float] = {}
    for column, value in given.items():
        if value is not None and KNOBS[column] in device.knobs:
            found[KNOBS[column]] = _settable(device, KNOBS[column], value, column, row, place)
    units = device.processors["gpu"].units if "gpu" in device.processors else None
    if row.sm_count is not None and units is not None and units.knob is not None:
        where = f"{place}, column sm_count"
        steps = [step * units.per_step for step in device.knobs[units.knob].values]
        if row.sm_count not in steps:
            raise _not_settable(f"{row.sm_count} {units.label}", where, device, _near(steps, row.sm_count), "{:g}")
        found[units.knob] = row.sm_count / units.per_step
    elif row.sm_count is not None and units is not None and row.sm_count != units.per_step:
        raise _not_settable(f"{row.sm_count} {units.label}", f"{place}, column sm_count", device, [units.per_step],
                            "{:g}")  # fmt: skip
    return found


def _settable(device: DeviceSpec, name: str, value: float, column: str, row: Measurement, place: str) -> float:
    knob = device.knobs[name]
    near = _near(list(knob.values), value)
    for candidate in near:
        if abs(candidate - value) <= 1e-6 * candidate:
            return candidate
    where = f"{place}, column {column}"
    if {"gpu_freq", "mem_freq"} <= set(device.knobs) and name in ("gpu_freq", "mem_freq"):
        gpu, mem = row.gpu_freq_hz, row.mem_freq_hz
        if gpu in device.knobs["mem_freq"].values and mem in device.knobs["gpu_freq"].values:
            raise MeasurementError(
                "the two columns look swapped", where=f"{place}, columns gpu_freq_hz and emc_freq_hz",
                expected=f"the GPU's clock in the first, the memory's in the second, as {device.id} can be set",
            )  # fmt: skip
    exponent = _EXPONENT.get(column, 0) if knob.is_clock else 0
    raise _not_settable(show_knob(name, value), where, device, [v / 10.0**exponent for v in near], "{:.10g}")


def _near(values: list[float], value: float) -> list[float]:
    at = bisect_left(values, value)
    return values[max(0, at - 1) : at + 1]


def _not_settable(what: str, where: str, device: DeviceSpec, near: list[float], form: str) -> MeasurementError:
    return MeasurementError(
        f"{device.id} cannot be set to {what}", where=where, expected=" or ".join(form.format(value) for value in near)
    )


def _named(row: Measurement, device: DeviceSpec, place: str) -> PowerMode | None:
    text, _, extra = row.power_mode.rpartition("+")
    if extra.strip().lower() != "jetson_clocks":
        text = row.power_mode
    if not text.strip():
        return device.modes[0] if len(device.modes) == 1 else None
    try:
        return find_mode(device, text)
    except DeviceError as error:
        raise MeasurementError(error.what, where=f"{place}, column power_mode", expected=error.expected) from None


def _typed(knob: str, value: float) -> str:
    return f"{value / 1e6:.10g}MHz" if knob.endswith("_freq") else f"{value:g}"
