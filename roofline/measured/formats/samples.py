"""Power logs: samples over time, the part of them that counts, and the row that they give."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from roofline.devices.spec import DeviceSpec, Knob
from roofline.errors import MeasurementError
from roofline.findings import Finding
from roofline.measured.formats.common import Imported, Options, noted
from roofline.measured.record import Measurement

MODULE_RAILS = ("VDD_IN", "POM_5V_IN", "VDD_MAIN", "POM_IN")
"""Rails that carry the whole module's power on the boards that have one of them."""
_CLOCK_TIME = re.compile(r"(?:(\d+)-(\d+)-(\d+)[ T])?(\d{1,2}):(\d{2}):(\d{2}(?:\.\d+)?)")


class Sample(NamedTuple):
    """One line of a log."""

    line: int
    when: datetime | None
    rails_w: Mapping[str, float]


class Window(NamedTuple):
    """The samples that count, and the time that they stand for."""

    samples: Sequence[Sample]
    length_s: float


def cut(samples: Sequence[Sample], options: Options, path: str) -> Window:
    """Return the samples inside `Options.window`, all without one.

    Raises:
        MeasurementError: the window cannot be placed, or holds no sample.
    """
    if all(sample.when is not None for sample in samples):
        first = samples[0].when
        assert first is not None
        seconds = [(sample.when - first).total_seconds() for sample in samples if sample.when is not None]
        for at in range(1, len(seconds)):
            if seconds[at] < seconds[at - 1]:
                raise MeasurementError("the time goes back", where=f"{path}: row {samples[at].line}",
                                       expected="one log, in order")  # fmt: skip
    elif options.interval_s is not None:
        first = None
        seconds = [at * options.interval_s for at in range(len(samples))]
    else:
        raise MeasurementError("the log has no times", where=path, expected="--interval, such as 1s")
    step = (seconds[-1] - seconds[0]) / (len(seconds) - 1) if len(seconds) > 1 else options.interval_s
    if not step:
        raise MeasurementError("how long the log runs is unknown", where=path, expected="--interval, such as 100ms")
    if options.window is None:
        return Window(samples, step * len(samples))
    start, end = (_seconds(text, first, path) for text in options.window)
    if not start < end:
        raise MeasurementError(
            f"it ends at {end:g} s and starts at {start:g} s", where="--window", expected="START..END"
        )
    inside = [sample for sample, at in zip(samples, seconds) if start <= at < end]
    if not inside or end > seconds[-1] + step + 1e-9 or start < 0:
        raise MeasurementError(
            f"{start:g} to {end:g} s is not in the log",
            where=f"{path}: --window",
            expected=f"0 to {seconds[-1] + step:g} s",
        )
    return Window(inside, end - start)


def _seconds(text: str, first: datetime | None, path: str) -> float:
    """Return seconds from the log's first line, of a number or of a time of day."""
    if re.fullmatch(r"\d+(\.\d+)?\s*s?", text.strip()):
        return float(text.strip().removesuffix("s"))
    match = _CLOCK_TIME.fullmatch(text.strip())
    if match is None or first is None:
        raise MeasurementError(
            f"{text!r} is no time", where="--window", expected="seconds from the log's start, or 10:36:27 of its clock"
        )
    hour, minute, second = int(match[4]), int(match[5]), float(match[6])
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - first).total_seconds() + 3600 * hour + 60 * minute + second


def module_power(window: Window, device: DeviceSpec | None, path: str) -> tuple[float, str]:
    """Return the module's mean power and how it was added up.

    With a device file its ``power.rails.total`` says which rails add up; without, a rail that carries the whole module.

    Raises:
        MeasurementError: neither is there; a sum of all rails would count some twice.
    """
    there = set.intersection(*(set(sample.rails_w) for sample in window.samples))
    wanted: tuple[str, ...] = ()
    if device is not None and device.total_rails:
        wanted = device.total_rails
        missing = [rail for rail in wanted if rail not in there]
        if missing:
            raise MeasurementError(
                f"no rail {', '.join(missing)}", where=path, expected=f"the rails of {device.id}: {', '.join(wanted)}",
                hint=f"the log has {', '.join(sorted(there)) or 'none'}: is it of this device?",
            )  # fmt: skip
    else:
        wanted = tuple(rail for rail in MODULE_RAILS if rail in there)[:1]
    if not wanted:
        listed = ", ".join(sorted(there)) or "none"
        hint = f"rails here: {listed}; some lie inside others, so a plain sum is wrong"
        what = "which rails add up to the module's power is unknown"
        raise MeasurementError(what, where=path, expected="--device ID of a device file that says it", hint=hint)
    powers = [sum(sample.rails_w[rail] for rail in wanted) for sample in window.samples]
    return sum(powers) / len(powers), f"mean of {' + '.join(wanted)}"


def power_row(base: Measurement, window: Window, power_w: float, options: Options, note: str, path: str) -> Imported:
    """Return the row of a power log: power, and with the number of runs, time and energy of one.

    time = length of the window / runs; energy = power x that.
    """
    findings = []
    if power_w <= 0:
        raise MeasurementError(f"the power is {power_w:g} W", where=path, expected="a power above 0")
    row = base._replace(power_w=power_w, power_boundary=base.power_boundary or "module")
    row = noted(row, f"{note}, {len(window.samples)} samples over {window.length_s:g} s")
    if options.window is None:
        message = "the whole log counts; idle time at its start or end would lower the power"
        findings.append(Finding("no-window", path, message, "--window START..END"))
    if options.iterations is None:
        message = "without the number of runs in the window there is no energy of one"
        findings.append(Finding("iterations-unknown", path, message, "--iterations N"))
    else:
        time_s = window.length_s / options.iterations
        row = row._replace(time_s=time_s, energy_j=power_w * time_s, n=options.iterations, time_kind="host")
    return Imported((row,), tuple(findings))


def settable(device: DeviceSpec | None, name: str, mhz: int) -> float | None:
    """Return the clock that a log rounds to `mhz`: the device's own value within 1.5 MHz, or None if it has none.

    tegrastats and jtop print whole MHz: 1300 is 1300.5 MHz, 729 is 729.6 MHz, 611 is 612 MHz read a little low.
    """
    knob: Knob | None = device.knobs.get(name) if device is not None else None
    if knob is None:
        return None
    near = min(knob.values, key=lambda value: abs(value - mhz * 1e6))
    return near if abs(near - mhz * 1e6) <= 1.5e6 else None
