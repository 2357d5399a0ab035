"""Power logs: samples over time, the part of them that counts, and the row that they give."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from roofline.devices.spec import DeviceSpec, Knob
from roofline.errors import MeasurementError
from roofline.findings import Finding
from roofline.measured.formats.common import Imported, Options, noted
from roofline.measured.record import Measurement

MODULE_RAILS = ("VDD_IN", "POM_5V_IN", "VDD_MAIN", "POM_IN")
"""Rails that carry the whole module's power on the boards that have one of them."""
_DUST_S = 1e-9
"""What sums of floats are off by at most."""
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
    findings: tuple[Finding, ...] = ()


class _Times(NamedTuple):
    """When each line was written, from the first one on."""

    at_s: Sequence[float]
    stamps_s: Sequence[float]
    """What the log's own clock says; empty where it has none."""
    step_s: float
    """Between two lines."""
    resolution_s: float
    """Of the log's clock."""
    findings: tuple[Finding, ...] = ()


def cut(samples: Sequence[Sample], options: Options, path: str) -> Window:
    """Return the samples inside `Options.window`, all without one.

    Raises:
        MeasurementError: the window cannot be placed, or holds no sample.
    """
    times = _times(samples, options.interval_s, path)
    if options.window is None:
        return Window(samples, times.step_s * len(samples), times.findings)
    first = samples[0].when if times.stamps_s else None
    start, end = (_seconds(text, first, path) for text in options.window)
    if not start < end:
        raise MeasurementError(
            f"it ends at {end:g} s and starts at {start:g} s", where="--window", expected="START..END"
        )
    by_clock = any(":" in text for text in options.window)
    at_s = times.stamps_s if by_clock else times.at_s
    last_s = at_s[-1] + (max(times.step_s, times.resolution_s) if by_clock else times.step_s)
    inside = [sample for sample, at in zip(samples, at_s) if start <= at + _DUST_S < end]
    if not inside or end > last_s + _DUST_S or start < 0:
        raise MeasurementError(
            f"{start:g} to {end:g} s is not in the log", where=f"{path}: --window", expected=f"0 to {last_s:g} s"
        )
    return Window(inside, end - start, times.findings)


def _times(samples: Sequence[Sample], interval_s: float | None, path: str) -> _Times:
    """Return when the lines were written: by their stamps, and by the interval where that is given or stamps repeat.

    Whole seconds that repeat say when a line was written to a second only. The lines are evenly apart then, and without
    an interval the step is (last - first + 1 s) / lines.
    """
    count = len(samples)
    whens = [sample.when for sample in samples if sample.when is not None]
    if len(whens) < count:
        if interval_s is None:
            raise MeasurementError("the log has no times", where=path, expected="--interval, such as 1s")
        return _Times([at * interval_s for at in range(count)], (), interval_s, 0.0)
    odd = next((at for at, when in enumerate(whens) if (when.tzinfo is None) != (whens[0].tzinfo is None)), None)
    if odd is not None:
        raise MeasurementError("of this time and the first one, one alone has a zone",
                               where=f"{path}: row {samples[odd].line}", expected="one log, of one clock")  # fmt: skip
    stamps = [(when - whens[0]).total_seconds() for when in whens]
    for at, (before, after) in enumerate(pairwise(stamps), 1):
        if after < before:
            raise MeasurementError("the time goes back", where=f"{path}: row {samples[at].line}",
                                   expected="one log, in order")  # fmt: skip
    resolution = 0.0 if any(when.microsecond for when in whens) else 1.0
    repeat = bool(resolution) and len(set(stamps)) < count
    span = stamps[-1]
    if interval_s is not None:
        _refuse_other_interval(interval_s, count, span, resolution, path)
        at_s = [at * interval_s for at in range(count)] if repeat else stamps
        return _Times(at_s, stamps, interval_s, resolution)
    if not span:
        raise MeasurementError("how long the log runs is unknown", where=path, expected="--interval, such as 100ms")
    if not repeat:
        return _Times(stamps, stamps, span / (count - 1), resolution)
    step = (span + resolution) / count
    message = (
        f"its stamps are whole seconds and repeat: {count} lines are taken for {span + resolution:g} s, to a second"
    )
    finding = Finding("stamps-repeat", path, message, "--interval, such as 100ms, says it exactly")
    return _Times([at * step for at in range(count)], stamps, step, resolution, (finding,))


def _refuse_other_interval(interval_s: float, count: int, span: float, resolution: float, path: str) -> None:
    """Raise where the stamps are more than 5 % off from what the interval says, and by more than they are exact to."""
    said = interval_s * (count - 1)
    if abs(span - said) > resolution + 0.05 * said:
        raise MeasurementError(
            f"{count} lines {interval_s:g} s apart take {said:g} s, and by their stamps {span:g} s",
            where=f"{path}: --interval", expected=f"about {span / max(1, count - 1):.3g}s, or none",
        )  # fmt: skip


def cut_line(path: str, line: int) -> Finding:
    """Return what to say about a last line that is not whole."""
    return Finding("line-cut", f"{path}: row {line}", "the last line is cut, as a stopped tool leaves it: left out")


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
    findings = list(window.findings)
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
